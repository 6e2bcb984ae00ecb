//! Discovery documents: CapabilityStatement, SMART and OpenID configuration, public keys (contract, section 5). This function also serves
//! the landing page, and the files that all pages load.

mod accept;
mod discovery;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use domain::dialect::Dialect;
use domain::error::{NO_FILE, Result};
use domain::request::{Base, SandboxShortcut};
use fhir::FHIR_JSON;
use http::StatusCode;
use jiff::Timestamp;
use platform::Platform;
use settings::Settings;
use web::ApiError;
use web::assets::Assets;
use web::capability::capability_statement;
use web::describe::{self as described, FORMAT, page};
use web::extract::FilePath;
use web::pages::{FormatPage, LandingPage};
use web::respond::{cacheable, html, json, ready};
use web::routes::{Access, Below, Route, Routes};

use self::accept::AcceptsJson;

web::ports! {
    /// The ports of this function. It needs no store.
    struct Metadata { settings, keys, clock }
    with {
        assets: Arc<Assets> = |platform| Ok(Arc::new(Assets::new(&platform.settings().pages))),
    }
}

/// The media types of [`Assets`].
const ASSETS: [described::Returned; 6] = [
    described::file(200, "text/css"),
    described::file(200, "text/javascript"),
    described::file(200, "image/svg+xml"),
    described::file(200, "image/png"),
    described::file(200, "image/jpeg"),
    described::file(200, "image/webp"),
];

/// Returns the routes that describe the server. Only a sandbox has the routes below the sandbox's shortcuts.
pub fn routes() -> Vec<Route> {
    declared(&SandboxShortcut::ALL, Timestamp::UNIX_EPOCH).list()
}

#[expect(clippy::too_many_lines, reason = "a table of routes")]
fn declared(shortcuts: &[SandboxShortcut], started: Timestamp) -> Routes<Metadata> {
    let smart = ("Returns the SMART configuration", &[200][..]);
    let mut routes = Routes::new().below(Below::Root, |at| {
        at.get("", Access::Public, ("Returns the landing page", &[200]), landing)
            .returning(&[page(200)])
            .get(
                "/format",
                Access::Public,
                ("Returns the page that describes the files of an export", &[200]),
                format,
            )
            .returning(&[page(200)])
            .get("/.well-known/jwks.json", Access::Public, ("Returns the public signing keys", &[200]), jwks)
            .returning(&[described::json(200, "KeySet")])
            .get(
                "/.well-known/openid-configuration",
                Access::Public,
                ("Returns the OpenID Connect configuration", &[200]),
                openid_configuration,
            )
            .returning(&[described::json(200, "OpenIdConfiguration")])
            .get(
                "/.well-known/smart-configuration",
                Access::Public,
                smart,
                async |State(state): State<Metadata>| smart_configuration(&state, false),
            )
            .returning(&[described::json(200, "SmartConfiguration")])
            .get(
                "/openapi.json",
                Access::Public,
                ("Returns the OpenAPI description of all routes", &[200]),
                openapi,
            )
            .returning(&[described::json(200, "OpenApi")])
            .get(
                "/assets/{file}",
                Access::Public,
                ("Returns the stylesheet, the script or a picture of the pages", &[200]),
                asset,
            )
            .returning(&ASSETS)
    });
    for &shortcut in shortcuts {
        for base in Base::ALL {
            let dialect = Dialect::of(base);
            let is_shortcut = shortcut != SandboxShortcut::NONE;
            let made = Arc::new(OnceLock::new());
            let capability = async move |State(state): State<Metadata>, _: AcceptsJson| {
                let root = &state.settings.base_url;
                let url = state.settings.url(&format!("{}{}", shortcut.path, base.path()));
                let bytes = match made.get() {
                    Some(bytes) => Bytes::clone(bytes),
                    None => {
                        let bytes = capability_statement(dialect, &url, is_shortcut, root, started)?;
                        made.get_or_init(|| Bytes::from(bytes)).clone()
                    }
                };
                Ok::<_, ApiError>(cacheable(ready(StatusCode::OK, FHIR_JSON, bytes)))
            };
            routes = routes.below(Below::of(shortcut, base), |at| {
                at.get("/metadata", Access::Public, ("Returns the CapabilityStatement", &[200]), capability)
                    .reading(&[FORMAT])
                    .returning(&[described::fhir(200, "CapabilityStatement")])
                    .get(
                        "/.well-known/smart-configuration",
                        Access::Public,
                        smart,
                        async move |State(state): State<Metadata>| smart_configuration(&state, is_shortcut),
                    )
                    .returning(&[described::json(200, "SmartConfiguration")])
            });
        }
    }
    routes
}

pub fn router(platform: &(impl Platform + ?Sized)) -> Result<Router> {
    let state = Metadata::of(platform)?;
    Ok(declared(state.settings.prefixes(), state.clock.now()).with_state(state))
}

/// Returns the description of all routes, which `ehi openapi` generates.
async fn openapi() -> Response {
    const DOCUMENT: &[u8] = include_bytes!("../openapi.json");
    cacheable(ready(StatusCode::OK, "application/json", Bytes::from_static(DOCUMENT)))
}

async fn asset(State(state): State<Metadata>, FilePath(file): FilePath) -> Result<Response, ApiError> {
    state.assets.get(&file).ok_or(ApiError(NO_FILE))
}

async fn landing(State(state): State<Metadata>) -> Response {
    let Settings { base_url, sandbox, review, .. } = &*state.settings;
    let can_sign_in = state.settings.patients_can_sign_in();
    html(StatusCode::OK, &LandingPage { base_url, sandbox: *sandbox, review: *review, can_sign_in })
}

async fn format() -> Response {
    html(StatusCode::OK, &FormatPage::new())
}

async fn jwks(State(state): State<Metadata>) -> Response {
    cacheable(json(StatusCode::OK, &state.keys.jwks()))
}

fn smart_configuration(state: &Metadata, is_shortcut: bool) -> Response {
    cacheable(json(StatusCode::OK, &discovery::smart(&state.settings, is_shortcut)))
}

async fn openid_configuration(State(state): State<Metadata>) -> Response {
    cacheable(json(StatusCode::OK, &discovery::openid(&state.settings)))
}
