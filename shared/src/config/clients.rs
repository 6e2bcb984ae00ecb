//! Who may come: registered clients, staff, patients' accounts, other issuers of tokens.

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use url::Url;

use super::is_loopback;
use super::reader::Reader;
use crate::domain::ids::{ClientId, PatientId};
use crate::domain::scopes::Scopes;

/// A registered app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    pub id: ClientId,
    /// What the consent page calls it.
    #[serde(default)]
    pub name: Option<String>,
    /// Where codes may be sent; matched on origin and path.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The most that it can be granted.
    #[serde(default)]
    pub scopes: Scopes,
    /// argon2 hash of the client's secret; a client without one is public and must use PKCE.
    #[serde(default)]
    pub secret_hash: Option<String>,
    #[serde(default)]
    pub link_style: LinkStyle,
    /// Each DocumentReference in a file of its own.
    #[serde(default)]
    pub one_document_per_file: bool,
    #[serde(default)]
    pub large_files: LargeFiles,
    /// The URLs of its manifests carry signatures that are good for five minutes, and need no token.
    #[serde(default)]
    pub signed_urls: bool,
    /// Its manifests have the shape of Bulk Data 4.0.
    #[serde(default)]
    pub stu4: bool,
    /// The public keys with which it authenticates as a backend service, as the JSON text of a JWK set.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Where those keys are published.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Exports that it may have under way; the server's setting when not given.
    #[serde(default)]
    pub max_running_exports: Option<u64>,
}

/// What a client gets for a file that is too large for an answer of the host, as on AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargeFiles {
    /// 307 to a link that is signed for the request.
    #[default]
    Redirect,
    /// 413, for clients that cannot follow a redirect or would send their token along.
    Refuse,
}

/// How the `Link` header spells its URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkStyle {
    /// `<url>; rel=…` (RFC 8288).
    #[default]
    Angle,
    /// `url; rel=…`, for clients that cannot read the brackets.
    Bare,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffAccount {
    pub username: String,
    /// argon2 hash.
    pub password_hash: String,
}

/// A patient's account, for servers that are no sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientAccount {
    pub username: String,
    /// argon2 hash.
    pub password_hash: String,
    pub patient: PatientId,
}

/// Another issuer whose access tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are published.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Its keys themselves, as the JSON text of a JWK set.
    #[serde(default)]
    pub jwks: Option<String>,
    /// The `aud` that its tokens for this server have; our base URLs when not set.
    #[serde(default)]
    pub audience: Option<String>,
    /// Whether its tokens with the role ADMIN are staff.
    #[serde(default)]
    pub staff: bool,
}

/// Where an issuer's keys come from.
pub enum IssuerKeys<'a> {
    Inline(JwkSet),
    Url(&'a str),
}

impl Client {
    pub fn is_public(&self) -> bool {
        self.secret_hash.is_none() && !self.is_backend_service()
    }

    /// Whether it authenticates with a key of its own (SMART Backend Services).
    pub fn is_backend_service(&self) -> bool {
        self.jwks.is_some() || self.jwks_url.is_some()
    }

    /// Where the keys of a backend service come from.
    pub fn keys(&self) -> Option<IssuerKeys<'_>> {
        keys_of(self.jwks.as_deref(), self.jwks_url.as_deref())
    }

    /// Whether codes may be sent to `uri`: the origin and path of a registered one; the query may vary.
    pub fn allows_redirect(&self, uri: &str) -> bool {
        let Ok(uri) = Url::parse(uri) else { return false };
        let is_plain = uri.fragment().is_none() && uri.username().is_empty() && uri.password().is_none();
        is_plain && self.registered().any(|known| same_origin(&known, &uri) && known.path() == uri.path())
    }

    /// Whether people may be sent to `url` after the form: any page of an origin that the client registered.
    pub fn allows_return(&self, url: &Url) -> bool {
        self.registered().any(|known| same_origin(&known, url))
    }

    fn registered(&self) -> impl Iterator<Item = Url> + '_ {
        self.redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok())
    }

    pub(super) fn check(&self, read: &mut Reader) {
        for uri in &self.redirect_uris {
            let valid = Url::parse(uri)
                .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
            if !valid {
                read.wrong(
                    "clients",
                    &format!(
                        "'{}' has the redirect_uri '{uri}', which is neither https nor loopback",
                        self.id
                    ),
                );
            }
        }
        if self.is_backend_service() && (self.keys().is_none() || self.secret_hash.is_some()) {
            read.wrong(
                "clients",
                &format!(
                    "'{}' needs either jwks, a JWK set, or jwks_url, an https URL, and then no secret_hash",
                    self.id
                ),
            );
        }
        if self.secret_hash.as_deref().is_some_and(|hash| !crate::security::passwords::is_hash(hash)) {
            read.wrong("clients", &format!("'{}' has a secret_hash that is no argon2 hash", self.id));
        }
    }
}

/// The same scheme, host and port; on this machine the port may vary, because apps get theirs from the
/// operating system (RFC 8252, 7.3).
fn same_origin(registered: &Url, url: &Url) -> bool {
    let same_host = registered.scheme() == url.scheme() && registered.host() == url.host();
    let same_port = registered.port_or_known_default() == url.port_or_known_default();
    same_host && registered.has_host() && (same_port || is_loopback(registered))
}

impl StaffAccount {
    pub(super) fn check(&self, read: &mut Reader) {
        if !crate::security::passwords::is_hash(&self.password_hash) {
            read.wrong("staff", &format!("'{}' has a password_hash that is no argon2 hash", self.username));
        }
    }
}

impl PatientAccount {
    pub(super) fn check(&self, read: &mut Reader) {
        if !crate::security::passwords::is_hash(&self.password_hash) {
            read.wrong(
                "accounts",
                &format!("'{}' has a password_hash that is no argon2 hash", self.username),
            );
        }
    }
}

/// Keys as a set, or where they are published: one of the two, and nothing that could be read on the way.
fn keys_of<'k>(jwks: Option<&str>, url: Option<&'k str>) -> Option<IssuerKeys<'k>> {
    match (jwks, url) {
        (Some(text), None) => serde_json::from_str(text).ok().map(IssuerKeys::Inline),
        (None, Some(url)) => {
            let parsed = Url::parse(url).ok()?;
            let safe = parsed.scheme() == "https" || (parsed.scheme() == "http" && is_loopback(&parsed));
            safe.then_some(IssuerKeys::Url(url))
        }
        _ => None,
    }
}

impl Issuer {
    pub fn keys(&self) -> Option<IssuerKeys<'_>> {
        keys_of(self.jwks.as_deref(), self.jwks_url.as_deref())
    }

    pub(super) fn check(&self, read: &mut Reader) {
        if self.keys().is_none() {
            read.wrong(
                "issuers",
                &format!("'{}' needs either jwks, a JWK set, or jwks_url, an https URL", self.issuer),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_match_on_origin_and_path() {
        let client = Client {
            id: ClientId::parse("app").expect("valid"),
            name: None,
            redirect_uris: vec!["https://app.example.org/cb".into(), "http://127.0.0.1/cb".into()],
            scopes: Scopes::default(),
            secret_hash: None,
            link_style: LinkStyle::Angle,
            one_document_per_file: false,
            large_files: LargeFiles::Redirect,
            signed_urls: false,
            stu4: false,
            jwks: None,
            jwks_url: None,
            max_running_exports: None,
        };
        for (uri, allowed) in [
            ("https://app.example.org/cb", true),
            ("https://app.example.org/cb?referer=x", true),
            ("https://app.example.org:8443/cb", false),
            ("https://app.example.org/cb/more", false),
            ("https://app.example.org.evil/cb", false),
            ("https://user@app.example.org/cb", false),
            ("https://app.example.org/cb#x", false),
            ("http://app.example.org/cb", false),
            ("http://127.0.0.1:5555/cb", true),
            ("http://127.0.0.1:5555/other", false),
            ("javascript:alert(1)", false),
            ("//app.example.org/cb", false),
        ] {
            assert_eq!(client.allows_redirect(uri), allowed, "{uri}");
        }
        for (uri, allowed) in
            [("http:/127.0.0.1:3000/jobs", true), ("javascript:alert(1)", false), ("data:text/html,x", false)]
        {
            let url = Url::parse(uri).expect("a URL");
            assert_eq!(client.allows_return(&url), allowed, "{uri}");
        }
    }
}
