//! `client_credentials`: access tokens for backend services (SMART App Launch 2.2, Backend Services).

use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::scopes::Scopes;
use http::StatusCode;
use jiff::SignedDuration;
use security::tokens::{AccessTokenClaims, sign};
use serde_json::json;
use settings::Client;
use web::respond::{OAuthError, json as json_response};

use crate::Authorize;

/// The maximum lifetime of an access token for a backend service.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

impl Authorize {
    /// Returns the response to `grant_type=client_credentials` for an authenticated client.
    pub(crate) async fn by_assertion(
        &self,
        client: &Client,
        scope: Option<&str>,
    ) -> Result<Response, OAuthError> {
        let requested = scope.filter(|scope| !scope.trim().is_empty());
        let requested = requested.ok_or_else(|| OAuthError::new("invalid_scope", "'scope' is missing"))?;
        let scopes = Scopes::parse(requested).narrowed_to(&client.scopes);
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
        let tokens = json!({
            "access_token": sign(&self.keys, &claims)?,
            "token_type": "bearer",
            "expires_in": lifetime.as_secs(),
            "scope": claims.scope,
        });
        self.audit.record(Event::new(Actor::client(&client.id), Action::TokenIssued)).await?;
        Ok(json_response(StatusCode::OK, &tokens))
    }
}
