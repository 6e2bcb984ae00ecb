//! Requests to the OAuth endpoints: their fields, and the client's credentials (RFC 6749, 2.3 and 3.2).
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, Request};
use domain::scopes::MAX_REQUESTED;
use security::assertion::{self, claimed_client};
use web::caller::bearer_token;
use web::describe::Parameter;
use web::extract::Form;
use web::respond::{OAuthError, PageError};

use crate::MAY_REPEAT;
use crate::basic::Basic;

/// The fields by which a client authenticates in the form (RFC 6749, 2.3; RFC 7523, 2.2).
pub(crate) const CLIENT: [Parameter; 4] = [
    Parameter::field("client_id", "The client id"),
    Parameter::field(
        "client_secret",
        "The secret of the client, if it does not use HTTP Basic authentication",
    ),
    Parameter::field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    Parameter::field("client_assertion", "A JWT that the client has signed"),
];
/// The other fields that `/auth/token` reads.
pub(crate) const GRANT: [Parameter; 6] = [
    Parameter::field("grant_type", "authorization_code, refresh_token or client_credentials"),
    Parameter::field("code", "The authorization code that the app received"),
    Parameter::field("redirect_uri", "The redirect URI of the authorization request"),
    Parameter::field("code_verifier", "The code verifier (RFC 7636)"),
    Parameter::field("refresh_token", "A refresh token"),
    Parameter::field("scope", "The requested scopes; a refresh token gets all granted scopes by default"),
];
pub(crate) const TOKEN: Parameter = Parameter::field("token", "The token to describe or revoke");

type Result<T> = std::result::Result<T, OAuthError>;

/// A request to `/auth/token`, `/auth/introspect` or `/auth/revoke`. No parameter is repeated.
pub(crate) struct OAuthRequest {
    fields: Form,
    basic: Option<Basic>,
    pub(crate) bearer: Option<String>,
}

/// The proof that a request authenticates with.
pub(crate) enum Proof<'r> {
    /// No proof: the client is public, or the request names no client.
    None,
    /// The possible readings of a secret.
    Secret(Vec<&'r str>),
    Assertion(&'r str),
}

/// A request for tokens. Missing fields are refused after the client has authenticated.
pub(crate) enum TokenRequest<'r> {
    AuthorizationCode { code: Option<&'r str>, redirect_uri: Option<&'r str>, code_verifier: Option<&'r str> },
    RefreshToken { refresh_token: Option<&'r str>, scope: Option<&'r str> },
    ClientCredentials { scope: Option<&'r str> },
}

impl<S: Send + Sync> FromRequest<S> for OAuthRequest {
    type Rejection = OAuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let basic = Basic::of(&parts.headers);
        let bearer = bearer_token(&parts.headers).map(str::to_owned);
        let fields = Form::from_request(Request::from_parts(parts, body), &())
            .await
            .map_err(|PageError(error)| error)?;
        if fields.fields().repeated(&MAY_REPEAT).is_some() {
            return Err(invalid_request("a parameter is given more than once"));
        }
        Ok(Self { fields, basic, bearer })
    }
}

impl OAuthRequest {
    /// Returns the value of a parameter; `None` if it is absent.
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.find(name)
    }

    /// Returns the token to describe or revoke.
    pub(crate) fn token(&self) -> Result<&str> {
        self.get("token").ok_or_else(|| invalid_request("'token' is missing"))
    }

    /// Returns the requested scopes, which nobody has parsed yet.
    fn scope(&self) -> Result<Option<&str>> {
        match self.get("scope") {
            Some(scope) if scope.len() > MAX_REQUESTED => {
                Err(OAuthError::new("invalid_scope", scope_too_long()))
            }
            scope => Ok(scope),
        }
    }

    pub(crate) fn token_request(&self) -> Result<TokenRequest<'_>> {
        match self.get("grant_type") {
            Some("authorization_code") => Ok(TokenRequest::AuthorizationCode {
                code: self.get("code"),
                redirect_uri: self.get("redirect_uri"),
                code_verifier: self.get("code_verifier"),
            }),
            Some("refresh_token") => Ok(TokenRequest::RefreshToken {
                refresh_token: self.get("refresh_token"),
                scope: self.scope()?,
            }),
            Some("client_credentials") => Ok(TokenRequest::ClientCredentials { scope: self.scope()? }),
            Some(_) => Err(OAuthError::new(
                "unsupported_grant_type",
                "'grant_type' must be authorization_code, refresh_token or client_credentials",
            )),
            None => Err(invalid_request("'grant_type' is missing")),
        }
    }

    /// Returns whether the client authenticates with an assertion.
    pub(crate) fn has_assertion_type(&self) -> bool {
        self.get("client_assertion_type") == Some(assertion::TYPE)
    }

    /// Returns the client's id and proof. More than one authentication method is an error (RFC 6749, 2.3). If an id of HTTP Basic
    /// authentication has two readings, `is_registered` decides.
    pub(crate) fn credentials(
        &self,
        is_registered: impl Fn(&str) -> bool,
    ) -> Result<(Option<String>, Proof<'_>)> {
        let get = |name| self.get(name).filter(|value| !value.is_empty());
        let named = get("client_id").map(str::to_owned);
        let asserts = get("client_assertion").is_some() || get("client_assertion_type").is_some();
        let methods = [self.basic.is_some(), get("client_secret").is_some(), asserts];
        if methods.iter().filter(|is_used| **is_used).count() > 1 {
            return Err(invalid_request("the client must use only one authentication method"));
        }
        if let Some(basic) = &self.basic {
            let id = basic.id(is_registered);
            return match named.is_some_and(|named| named != id) {
                true => Err(invalid_client()),
                false => Ok((Some(id.to_owned()), Proof::Secret(basic.secrets()))),
            };
        }
        if !asserts {
            return Ok((
                named,
                get("client_secret").map_or(Proof::None, |secret| Proof::Secret(vec![secret])),
            ));
        }
        if !self.has_assertion_type() {
            return Err(wrong_assertion_type());
        }
        let text = get("client_assertion").ok_or_else(|| invalid_request("'client_assertion' is missing"))?;
        let id = claimed_client(text).ok_or(OAuthError::Assertion)?;
        match named.is_some_and(|named| named != id) {
            true => Err(OAuthError::Assertion),
            false => Ok((Some(id), Proof::Assertion(text))),
        }
    }
}

pub(crate) fn invalid_request(description: &str) -> OAuthError {
    OAuthError::new("invalid_request", description)
}

pub(crate) fn invalid_client() -> OAuthError {
    OAuthError::new("invalid_client", "the client is not registered or did not authenticate")
}

/// Returns the description of an `invalid_scope` error.
pub(crate) fn scope_too_long() -> String {
    format!("'scope' has more than {MAX_REQUESTED} bytes; request fewer scopes")
}

pub(crate) fn wrong_assertion_type() -> OAuthError {
    OAuthError::new("invalid_request", format!("'client_assertion_type' must be {}", assertion::TYPE))
}
