//! Discovery: CapabilityStatement, SMART configuration, our keys, and a page for people (contract, section 5).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};
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
    cacheable(json(StatusCode::OK, &configuration(&state.settings)))
}

/// SMART App Launch 2.2, conformance.
fn configuration(settings: &Settings) -> Value {
    let url = |path: &str| settings.url(path);
    json!({
        "issuer": settings.base_url,
        "jwks_uri": url("/.well-known/jwks.json"),
        "authorization_endpoint": url("/auth/authorize"),
        "token_endpoint": url("/auth/token"),
        "introspection_endpoint": url("/auth/introspect"),
        "revocation_endpoint": url("/auth/revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": [
            "launch/patient", "offline_access", "online_access", "patient/$ehi-export", "patient/*.rs",
            "system/$ehi-export", "system/*.rs", "system/*.read",
        ],
        "capabilities": [
            "launch-standalone",
            "context-standalone-patient",
            "client-public",
            "client-confidential-symmetric",
            "client-confidential-asymmetric",
            "permission-offline",
            "permission-online",
            "permission-patient",
            "permission-v1",
            "permission-v2",
            "authorize-post",
        ],
    })
}
