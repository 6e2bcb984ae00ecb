//! `/auth/introspect` (RFC 7662) and `/auth/revoke` (RFC 7009).

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use shared::domain::ids::ClientId;
use shared::error::Error;
use shared::http::caller::bearer_token;
use shared::http::extract::{field, read_form};
use shared::http::respond::{OAuthError, json};
use shared::ports::grants::GrantKind;
use shared::security::fingerprint;

use crate::{Authorize, RefreshGrant};

/// What is known of a token: to the client it was given to, and to nobody else.
pub(crate) async fn introspect(
    State(state): State<Authorize>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OAuthError> {
    let fields = read_form(&headers, body).await?;
    let asking = state.asking(&headers, &fields).await?;
    let token =
        field(&fields, "token").ok_or_else(|| OAuthError::new("invalid_request", "'token' is missing"))?;
    let inactive = || Ok(json(StatusCode::OK, &json!({ "active": false })));
    if let Some(refresh) = state.refresh_grant(token).await? {
        if refresh.client != asking || !state.is_alive(&refresh).await? {
            return inactive();
        }
        let patient = refresh.patient;
        return Ok(json(
            StatusCode::OK,
            &json!({
                "active": true,
                "client_id": refresh.client,
                "scope": refresh.scopes,
                "sub": format!("Patient/{patient}"),
                "patient": patient,
                "iss": state.settings.base_url,
            }),
        ));
    }
    let caller = match state.verifier.verify(token).await {
        Ok(caller) if caller.client == asking => caller,
        Ok(_) | Err(Error::Unauthorized(_)) => return inactive(),
        Err(error) => return Err(error.into()),
    };
    Ok(json(
        StatusCode::OK,
        &json!({
            "active": true,
            "client_id": caller.client,
            "scope": caller.scopes,
            "sub": caller.subject,
            "patient": caller.patient,
            "exp": caller.expires_at().as_second(),
            "iss": caller.issuer.as_deref().unwrap_or(&state.settings.base_url),
            "aud": state.settings.base_url,
            "token_type": "bearer",
        }),
    ))
}

/// Revokes a token and all that came from the same authorization. Unknown tokens are fine (RFC 7009, 2.2).
pub(crate) async fn revoke(
    State(state): State<Authorize>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OAuthError> {
    let fields = read_form(&headers, body).await?;
    let client = state.client(&headers, &fields).await?.map(|client| client.id.clone());
    let token =
        field(&fields, "token").ok_or_else(|| OAuthError::new("invalid_request", "'token' is missing"))?;
    // Whoever holds a public client's token may give it up; a confidential client says who it is.
    let may = |owner: &ClientId| match &client {
        Some(client) => client == owner,
        None => state.settings.client(owner.as_str()).is_some_and(shared::config::Client::is_public),
    };
    if let Some(refresh) = state.refresh_grant(token).await? {
        if may(&refresh.client) {
            state.end_family(&refresh.family).await?;
        }
    } else if let Ok(caller) = state.verifier.verify(token).await
        && may(&caller.client)
    {
        state.verifier.revoke(&caller).await?;
    }
    Ok(json(StatusCode::OK, &json!({})))
}

impl Authorize {
    /// Who asks: an authenticated confidential client, or the bearer of an access token.
    async fn asking(&self, headers: &HeaderMap, fields: &[(String, String)]) -> Result<ClientId, OAuthError> {
        if let Some(token) = bearer_token(headers) {
            return Ok(self.verifier.verify(token).await?.client.clone());
        }
        match self.client(headers, fields).await? {
            Some(client) if !client.is_public() => Ok(client.id.clone()),
            _ => Err(OAuthError::new(
                "invalid_client",
                "introspection needs the client's secret or an access token",
            )),
        }
    }

    async fn refresh_grant(&self, token: &str) -> Result<Option<RefreshGrant>, OAuthError> {
        let grant = self.grants.get(GrantKind::Refresh, &fingerprint(token)).await?;
        Ok(grant.map(|grant| grant.read()).transpose()?)
    }

    async fn is_alive(&self, refresh: &RefreshGrant) -> Result<bool, OAuthError> {
        Ok(!refresh.used && self.grants.get(GrantKind::Family, &refresh.family).await?.is_some())
    }
}
