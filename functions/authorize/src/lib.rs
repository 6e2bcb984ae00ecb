//! The SMART authorization server (contract, section 5; SMART App Launch 2.2; RFC 6749, 7009, 7636, 7662).
//!
//! - [`launch`]: `/auth/authorize` checks and stores an app's request; [`parameters`]: what the request contains;
//! - [`login`]: the sign-in of the patient;
//! - [`consent`]: the patient's decision, which creates an authorization code;
//! - [`token`]: `/auth/token` exchanges codes and refresh tokens for access tokens and ID tokens;
//! - [`backend`]: issues access tokens to backend services;
//! - [`request`]: the requests to these endpoints; [`basic`]: their HTTP Basic authentication; [`client`]: identifies and authenticates
//!   the client;
//! - [`introspect`]: `/auth/introspect` and `/auth/revoke`; [`userinfo`]: `/auth/userinfo`.

mod authorization;
mod backend;
mod basic;
mod client;
mod consent;
mod introspect;
mod launch;
mod login;
mod parameters;
mod request;
mod token;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use domain::error::{Error, Result};
use domain::ids::{ClientId, PatientId};
use domain::scopes::Scopes;
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use security::attempts::Guard;
use security::jwks::JwksCache;
use serde::{Deserialize, Serialize};
use settings::SignInMethod;
use web::describe::{self as described, Parameter, ParameterIn};
use web::request_context;
use web::routes::{Access, Below, FORM, Route, Routes};

web::ports! {
    /// The ports of the authorization server.
    pub(crate) struct Authorize { expiring, records, clock, random, settings, keys, verifier, audit }
    with {
        /// The keys of clients that authenticate with assertions.
        jwks: Arc<JwksCache> = |platform| Ok(Arc::new(JwksCache::new(&platform.settings().limits))),
    }
}

/// Returns the routes of the authorization server.
pub fn routes() -> Vec<Route> {
    declared().list()
}

fn declared() -> Routes<Authorize> {
    let page = Access::PatientPage;
    let authorize = ("Checks an app's request and sends the patient to sign in", &[302][..]);
    let userinfo = ("Returns the claims about the user of the token", &[200][..]);
    Routes::new().below(Below::Root, |at| {
        at.get("/auth/authorize", Access::AppRedirect, authorize, launch::authorize)
            .reading(&parameters::PARAMETERS)
            .post("/auth/authorize", Access::AppRedirect, authorize, launch::authorize)
            .taking(FORM)
            .reading(&parameters::PARAMETERS.map(in_body))
            .get("/patient-login", page, ("Shows the patient's sign-in page", &[200]), login::show)
            .reading(&login::PURPOSE)
            .reading(&[login::FROM, login::SAVED])
            .returning(&[described::page(200)])
            .post("/patient-login", page, ("Signs a patient in", &[200, 303]), login::submit)
            .taking(FORM)
            .reading(&login::PURPOSE.map(in_body))
            .reading(&login::CREDENTIALS)
            .reading(&[in_body(login::SAVED), login::STAY, login::SAID])
            .returning(&[described::page(200)])
            .post("/patient-logout", Access::SignIn, ("Signs a patient out", &[303]), login::leave)
            .get("/authorize-app", page, ("Shows the consent page", &[200]), consent::show)
            .reading(&[consent::REQUEST])
            .returning(&[described::page(200)])
            .post(
                "/authorize-app",
                page,
                ("Redirects to the app with the patient's decision", &[302]),
                consent::submit,
            )
            .taking(FORM)
            .reading(&[in_body(consent::REQUEST), consent::DECISION])
            .post("/auth/token", Access::OAuth, ("Issues tokens", &[200]), token::token)
            .taking(FORM)
            .reading(&request::CLIENT)
            .reading(&request::GRANT)
            .returning(&[described::json(200, "Tokens")])
            .post("/auth/introspect", Access::OAuth, ("Describes a token", &[200]), introspect::introspect)
            .taking(FORM)
            .reading(&request::CLIENT)
            .reading(&[request::TOKEN])
            .returning(&[described::json(200, "Introspection")])
            .post(
                "/auth/revoke",
                Access::OAuth,
                ("Revokes a token and its authorization", &[200]),
                introspect::revoke,
            )
            .taking(FORM)
            .reading(&request::CLIENT)
            .reading(&[request::TOKEN])
            .returning(&[described::json(200, "Empty")])
            .get("/auth/userinfo", Access::OAuthBearer, userinfo, userinfo::userinfo)
            .returning(&[described::json(200, "UserInfo")])
            .post("/auth/userinfo", Access::OAuthBearer, userinfo, userinfo::userinfo)
            .returning(&[described::json(200, "UserInfo")])
    })
}

/// Returns the same parameter as a field of a form.
fn in_body(parameter: Parameter) -> Parameter {
    Parameter { place: ParameterIn::Body, ..parameter }
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    Ok(declared().with_state(Authorize::of(platform)?))
}

/// An app's request, stored from `/auth/authorize` until the patient decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    client: ClientId,
    redirect_uri: String,
    scopes: Scopes,
    state: Option<String>,
    challenge: Option<String>,
    /// The FHIR base URL of the app's `aud`.
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    /// The patient who signed in for the request.
    patient: Option<PatientId>,
    /// The time of signing in, in seconds since 1970.
    #[serde(default)]
    signed_in_at: i64,
    /// The patient's decision: whether access was allowed. The request stays for [`REPEAT`] after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_allowed: Option<bool>,
}

/// The sign-in of a patient, as tokens describe it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignIn {
    patient: PatientId,
    /// The FHIR base URL that the app requested; `None` for grants from before this field existed.
    #[serde(default)]
    base: Option<String>,
    /// The time of signing in, in seconds since 1970.
    #[serde(default)]
    at: i64,
    /// The app's `nonce`, by which it recognizes its ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    /// How the patient signed in; `None` for grants from before this field existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<SignInMethod>,
    /// The key of the session in which the patient agreed; `None` for grants from before this field existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

impl SignIn {
    /// Returns the `sub` of access tokens and ID tokens.
    pub(crate) fn subject(&self) -> String {
        format!("Patient/{}", self.patient)
    }

    /// Returns the absolute URL of the patient, if the scopes permit it.
    pub(crate) fn fhir_user(&self, scopes: &Scopes) -> Option<String> {
        let is_granted = scopes.has("openid") && (scopes.has("fhirUser") || scopes.has("profile"));
        self.base.as_ref().filter(|_| is_granted).map(|base| format!("{base}/Patient/{}", self.patient))
    }
}

/// The stored grant of an authorization code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodeGrant {
    client: ClientId,
    redirect_uri: String,
    scopes: Scopes,
    challenge: Option<String>,
    #[serde(flatten)]
    sign_in: SignIn,
    /// Whether the authorization began with the consent, and is in the patient's list. Codes of earlier versions have none.
    #[serde(default)]
    listed: bool,
}

/// The stored grant of a refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshGrant {
    client: ClientId,
    scopes: Scopes,
    #[serde(flatten)]
    sign_in: SignIn,
    /// The id of the authorization that the token belongs to.
    family: String,
    /// Whether the token was rotated. A second use of a rotated token means that it was probably stolen, and revokes the family.
    used: bool,
}

/// The parameters that an OAuth request may repeat (RFC 8707; RFC 8693). Repeating any other one is an error (RFC 6749, 3.1 and 3.2).
pub(crate) const MAY_REPEAT: [&str; 2] = ["resource", "audience"];

/// The lifetime of a request that waits for the patient.
pub(crate) const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// The time after the decision in which a second click redirects to the same page as the first one.
pub(crate) const REPEAT: SignedDuration = SignedDuration::from_mins(1);
/// The lifetime of an authorization code.
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

impl Authorize {
    /// Returns the guard that limits guesses of passwords and secrets.
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard {
            expiring: &*self.expiring,
            clock: &*self.clock,
            limits: &self.settings.limits,
            address: request_context::address(),
        }
    }

    pub(crate) fn after(&self, lifetime: SignedDuration) -> Result<Timestamp> {
        self.clock.now().saturating_add(lifetime).map_err(Error::internal)
    }
}
