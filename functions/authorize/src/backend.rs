//! `client_credentials`: access tokens for backend services (SMART App Launch 2.2, Backend Services).

use axum::response::Response;
use domain::scopes::Scopes;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use security::assertion;
use security::tokens::{AccessTokenClaims, sign};
use serde_json::json;
use web::extract::field;
use web::respond::{OAuthError, json as json_answer};

use crate::Authorize;

/// The longest that such a token is good for.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

impl Authorize {
    /// Answers a request with `grant_type=client_credentials`, which only an assertion can authenticate.
    pub(crate) async fn by_assertion(
        &self,
        headers: &HeaderMap,
        fields: &[(String, String)],
    ) -> Result<Response, OAuthError> {
        if field(fields, "client_assertion_type") != Some(assertion::TYPE) {
            let text = format!("'client_assertion_type' must be {}", assertion::TYPE);
            return Err(OAuthError::new("invalid_request", text));
        }
        let client = self.client(headers, fields, "/auth/token").await?.ok_or(OAuthError::Assertion)?;
        let asked = field(fields, "scope").filter(|scope| !scope.trim().is_empty());
        let asked = asked.ok_or_else(|| OAuthError::new("invalid_scope", "'scope' is missing"))?;
        let scopes = Scopes::parse(asked).narrowed_to(&client.scopes);
        if scopes.is_empty() {
            return Err(OAuthError::new(
                "invalid_scope",
                "the client is not registered for any of these scopes",
            ));
        }
        let now = self.clock.now();
        let lifetime = self.settings.token_lifetime.min(LIFETIME);
        let claims = AccessTokenClaims {
            iss: self.settings.base_url.clone(),
            aud: self.settings.base_url.clone(),
            sub: client.id.to_string(),
            client_id: client.id.to_string(),
            scope: scopes.to_string(),
            patient: None,
            iat: now.as_second(),
            exp: now.as_second() + lifetime.as_secs(),
            jti: self.random.secret(),
            fhir_user: None,
            family: None,
        };
        let answer = json!({
            "access_token": sign(&self.keys, &claims)?,
            "token_type": "bearer",
            "expires_in": lifetime.as_secs(),
            "scope": claims.scope,
        });
        Ok(json_answer(StatusCode::OK, &answer))
    }
}
