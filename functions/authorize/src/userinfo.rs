//! `/auth/userinfo`: who signed in, for the bearer of a token with `openid` (OpenID Connect Core 1.0, 5.3).

use axum::extract::State;
use axum::response::Response;
use domain::error::Error;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use web::caller::bearer_token;
use web::respond::{OAuthError, json};

use crate::Authorize;

pub(crate) async fn userinfo(
    State(state): State<Authorize>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let token = bearer_token(&headers)
        .ok_or(Error::Unauthorized("an access token is needed: Authorization: Bearer …"))?;
    let caller = state.verifier.verify(token).await?;
    if caller.issuer.is_some() || !caller.scopes.has("openid") {
        return Err(OAuthError::InsufficientScope("the token lacks the scope openid"));
    }
    let mut info = json!({ "sub": caller.subject });
    if let Some(user) = &caller.fhir_user {
        info["fhirUser"] = json!(user);
    }
    Ok(json(StatusCode::OK, &info))
}
