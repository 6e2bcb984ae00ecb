//! Discovery: CapabilityStatement, SMART and OpenID configuration, our keys, and a page for people (contract,
//! section 5).

mod discovery;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use shared::clock::Clock;
use shared::config::Settings;
use shared::domain::dialect::Dialect;
use shared::domain::request::Base;
use shared::fhir::capability::capability_statement;
use shared::http::respond::{cacheable, fhir, html, json};
use shared::pages::LandingPage;
use shared::platform::Platform;
use shared::security::keys::Keys;

/// Metadata needs no store.
#[derive(Clone)]
struct Metadata {
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

pub fn router(platform: &dyn Platform) -> Router {
    let state = Metadata { settings: platform.settings(), keys: platform.keys(), clock: platform.clock() };
    let started = state.clock.now();
    let mut router = Router::new()
        .route("/", get(landing))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(openid_configuration))
        .route("/.well-known/smart-configuration", get(smart_configuration));
    for prefix in state.settings.prefixes() {
        for base in Base::ALL {
            let path = format!("{}{}", prefix.path, base.path());
            let url = state.settings.url(&path);
            let dialect = Dialect::of(base);
            let capability = async move |State(state): State<Metadata>| {
                cacheable(fhir(
                    StatusCode::OK,
                    &capability_statement(dialect, &url, &state.settings.base_url, started),
                ))
            };
            router = router
                .route(&format!("{path}/metadata"), get(capability))
                .route(&format!("{path}/.well-known/smart-configuration"), get(smart_configuration));
        }
    }
    router.with_state(state)
}

async fn landing(State(state): State<Metadata>) -> Response {
    html(StatusCode::OK, &LandingPage { base_url: &state.settings.base_url, sandbox: state.settings.sandbox })
}

async fn jwks(State(state): State<Metadata>) -> Response {
    cacheable(json(StatusCode::OK, &state.keys.jwks()))
}

async fn smart_configuration(State(state): State<Metadata>) -> Response {
    cacheable(json(StatusCode::OK, &discovery::smart(&state.settings)))
}

async fn openid_configuration(State(state): State<Metadata>) -> Response {
    cacheable(json(StatusCode::OK, &discovery::openid(&state.settings)))
}
