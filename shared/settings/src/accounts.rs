//! The accounts of staff and patients.

use domain::ids::PatientId;
use domain::roles::Roles;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

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

impl StaffAccount {
    /// Returns the argon2 hash of the password.
    pub fn password_hash(&self) -> &str {
        self.password_hash.expose_secret()
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

    pub(super) fn check(&self, read: &mut Reader) {
        if !crypto::is_password_hash(self.password_hash()) {
            read.wrong(
                "accounts",
                &format!("'{}' has a password_hash that is not an argon2 hash", self.username),
            );
        }
    }
}
