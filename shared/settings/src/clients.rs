//! Registered clients.

use crypto::key_set;
use domain::ids::ClientId;
use domain::owner::Owner;
use domain::scopes::Scopes;
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::is_loopback;
use crate::reader::Reader;

/// The maximum of `inline_attachments_bytes`. An attachment of this size in base64 leaves room for the rest of the line
/// within the longest line that readers accept.
const MAX_INLINE_ATTACHMENT: u64 = 5 * 1024 * 1024;

/// A registered app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    pub id: ClientId,
    /// The name on the consent page.
    #[serde(default)]
    pub name: Option<String>,
    /// The URLs to which codes may be sent. They are compared by origin, path and query.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The query of its `redirect_uri` may differ from the registered one.
    #[serde(default)]
    pub varying_redirect_query: bool,
    /// Its authorization requests need no `state`.
    #[serde(default)]
    pub state_optional: bool,
    #[serde(default)]
    pub refresh_tokens: RefreshTokens,
    /// The algorithm of its ID tokens. The default is RS256 if the server has an RSA key, and otherwise ES256.
    #[serde(default)]
    pub id_token_alg: Option<IdTokenAlg>,
    /// It is a resource server, which may introspect the tokens of all clients and issuers.
    #[serde(default)]
    pub introspects: bool,
    /// The scopes that it can be granted.
    #[serde(default)]
    pub scopes: Scopes,
    /// The argon2 hash of the client's secret. A client without a secret and without keys is public and must use PKCE.
    #[serde(default)]
    secret_hash: Option<SecretString>,
    #[serde(default)]
    pub link_style: LinkStyle,
    /// Each DocumentReference is in a separate file.
    #[serde(default)]
    pub one_document_per_file: bool,
    /// Attachments of the record with at most this many bytes are included in the resources as `data`. The maximum is
    /// 5 MiB; 0 includes none.
    #[serde(default)]
    pub inline_attachments_bytes: u64,
    #[serde(default)]
    pub large_files: LargeFiles,
    /// The URLs in its manifests have signatures that are valid for five minutes, and need no token.
    #[serde(default)]
    pub signed_urls: bool,
    /// Its manifests have the format of Bulk Data 4.0.
    #[serde(default, rename = "stu4")]
    pub manifest_v4: bool,
    /// It may send a date in `_since`, which is read as its first moment in UTC.
    #[serde(default)]
    pub since_dates: bool,
    /// The public keys with which it authenticates, as the JSON text of a JWK set.
    #[serde(default)]
    pub jwks: Option<String>,
    /// The URL at which those keys are published.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Maximum concurrent exports; defaults to the server's `max_running_exports`.
    #[serde(default)]
    pub max_running_exports: Option<u64>,
}

/// The use of a refresh token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefreshTokens {
    /// It is replaced by a new one. To use the old one again ends the authorization (RFC 9700, section 4.14.2).
    #[default]
    Rotating,
    /// It stays valid, for clients that keep using the first one.
    Reusable,
}

/// The algorithm of a client's ID tokens (OpenID Connect Registration 1.0, `id_token_signed_response_alg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum IdTokenAlg {
    RS256,
    ES256,
}

/// The response for a file that is too large for one response of the host, as on AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LargeFiles {
    /// 307 to a link that is signed for the request.
    #[default]
    Redirect,
    /// 413, for clients that cannot follow a redirect or would send their token to the store.
    Refuse,
}

/// The form of the URL in the `Link` header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkStyle {
    /// `<url>; rel=…` (RFC 8288).
    #[default]
    Angle,
    /// `url; rel=…`, for clients that do not support the angle brackets.
    Bare,
}

/// The source of the keys of an issuer or a client.
pub enum IssuerKeys<'a> {
    Inline(JwkSet),
    Url(&'a str),
}

/// The id of the client that represents the patients' own pages. No app can be registered with it, so no token gives
/// access to the exports that patients start there.
pub const OWN_PAGES: &str = "my";

impl Client {
    /// Returns the client of the patients' own pages: it has no scopes, no redirect URIs and no secret.
    pub(super) fn own_pages() -> Self {
        Self {
            id: ClientId::parse(OWN_PAGES).expect("the id of a client"),
            name: None,
            redirect_uris: Vec::new(),
            varying_redirect_query: false,
            state_optional: false,
            refresh_tokens: RefreshTokens::default(),
            id_token_alg: None,
            introspects: false,
            scopes: Scopes::default(),
            secret_hash: None,
            link_style: LinkStyle::default(),
            one_document_per_file: false,
            inline_attachments_bytes: 0,
            large_files: LargeFiles::default(),
            signed_urls: false,
            manifest_v4: false,
            since_dates: false,
            jwks: None,
            jwks_url: None,
            max_running_exports: None,
        }
    }

    /// Returns the argon2 hash of the secret.
    pub fn secret_hash(&self) -> Option<&str> {
        self.secret_hash.as_ref().map(ExposeSecret::expose_secret)
    }

    pub fn is_public(&self) -> bool {
        self.secret_hash.is_none() && !self.has_keys()
    }

    /// Returns whether it authenticates with a key: a backend service, or an app with `private_key_jwt`.
    pub fn has_keys(&self) -> bool {
        self.jwks.is_some() || self.jwks_url.is_some()
    }

    /// Returns the source of its keys; `None` if the settings have no usable ones.
    pub fn keys(&self) -> Option<IssuerKeys<'_>> {
        keys_of(self.jwks.as_deref(), self.jwks_url.as_deref())
    }

    /// Returns whether codes may be sent to `uri`, which must have the origin, the path and the query of a registered
    /// URI. If the query may vary, it must not contain a parameter of the authorization response.
    pub fn allows_redirect(&self, uri: &str) -> bool {
        let Ok(uri) = Url::parse(uri) else { return false };
        let same_query = |known: &Url| self.varying_redirect_query || known.query() == uri.query();
        is_plain_redirect(&uri)
            && self
                .registered()
                .any(|known| same_origin(&known, &uri) && known.path() == uri.path() && same_query(&known))
    }

    /// Returns whether the browser may be redirected to `url` after the form: any URL with a registered origin.
    pub fn allows_return(&self, url: &Url) -> bool {
        self.registered().any(|known| same_origin(&known, url))
    }

    fn registered(&self) -> impl Iterator<Item = Url> + '_ {
        self.redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok())
    }

    pub(super) fn check(&self, read: &mut Reader) {
        if self.id.as_str() == OWN_PAGES {
            read.wrong("clients", &format!("has '{OWN_PAGES}', which is the id of the patients' own pages"));
        }
        let mut wrong = |what: String| read.wrong("clients", &format!("'{}' {what}", self.id));
        if self.id.as_str() == Owner::STAFF {
            wrong("is the id of the exports that staff start; choose another".to_owned());
        }
        if self.inline_attachments_bytes > MAX_INLINE_ATTACHMENT {
            wrong(format!(
                "has inline_attachments_bytes {}, and the maximum is {MAX_INLINE_ATTACHMENT}",
                self.inline_attachments_bytes
            ));
        }
        for uri in &self.redirect_uris {
            let url = Url::parse(uri).ok();
            let safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
            if !url.as_ref().is_some_and(safe) {
                wrong(format!("has the redirect_uri '{uri}', which is neither https nor loopback"));
            } else if !url.as_ref().is_some_and(is_plain_redirect) {
                wrong(format!(
                    "has the redirect_uri '{uri}': a fragment, a user name, or one of {} in its query cannot be used",
                    RESPONSE_PARAMETERS.join(", ")
                ));
            }
        }
        let malformed = self.scopes.malformed();
        if !malformed.is_empty() {
            wrong(format!("has malformed scopes: {}", malformed.join(" ")));
        }
        if self.introspects && self.is_public() {
            wrong("has introspects = true, which needs a secret_hash or keys".to_owned());
        }
        if self.has_keys() && (self.keys().is_none() || self.secret_hash.is_some()) {
            read.wrong(
                "clients",
                &format!(
                    "'{}' needs either jwks, a JWK set, or jwks_url, an https URL, and must then have no secret_hash",
                    self.id
                ),
            );
        }
        if self.secret_hash().is_some_and(|hash| !crypto::is_password_hash(hash)) {
            read.wrong("clients", &format!("'{}' has a secret_hash that is not an argon2 hash", self.id));
        }
    }
}

/// The parameters of authorization responses, which the query of a redirect URI must not contain (RFC 6749, section
/// 4.1.2; RFC 9207; OpenID Connect Session Management 1.0).
const RESPONSE_PARAMETERS: [&str; 8] =
    ["code", "state", "error", "error_description", "error_uri", "iss", "session_state", "response"];

/// Returns whether a redirect URI has no fragment, no user and no parameter of an authorization response.
fn is_plain_redirect(uri: &Url) -> bool {
    uri.fragment().is_none()
        && uri.username().is_empty()
        && uri.password().is_none()
        && !uri.query_pairs().any(|(name, _)| RESPONSE_PARAMETERS.contains(&name.as_ref()))
}

/// Returns whether two URLs have the same scheme, host and port. On a loopback address the port may vary, because apps
/// get theirs from the operating system (RFC 8252, section 7.3).
fn same_origin(registered: &Url, url: &Url) -> bool {
    let same_host = registered.scheme() == url.scheme() && registered.host() == url.host();
    let same_port = registered.port_or_known_default() == url.port_or_known_default();
    same_host && registered.has_host() && (same_port || is_loopback(registered))
}

/// Returns the source of keys: a set or a URL, but not both. The URL must be https or loopback, so that the keys cannot
/// be changed in transit.
pub(super) fn keys_of<'k>(jwks: Option<&str>, url: Option<&'k str>) -> Option<IssuerKeys<'k>> {
    match (jwks, url) {
        (Some(text), None) => key_set(text.as_bytes()).map(IssuerKeys::Inline),
        (None, Some(url)) => {
            let parsed = Url::parse(url).ok()?;
            let safe = parsed.scheme() == "https" || (parsed.scheme() == "http" && is_loopback(&parsed));
            safe.then_some(IssuerKeys::Url(url))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
