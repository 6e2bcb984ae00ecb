//! The SMART authorization server (contract, section 5; SMART App Launch 2.2; RFC 6749, 7009, 7636, 7662).
//!
//! - [`launch`]: `/auth/authorize` checks an app's request and keeps it while
//! - [`login`]: the patient says who they are, and
//! - [`consent`]: agrees, which makes a code;
//! - [`token`]: `/auth/token` turns codes and refresh tokens into access tokens;
//! - [`backend`]: and the assertions of backend services;
//! - [`introspect`]: `/auth/introspect` and `/auth/revoke`.

mod backend;
mod consent;
mod introspect;
mod launch;
mod login;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::clock::{Clock, Ids};
use shared::config::Settings;
use shared::domain::ids::{ClientId, PatientId};
use shared::domain::scopes::Scopes;
use shared::error::{Error, Result};
use shared::http::notes;
use shared::platform::Platform;
use shared::ports::grants::Grants;
use shared::ports::records::Records;
use shared::security::attempts::Guard;
use shared::security::jwks::JwksCache;
use shared::security::keys::Keys;
use shared::security::verify::Verifier;

/// The ports of the authorization server.
#[derive(Clone)]
pub(crate) struct Authorize {
    grants: Arc<dyn Grants>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    verifier: Arc<Verifier>,
    /// Keys of backend services.
    jwks: Arc<JwksCache>,
}

pub fn router(platform: &dyn Platform) -> Router {
    Router::new()
        .route("/auth/authorize", get(launch::by_query).post(launch::by_form))
        .route("/patient-login", get(login::show).post(login::submit))
        .route("/authorize-app", get(consent::show).post(consent::submit))
        .route("/auth/token", post(token::token))
        .route("/auth/introspect", post(introspect::introspect))
        .route("/auth/revoke", post(introspect::revoke))
        .with_state(Authorize {
            grants: platform.grants(),
            records: platform.records(),
            clock: platform.clock(),
            ids: platform.ids(),
            settings: platform.settings(),
            keys: platform.keys(),
            verifier: platform.verifier(),
            jwks: Arc::default(),
        })
}

/// An app's request, from `/auth/authorize` until the patient has decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    client: ClientId,
    redirect_uri: String,
    scopes: Scopes,
    state: Option<String>,
    challenge: Option<String>,
    /// Who signed in for it.
    patient: Option<PatientId>,
}

/// What a code stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodeGrant {
    client: ClientId,
    redirect_uri: String,
    scopes: Scopes,
    challenge: Option<String>,
    patient: PatientId,
}

/// What a refresh token stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshGrant {
    client: ClientId,
    scopes: Scopes,
    patient: PatientId,
    /// The authorization that it came from.
    family: String,
    /// Rotated: seeing it again means that it was stolen, and ends the family.
    used: bool,
}

/// How long a request waits for the patient, and a code for the app.
pub(crate) const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

impl Authorize {
    /// What limits guesses of passwords and secrets.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard {
            grants: &*self.grants,
            clock: &*self.clock,
            limits: &self.settings.limits,
            address: notes::address(),
        }
    }

    pub(crate) fn after(&self, lifetime: SignedDuration) -> Result<Timestamp> {
        self.clock.now().saturating_add(lifetime).map_err(Error::internal)
    }
}
