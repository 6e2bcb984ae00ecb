//! `/auth/userinfo`: returns the signed-in user to the bearer of a token with the scope `openid` (OpenID Connect Core 1.0, 5.3).

use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use web::ApiError;
use web::caller::Bearer;
use web::respond::{OAuthError, json};

pub(crate) async fn userinfo(bearer: Result<Bearer, ApiError>) -> Result<Response, OAuthError> {
    let Bearer(caller) = bearer.map_err(|ApiError(error)| error)?;
    if caller.issuer.is_some() || !caller.scopes.has("openid") {
        return Err(OAuthError::InsufficientScope("the token lacks the scope openid"));
    }
    let mut info = json!({ "sub": caller.subject });
    if let Some(user) = &caller.fhir_user {
        info["fhirUser"] = json!(user);
    }
    Ok(json(StatusCode::OK, &info))
}
