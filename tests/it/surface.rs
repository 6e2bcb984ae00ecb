//! Every route of the server, and its response to a stranger.

use domain::request::Base;
use http::{Method, StatusCode};
use tests::{ANNA, BRUNO, World, both_hosts};
use web::routes::{Access, Below, Route};

/// Returns every route once: the shortcuts and the other FHIR base URLs have the same routes.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    all_routes().filter(|route| matches!(route.below, Below::Root | Below::Base(Base::Fhir)))
}

fn all_routes() -> impl Iterator<Item = Route> {
    ehi::server::routes().into_iter().map(|(_, route)| route)
}

pub(crate) fn filled_in(path: &str, job: &str, patient: &str) -> String {
    path.replace("{patient}", patient)
        .replace("/jobs/{job}", job)
        .replace("{job}", job.trim_start_matches("/jobs/"))
        .replace("{group}", "nobody")
        .replace("{file}", "Patient.ndjson")
}

#[test]
fn a_preflight_knows_which_routes_take_a_cookie() {
    let all: Vec<_> = all_routes().collect();
    assert!(all.len() > 90, "{} routes", all.len());
    for route in &all {
        // All methods of a path have the same rule: `POST /jobs/{job}` follows `GET /jobs/{job}`.
        let of_path = all.iter().filter(|other| other.path == route.path);
        let takes_cookie = of_path.into_iter().any(|other| other.access.takes_cookie());
        let path = filled_in(&route.path, "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651", ANNA);
        assert_eq!(web::cors::takes_cookie(&path), takes_cookie, "{} {}", route.method, route.path);
    }
}

/// This list is written by hand: a developer who makes a route public must add it here as well.
#[test]
fn these_routes_and_no_others_are_public() {
    let open = |route: &Route| matches!(route.access, Access::Public | Access::SignIn | Access::AppRedirect);
    let found: Vec<_> =
        routes().filter(open).map(|route| format!("{} {}", route.method, route.path)).collect();
    let expected = [
        "POST /admin/login",
        "GET /admin/logout",
        "GET /staff/login",
        "POST /staff/login",
        "POST /staff/logout",
        "GET /auth/authorize",
        "POST /auth/authorize",
        "POST /patient-logout",
        "GET /",
        "GET /format",
        "GET /.well-known/jwks.json",
        "GET /.well-known/openid-configuration",
        "GET /.well-known/smart-configuration",
        "GET /openapi.json",
        "GET /assets/{file}",
        "GET /fhir/metadata",
        "GET /fhir/.well-known/smart-configuration",
    ];
    assert_eq!(found, expected);
}

/// HEAD is safe: it starts no export and ends no session.
#[tokio::test]
async fn head_changes_nothing() {
    let world = World::new();
    let token = world.service("service", "system/*.rs").await;
    let head = |path: &str| world.request(Method::HEAD, path).bearer(&token).send();
    for path in ["/fhir/$export", "/fhir/Patient/$export", "/4_0_0/Group/everyone/$export", "/admin/logout"] {
        assert_eq!(head(path).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(head("/fhir/$export").await.header("allow"), "GET, POST");
    assert_eq!(head("/admin/logout").await.header("allow"), "GET");
    assert_eq!(head("/fhir/metadata").await.status, StatusCode::OK);
    let jobs = world.get("/jobs").bearer(&token).send().await;
    assert_eq!(jobs.json(), serde_json::json!([]));
}

#[tokio::test]
async fn an_invalid_token_and_a_missing_token_have_different_challenges() {
    let world = World::new();
    let without = world.get("/jobs/a/status").send().await;
    let wrong = world.get("/jobs/a/status").bearer("nonsense").send().await;
    assert_eq!((without.status, wrong.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(without.header("www-authenticate"), "Bearer");
    assert_eq!(wrong.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

/// The body of a caller without permission is not read.
#[tokio::test]
async fn a_caller_without_permission_is_refused_before_the_request_is_read() {
    let world = World::new();
    let bruno = world.token(BRUNO).await;
    let nonsense = |path: &str| {
        let request = world.post(path).bearer(&bruno).header("idempotency-key", "");
        request.body("text/plain", "nonsense")
    };
    for (path, expected) in [
        (format!("/fhir/Patient/{ANNA}/$ehi-export"), StatusCode::NOT_FOUND),
        ("/fhir/$export".to_owned(), StatusCode::FORBIDDEN),
        ("/fhir/Group/everyone/$export".to_owned(), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(nonsense(&path).send().await.status, expected, "{path}");
    }
}

#[test]
fn every_route_is_unique_and_has_a_summary() {
    let mut unique = std::collections::BTreeSet::new();
    for route in all_routes() {
        assert!(
            unique.insert((route.method.to_string(), route.path.clone())),
            "{} {}",
            route.method,
            route.path
        );
        assert!(!route.summary.is_empty() && !route.statuses.is_empty(), "{}", route.path);
    }
}

/// Returns the status with which a private route refuses another patient's token. Another owner's resources are 404;
/// routes for staff or services only are 403.
fn refusal(route: &Route) -> StatusCode {
    match route.access {
        // The owner of the job may learn that the job has another URL.
        Access::Staff if route.method == Method::GET && route.path == "/admin/jobs/{job}" => {
            StatusCode::NOT_FOUND
        }
        Access::Staff | Access::Client => StatusCode::FORBIDDEN,
        _ => StatusCode::NOT_FOUND,
    }
}

#[both_hosts]
async fn strangers_get_no_data_and_a_proper_error(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let bruno = world.token(BRUNO).await;
    for route in routes() {
        let listed: Vec<u16> = ehi::openapi::statuses(&route).collect();
        let refusal = refusal(&route);
        let Route { method, path, access, .. } = route;
        let shown = format!("{method} {path}");
        let path = filled_in(&path, &job, ANNA);
        let stranger = world.request(method.clone(), &path).send().await;
        let others = world.request(method.clone(), &path).bearer(&bruno).send().await;
        for response in [&stranger, &others] {
            assert!(!response.status.is_server_error(), "{shown}: {}", response.status);
            assert_ne!(response.status, StatusCode::METHOD_NOT_ALLOWED, "{shown}");
            let status = response.status.as_u16();
            assert!(listed.contains(&status), "{shown}: the OpenAPI document does not have {status}");
            assert_eq!(response.header("x-content-type-options"), "nosniff", "{shown}");
            if !matches!(access, Access::Public | Access::SignIn) {
                assert!(!response.text().contains("Anna"), "{shown} reveals the patient's name");
            }
        }
        check_refusals((access, &path, &shown), refusal, &stranger, &others);
    }
}

/// Checks the responses to a caller without a token (`stranger`) and to another patient (`others`).
fn check_refusals(
    (access, path, shown): (Access, &str, &str),
    refusal: StatusCode,
    stranger: &tests::TestResponse,
    others: &tests::TestResponse,
) {
    match access {
        Access::Public | Access::SignIn => {}
        Access::FormFiller | Access::OwnerOrStaff | Access::OwnerOrSigned | Access::Owner => {
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
            stranger.outcome();
            if path == "/jobs" {
                // The list of the patient's own jobs. It is empty, except for jobs that other tests left in a deployment.
                let own = others.json();
                let own = own.as_array().expect("jobs");
                assert!(own.iter().all(|job| job["patient"]["id"] == BRUNO), "{shown}");
            } else {
                assert_eq!(others.status, StatusCode::NOT_FOUND, "{shown}");
                others.outcome();
            }
        }
        Access::Client => {
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
            stranger.outcome();
            assert_eq!(others.status, StatusCode::FORBIDDEN, "{shown}");
            others.outcome();
        }
        Access::Staff => {
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
            stranger.outcome();
            assert_eq!(others.status, refusal, "{shown}");
            others.outcome();
        }
        Access::StaffPage | Access::PatientPage | Access::AppRedirect => {
            let page = |response: &tests::TestResponse| {
                response.status.is_redirection() || response.header("content-type").starts_with("text/html")
            };
            assert!(page(stranger) && !stranger.status.is_success(), "{shown}: {}", stranger.status);
            assert!(!others.status.is_success(), "{shown}: {}", others.status);
        }
        Access::OAuth | Access::OAuthBearer => {
            assert!(
                stranger.status.is_client_error() && stranger.json()["error"].is_string(),
                "{shown}: {}",
                stranger.text()
            );
        }
    }
}

#[both_hosts]
async fn a_stranger_gets_the_same_401_if_the_job_does_not_exist(world: World) {
    let nowhere = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    let is_owners = |route: &Route| {
        matches!(
            route.access,
            Access::Owner | Access::OwnerOrSigned | Access::OwnerOrStaff | Access::FormFiller
        )
    };
    for Route { method, path, .. } in
        routes().filter(|route| is_owners(route) && route.path.contains("{job}"))
    {
        let response = world.request(method.clone(), &filled_in(&path, nowhere, ANNA)).send().await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

/// Texts that are not valid ids, as they appear in a URL.
const ODD_IDS: [&str; 10] = [
    "nothing",
    "01a1fb95-ab0a-7a46-aeea",
    "%2e%2e",
    "a%2Fb",
    "%FF",
    "%00",
    "01A1FB95-AB0A-7A46-AEEA-001492BD7651",
    "%F0%9F%92%A9",
    "~",
    "x'--",
];

/// This story needs the server in memory: HTTP clients and API Gateway change such URLs.
#[tokio::test]
async fn a_stranger_is_authenticated_before_ids_are_checked() {
    let world = World::new();
    let bruno = world.token(BRUNO).await;
    for route in routes() {
        let refusal = refusal(&route);
        let Route { method, path, access, .. } = route;
        let is_private = matches!(
            access,
            Access::Owner
                | Access::OwnerOrSigned
                | Access::OwnerOrStaff
                | Access::FormFiller
                | Access::Client
                | Access::Staff
                | Access::StaffPage
        );
        if !is_private || !path.contains('{') {
            continue;
        }
        for odd in ODD_IDS {
            let path = path.replace("{group}", odd).replace("{file}", odd).replace("{upload}", odd);
            let path = filled_in(&path, &format!("/jobs/{odd}"), odd);
            let shown = format!("{method} {path}");
            let stranger = world.request(method.clone(), &path).send().await;
            if access == Access::StaffPage {
                let is_get = method == Method::GET;
                let expected = if is_get { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
                assert_eq!(stranger.status, expected, "{shown}");
                continue;
            }
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
            stranger.outcome();
            let nonsense = world.request(method.clone(), &path).bearer("nonsense").send().await;
            assert_eq!(nonsense.status, StatusCode::UNAUTHORIZED, "{shown}");
            let others = world.request(method.clone(), &path).bearer(&bruno).send().await;
            assert_eq!(others.status, refusal, "{shown}");
        }
    }
}

/// This story needs the server in memory: on a deployment API Gateway handles some of these URLs.
#[tokio::test]
async fn pages_of_patients_do_not_reveal_which_jobs_exist() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let nowhere = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for path in [job.as_str(), nowhere, "/jobs/nothing", "/jobs/%FF"] {
        let response = world.get(&format!("{path}/customize")).send().await;
        assert!(response.location().contains("/patient-login?next="), "{path}: {}", response.status);
    }
    for patient in [ANNA, "nobody", "%FF", "a%2Fb"] {
        let path = format!("/fhir/Patient/{patient}/$ehi-export/customize");
        assert!(world.get(&path).send().await.location().contains("/patient-login?next="), "{patient}");
        assert_eq!(world.post(&path).send().await.status, StatusCode::UNAUTHORIZED, "{patient}");
    }
}

/// The emulator handles preflight requests itself.
#[tokio::test]
async fn routes_with_cookies_are_for_registered_origins_only() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let (staff, registered, stranger) =
        (world.staff().await, "http://localhost:3000", "https://evil.example.org");
    for Route { method, path, .. } in routes()
        .filter(|route| matches!(route.access, Access::Staff | Access::StaffPage | Access::PatientPage))
    {
        let path = filled_in(&path, &job, ANNA);
        for (method, path) in [(method.clone(), path.clone()), (method.clone(), path.replace('$', "%24"))] {
            let shown = format!("{method} {path}");
            let allowed = |response: &tests::TestResponse| {
                (
                    response.header("access-control-allow-origin").to_owned(),
                    response.header("access-control-allow-credentials").to_owned(),
                )
            };
            let preflight = |origin: &'static str| {
                world
                    .request(Method::OPTIONS, &path)
                    .header("origin", origin)
                    .header("access-control-request-method", method.as_str())
                    .send()
            };
            let sent = |origin: &'static str| {
                world.request(method.clone(), &path).cookie(&staff).header("origin", origin).send()
            };
            let (nothing, with_cookie) = (("", ""), (registered, "true"));
            for response in [preflight(stranger).await, sent(stranger).await] {
                let (origin, credentials) = allowed(&response);
                assert_eq!((origin.as_str(), credentials.as_str()), nothing, "{shown}");
            }
            if method == Method::GET {
                for response in [preflight(registered).await, sent(registered).await] {
                    let (origin, credentials) = allowed(&response);
                    assert_eq!((origin.as_str(), credentials.as_str()), with_cookie, "{shown}");
                }
            }
        }
    }
}

/// A handler that reads a cookie brings its route under the rules for cookies, even if the route is not declared.
#[tokio::test]
async fn a_route_that_reads_a_cookie_cannot_be_forgotten() -> tests::Result {
    use axum::routing::get;
    use http_body_util::BodyExt;
    use platform::Platform;
    use tower::ServiceExt;
    use web::session::{Cookies, STAFF, StaffSession, current};

    let world = World::new();
    let (grants, clock) = (world.platform().expiring(), world.platform().clock());
    let reads = async move |cookies: Cookies| {
        let session: Option<StaffSession> =
            current(STAFF, &cookies, &*grants, &*clock).await.expect("a store");
        session.map_or("nobody", |_| "somebody").to_owned()
    };
    let routes = axum::Router::new().route("/new", get(reads)).route("/open", get(async || "hello"));
    let app = web::host::host(routes, world.platform().context());
    for (path, allowed) in [("/new", false), ("/open", true)] {
        let request = http::Request::get(path).header("origin", "https://evil.example.org");
        let response = app.clone().oneshot(request.body(axum::body::Body::empty())?).await;
        let response = response.expect("the app is infallible");
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{path}");
        response.into_body().collect().await?;
    }
    Ok(())
}
