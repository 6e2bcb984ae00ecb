//! The accounts of staff and patients.

use crypto::{fingerprint, same_secret};
use domain::ids::PatientId;
use domain::roles::Roles;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::Settings;
use crate::reader::Reader;

/// An account of a member of staff.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffAccount {
    pub username: String,
    /// The argon2 hash of the password.
    password_hash: SecretString,
    /// The roles of the member. Defaults to all roles.
    #[serde(default = "Roles::all")]
    pub roles: Roles,
}

/// A patient's account, for servers that are not a sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientAccount {
    pub username: String,
    /// The argon2 hash of the password.
    password_hash: SecretString,
    pub patient: PatientId,
}

/// How a patient was identified when a session or an authorization began. It is stored with them, so that they end when the patient could
/// no longer sign in in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SignInMethod {
    /// The patient was picked from the list of a sandbox.
    Sandbox,
    /// The patient signed in with the account that has this digest.
    Account(String),
}

impl Settings {
    /// Returns whether the patient could sign in like this now: the account is still the same, with the same password and patient; or the
    /// server is still a sandbox.
    pub fn can_sign_in(&self, method: &SignInMethod, patient: &PatientId) -> bool {
        match method {
            SignInMethod::Sandbox => self.sandbox,
            SignInMethod::Account(digest) => {
                let mut own = self.accounts.iter().filter(|account| account.patient == *patient);
                own.any(|account| same_secret(&account.digest(), digest))
            }
        }
    }

    /// Returns whether patients can sign in on the pages of this server. In a sandbox they are picked; otherwise they need an account.
    pub fn patients_can_sign_in(&self) -> bool {
        self.sandbox || !self.accounts.is_empty()
    }
}

impl StaffAccount {
    /// Returns the argon2 hash of the password.
    pub fn password_hash(&self) -> &str {
        self.password_hash.expose_secret()
    }

    /// Returns a digest that changes with the name and the password.
    pub fn digest(&self) -> String {
        fingerprint(&format!("{:?} {:?}", self.username, self.password_hash()))
    }

    pub(super) fn check(&self, read: &mut Reader) {
        if !crypto::is_password_hash(self.password_hash()) {
            read.wrong(
                "staff",
                &format!("'{}' has a password_hash that is not an argon2 hash", self.username),
            );
        }
        if self.roles.is_empty() {
            read.wrong(
                "staff",
                &format!("'{}' has no roles; leave roles out for all of them", self.username),
            );
        }
    }
}

impl PatientAccount {
    /// Returns the argon2 hash of the password.
    pub fn password_hash(&self) -> &str {
        self.password_hash.expose_secret()
    }

    /// Returns a digest that changes with the name, the password and the patient.
    pub fn digest(&self) -> String {
        fingerprint(&format!("{:?} {:?} {}", self.username, self.password_hash(), self.patient))
    }

    pub(super) fn check(&self, read: &mut Reader) {
        if !crypto::is_password_hash(self.password_hash()) {
            read.wrong(
                "accounts",
                &format!("'{}' has a password_hash that is not an argon2 hash", self.username),
            );
        }
    }
}
