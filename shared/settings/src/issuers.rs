//! Trusted issuers of access tokens.

use std::collections::BTreeMap;

use domain::roles::Roles;
use serde::Deserialize;
use url::Url;

use crate::clients::{IssuerKeys, keys_of};
use crate::reader::Reader;

/// Another issuer whose access tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The URL at which its keys are published.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Its keys, as the JSON text of a JWK set.
    #[serde(default)]
    pub jwks: Option<String>,
    /// The `aud` of its tokens for this server; defaults to the base URLs of this server.
    #[serde(default)]
    pub audience: Option<String>,
    /// Whether the users of its tokens with one of `staff_roles` are staff.
    #[serde(default)]
    pub staff: bool,
    /// The staff roles that its tokens give, by the role that the tokens name. By default, ADMIN gives all roles.
    #[serde(default = "admin_has_all")]
    pub staff_roles: BTreeMap<String, Roles>,
    /// The base URL of its FHIR server, below which it names its users in `fhirUser` and `profile`.
    #[serde(default)]
    pub fhir_base: Option<String>,
    /// Whether all its users are staff, so that `user/` scopes of its tokens give access to all patients.
    #[serde(default)]
    pub users_are_staff: bool,
}

impl Issuer {
    pub fn keys(&self) -> Option<IssuerKeys<'_>> {
        keys_of(self.jwks.as_deref(), self.jwks_url.as_deref())
    }

    /// Returns the staff roles that a token of this issuer gives, by the roles that it names.
    pub fn roles_of(&self, named: &[String]) -> Roles {
        let given = named.iter().filter(|_| self.staff).filter_map(|name| self.staff_roles.get(name));
        given.flat_map(Roles::iter).collect()
    }

    pub(super) fn check(&self, read: &mut Reader) {
        if self.keys().is_none() {
            read.wrong(
                "issuers",
                &format!("'{}' needs either jwks, a JWK set, or jwks_url, an https URL", self.issuer),
            );
        }
        if self.fhir_base.as_ref().is_some_and(|base| !is_base(base)) {
            read.wrong(
                "issuers",
                &format!(
                    "fhir_base of '{}' must be an absolute URL without a query or a fragment",
                    self.issuer
                ),
            );
        }
        if self.issuer.is_empty() || self.issuer.contains(char::is_whitespace) {
            read.wrong(
                "issuers",
                &format!("'{}' cannot be an issuer: it is empty or contains a space", self.issuer),
            );
        }
    }
}

fn is_base(base: &str) -> bool {
    Url::parse(base).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none()
    })
}

fn admin_has_all() -> BTreeMap<String, Roles> {
    BTreeMap::from([("ADMIN".to_owned(), Roles::all())])
}
