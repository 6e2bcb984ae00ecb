//! `/auth/introspect` (RFC 7662) and `/auth/revoke` (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::audit::{Action, Actor, Event};
use domain::error::Error;
use domain::ids::ClientId;
use domain::ports::expiring::EntryKind;
use domain::scopes::Scopes;
use http::StatusCode;
use security::verify::Caller;
use serde_json::{Value, json};
use settings::Client;
use web::respond::{OAuthError, json};

use crate::authorization::Standing;
use crate::request::OAuthRequest;
use crate::{Authorize, RefreshGrant};

/// The caller of the introspection or revocation endpoint. A client id is unique only within its issuer.
struct Requester {
    client: ClientId,
    /// `None` means this server.
    issuer: Option<String>,
    /// Whether this is a resource server, which may introspect every token.
    about_all: bool,
}

impl Requester {
    fn registered(client: &Client) -> Self {
        Self { client: client.id.clone(), issuer: None, about_all: client.introspects }
    }

    fn may_know(&self, client: &ClientId, issuer: Option<&str>) -> bool {
        self.about_all || (self.client == *client && self.issuer.as_deref() == issuer)
    }
}

/// Describes a token to the client that it was issued to, and to resource servers.
pub(crate) async fn introspect(
    State(state): State<Authorize>,
    request: OAuthRequest,
) -> Result<Response, OAuthError> {
    let requester = state.authenticate(&request).await?;
    let token = request.token()?;
    let inactive = || Ok(json(StatusCode::OK, &json!({ "active": false })));
    if let Some(refresh) = state.refresh_grant(token).await? {
        if !requester.may_know(&refresh.client, None) {
            return inactive();
        }
        return match state.usable_scopes(&refresh).await? {
            Some(scopes) => Ok(json(StatusCode::OK, &state.described_refresh(&refresh, &scopes))),
            None => inactive(),
        };
    }
    match state.valid(token).await? {
        Some(caller) if requester.may_know(&caller.client, caller.issuer.as_deref()) => {
            Ok(json(StatusCode::OK, &state.described(&caller)))
        }
        _ => inactive(),
    }
}

/// Revokes a token and all tokens of the same authorization. An unknown token is not an error (RFC 7009, 2.2).
pub(crate) async fn revoke(
    State(state): State<Authorize>,
    request: OAuthRequest,
) -> Result<Response, OAuthError> {
    // The bearer of an access token acts as the client of that token, so tokens of another issuer can be revoked here.
    let requester = match &request.bearer {
        Some(bearer) => Some(state.bearer(bearer).await?),
        None => state.client(&request, "/auth/revoke").await?.map(Requester::registered),
    };
    let token = request.token()?;
    // A public client's token can be revoked without authentication; a confidential client must authenticate.
    let may_revoke = |client: &ClientId, issuer: Option<&str>| match &requester {
        Some(requester) => requester.client == *client && requester.issuer.as_deref() == issuer,
        None => issuer.is_none() && state.settings.client(client.as_str()).is_some_and(Client::is_public),
    };
    if let Some(refresh) = state.refresh_grant(token).await? {
        if may_revoke(&refresh.client, None) {
            // A second revocation leaves no entry, so that the holder of a token cannot fill the audit trail.
            if state.is_authorized(&refresh).await? {
                let event = Event::new(Actor::client(&refresh.client), Action::TokenRevoked);
                state.audit.record(event.of_patient(&refresh.sign_in.patient)).await?;
            }
            state.end_family(&refresh.family).await?;
            let patient = &refresh.sign_in.patient;
            state.authorizations().forget(patient, std::slice::from_ref(&refresh.family)).await?;
        }
    } else if let Some(caller) = state.valid(token).await?
        && may_revoke(&caller.client, caller.issuer.as_deref())
    {
        let event = Event::new(Actor::client(&caller.client), Action::TokenRevoked);
        let event = caller.patient.iter().fold(event, Event::of_patient);
        state.audit.record(event).await?;
        state.verifier.revoke(&caller).await?;
        if let (None, Some(patient), Some(family)) = (&caller.issuer, &caller.patient, caller.family()) {
            state.authorizations().forget(patient, std::slice::from_ref(family)).await?;
        }
    }
    Ok(json(StatusCode::OK, &json!({})))
}

impl Authorize {
    /// Returns the caller: an authenticated confidential client, or the bearer of an access token.
    async fn authenticate(&self, request: &OAuthRequest) -> Result<Requester, OAuthError> {
        if let Some(token) = &request.bearer {
            return self.bearer(token).await;
        }
        match self.client(request, "/auth/introspect").await? {
            Some(client) if !client.is_public() => Ok(Requester::registered(client)),
            _ => Err(OAuthError::new(
                "invalid_client",
                "introspection needs the client's authentication or an access token",
            )),
        }
    }

    /// Returns the caller of an access token; `None` if the token is not valid. If that cannot be decided now, it is an error, so that no
    /// client believes that its token was revoked (RFC 7009, 2.2.1).
    async fn valid(&self, token: &str) -> Result<Option<Arc<Caller>>, OAuthError> {
        match self.verifier.verify(token).await {
            Ok(caller) => Ok(Some(caller)),
            Err(Error::Unauthorized(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn bearer(&self, token: &str) -> Result<Requester, OAuthError> {
        let caller = self.verifier.verify(token).await?;
        // A resource server must use its own token, and not a token that a patient granted to it.
        let is_own = caller.issuer.is_none() && caller.patient.is_none();
        let client = self.settings.client(caller.client.as_str()).filter(|_| is_own);
        Ok(Requester {
            client: caller.client.clone(),
            issuer: caller.issuer.clone(),
            about_all: client.is_some_and(|client| client.introspects),
        })
    }

    fn described_refresh(&self, refresh: &RefreshGrant, scopes: &Scopes) -> Value {
        json!({
            "active": true,
            "client_id": refresh.client,
            "scope": scopes,
            "sub": refresh.sign_in.subject(),
            "patient": refresh.sign_in.patient,
            "iss": self.settings.base_url,
        })
    }

    fn described(&self, caller: &Caller) -> Value {
        let mut described = json!({
            "active": true,
            "client_id": caller.client,
            "scope": caller.scopes,
            "sub": caller.subject,
            "patient": caller.patient,
            "exp": caller.expires_at().as_second(),
            "iss": caller.issuer.as_deref().unwrap_or(&self.settings.base_url),
            "token_type": "bearer",
        });
        if caller.issuer.is_none() {
            described["aud"] = json!(self.settings.base_url);
        }
        if let Some(user) = &caller.fhir_user {
            described["fhirUser"] = json!(user);
        }
        described
    }

    async fn refresh_grant(&self, token: &str) -> Result<Option<RefreshGrant>, OAuthError> {
        let grant = self.expiring.get(EntryKind::Refresh, &fingerprint(token)).await?;
        Ok(grant.map(|grant| grant.read()).transpose()?)
    }

    /// Returns the scopes that `/auth/token` would give for a refresh token; `None` if it would refuse it.
    async fn usable_scopes(&self, refresh: &RefreshGrant) -> Result<Option<Scopes>, OAuthError> {
        let Some(client) = self.settings.client(refresh.client.as_str()) else { return Ok(None) };
        match self.standing(refresh, client).await? {
            Standing::Usable(scopes) => Ok(Some(scopes)),
            Standing::Used | Standing::Ended(_) => Ok(None),
        }
    }

    /// Returns whether the authorization of a refresh token has not ended.
    async fn is_authorized(&self, refresh: &RefreshGrant) -> Result<bool, OAuthError> {
        Ok(self.expiring.get(EntryKind::Family, &refresh.family).await?.is_some())
    }
}
