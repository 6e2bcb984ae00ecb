//! Every route of the server, and what it says to a stranger.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use tests::{ANNA, BRUNO, World, both_hosts};

use crate::house::{root, sources};

/// Who a route is for, which says how it answers a stranger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum For {
    /// Anybody.
    All,
    /// The bearer of the owner's token: 401 without, 404 with another's.
    Owner,
    /// A system's client: 401 without a token, 403 with a patient's.
    Client,
    /// Staff: 401 without, 403 with a patient's token.
    Staff,
    /// Staff in a browser: sent to sign in, or 401 as a page.
    StaffPage,
    /// An OAuth endpoint: 400 or 401 in OAuth's JSON.
    OAuth,
    /// A patient in a browser: sent to sign in, or refused as a page.
    PatientPage,
}

pub(crate) const ROUTES: &[(&str, &str, For)] = &[
    ("GET", "/", For::All),
    ("GET", "/.well-known/jwks.json", For::All),
    ("GET", "/.well-known/openid-configuration", For::All),
    ("GET", "/.well-known/smart-configuration", For::All),
    ("GET", "{path}/metadata", For::All),
    ("GET", "{path}/.well-known/smart-configuration", For::All),
    ("POST", "{}{}/Patient/{{patient}}/$ehi-export", For::Owner),
    ("GET", "{}{}/Patient/{{patient}}", For::Owner),
    ("GET", "{base}/$export", For::Client),
    ("POST", "{base}/$export", For::Client),
    ("GET", "{base}/Patient/$export", For::Client),
    ("POST", "{base}/Patient/$export", For::Client),
    ("GET", "{base}/Group/{{group}}/$export", For::Client),
    ("POST", "{base}/Group/{{group}}/$export", For::Client),
    ("GET", "{base}/Group", For::Client),
    ("GET", "{base}/Group/{{group}}", For::Client),
    ("GET", "{}/Patient/{{patient}}/$ehi-export/customize", For::PatientPage),
    ("POST", "{}/Patient/{{patient}}/$ehi-export/customize", For::PatientPage),
    ("GET", "/jobs/{job}/customize", For::PatientPage),
    ("POST", "/jobs/{job}", For::Owner),
    ("GET", "/jobs/{job}", For::Owner),
    ("GET", "/jobs/{job}/status", For::Owner),
    ("DELETE", "/jobs/{job}/status", For::Owner),
    ("GET", "/4_0_0/$export/{job}", For::Owner),
    ("DELETE", "/4_0_0/$export/{job}", For::Owner),
    ("GET", "/fhir/r4/$export-status/{job}", For::Owner),
    ("DELETE", "/fhir/r4/$export-status/{job}", For::Owner),
    ("GET", "/jobs/{job}/metadata", For::Owner),
    ("GET", "/jobs/{job}/download/{file}", For::Owner),
    ("GET", "/jobs/{job}/download/attachments/{file}", For::Owner),
    ("GET", "/jobs", For::Owner),
    ("POST", "/admin/login", For::All),
    ("GET", "/admin/logout", For::All),
    ("GET", "/admin/jobs", For::Staff),
    ("GET", "/admin/jobs/{job}", For::Staff),
    ("DELETE", "/admin/jobs/{job}", For::Staff),
    ("POST", "/admin/jobs/{job}/approve", For::Staff),
    ("POST", "/admin/jobs/{job}/reject", For::Staff),
    ("POST", "/admin/jobs/{job}/add-files", For::Staff),
    ("POST", "/admin/jobs/{job}/remove-files", For::Staff),
    ("POST", "/admin/jobs/{job}/uploads", For::Staff),
    ("POST", "/admin/jobs/{job}/uploads/{upload}/complete", For::Staff),
    ("GET", "/staff", For::StaffPage),
    ("GET", "/staff/login", For::All),
    ("POST", "/staff/login", For::All),
    ("POST", "/staff/logout", For::All),
    ("GET", "/staff/jobs/{job}", For::StaffPage),
    ("POST", "/staff/jobs/{job}/approve", For::StaffPage),
    ("POST", "/staff/jobs/{job}/reject", For::StaffPage),
    ("POST", "/staff/jobs/{job}/add-files", For::StaffPage),
    ("POST", "/staff/jobs/{job}/remove-files", For::StaffPage),
    ("POST", "/staff/jobs/{job}/delete", For::StaffPage),
    ("GET", "/auth/authorize", For::PatientPage),
    ("POST", "/auth/authorize", For::PatientPage),
    ("GET", "/patient-login", For::PatientPage),
    ("POST", "/patient-login", For::PatientPage),
    ("GET", "/authorize-app", For::PatientPage),
    ("POST", "/authorize-app", For::PatientPage),
    ("POST", "/auth/token", For::OAuth),
    ("POST", "/auth/introspect", For::OAuth),
    ("POST", "/auth/revoke", For::OAuth),
    ("GET", "/auth/userinfo", For::OAuth),
    ("POST", "/auth/userinfo", For::OAuth),
];

/// The paths in the sources' `.route("…"` and `format!("…"` of routers.
fn paths_in_sources() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (path, text) in sources(&root().join("functions")) {
        if !path.ends_with("src/lib.rs") {
            continue;
        }
        for marker in [".route(\"", ".route(&format!(\"", "let path = format!(\""] {
            let found = text.split(marker).skip(1).filter_map(|rest| rest.split('"').next());
            paths.extend(found.filter(|path| path.contains('/')).map(str::to_owned));
        }
    }
    paths
}

#[test]
fn the_table_has_every_route() {
    let listed: BTreeSet<_> = ROUTES.iter().map(|(_, path, _)| (*path).to_owned()).collect();
    assert_eq!(paths_in_sources(), listed);
}

pub(crate) fn filled_in(path: &str, job: &str, patient: &str) -> String {
    let base = if ["{}{}", "{}/", "{path}", "{base}"].iter().any(|start| path.starts_with(start)) {
        "/fhir"
    } else {
        ""
    };
    let path = path.trim_start_matches("{path}").trim_start_matches("{base}").trim_start_matches("{}");
    let path = path
        .replace("{{patient}}", patient)
        .replace("/jobs/{job}", job)
        .replace("{job}", job.trim_start_matches("/jobs/"))
        .replace("{{group}}", "nobody")
        .replace("{file}", "Patient.ndjson");
    format!("{base}{path}")
}

both_hosts!(strangers_get_nothing_and_are_told_so_properly);
async fn strangers_get_nothing_and_are_told_so_properly(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let bruno = world.token(BRUNO).await;
    for (method, path, whom) in ROUTES {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let shown = format!("{method} {path}");
        let path = filled_in(path, &job, ANNA);
        let stranger = world.request(method.clone(), &path).send().await;
        let others = world.request(method.clone(), &path).bearer(&bruno).send().await;
        for answer in [&stranger, &others] {
            assert!(!answer.status.is_server_error(), "{shown}: {}", answer.status);
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{shown}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{shown}");
            if *whom != For::All {
                assert!(!answer.text().contains("Anna"), "{shown} tells who it is");
            }
        }
        match whom {
            For::All => {}
            For::Owner => {
                assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
                stranger.outcome();
                if path == "/jobs" {
                    // One's own, of which there are none but those that other tests left in a deployment.
                    let own = others.json();
                    let own = own.as_array().expect("jobs");
                    assert!(own.iter().all(|job| job["patient"]["id"] == BRUNO), "{shown}");
                } else {
                    assert_eq!(others.status, StatusCode::NOT_FOUND, "{shown}");
                    others.outcome();
                }
            }
            For::Client => {
                assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
                stranger.outcome();
                assert_eq!(others.status, StatusCode::FORBIDDEN, "{shown}");
                others.outcome();
            }
            For::Staff => {
                assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
                stranger.outcome();
                assert!(
                    matches!(others.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND),
                    "{shown}: {}",
                    others.status
                );
                others.outcome();
            }
            For::StaffPage | For::PatientPage => {
                let page = |answer: &tests::Answer| {
                    answer.status.is_redirection() || answer.header("content-type").starts_with("text/html")
                };
                assert!(page(&stranger) && !stranger.status.is_success(), "{shown}: {}", stranger.status);
                assert!(!others.status.is_success(), "{shown}: {}", others.status);
            }
            For::OAuth => {
                assert!(
                    stranger.status.is_client_error() && stranger.json()["error"].is_string(),
                    "{shown}: {}",
                    stranger.text()
                );
            }
        }
    }
}

both_hosts!(without_a_job_a_stranger_gets_the_same_401);
async fn without_a_job_a_stranger_gets_the_same_401(world: World) {
    let nowhere = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for (method, path, _) in
        ROUTES.iter().filter(|(_, path, whom)| *whom == For::Owner && path.contains("{job}"))
    {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = world.request(method.clone(), &filled_in(path, nowhere, ANNA)).send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

/// Random that are none, as they stand in an address.
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

/// HTTP clients and API Gateway change such addresses before they arrive.
#[tokio::test]
async fn before_anything_else_a_stranger_is_asked_who_it_is() {
    let world = World::new();
    let bruno = world.token(BRUNO).await;
    for (method, path, whom) in ROUTES {
        let is_private = matches!(whom, For::Owner | For::Client | For::Staff | For::StaffPage);
        if !is_private || !path.contains('{') {
            continue;
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for odd in ODD_IDS {
            let path = path.replace("{{group}}", odd).replace("{file}", odd).replace("{upload}", odd);
            let path = filled_in(&path, &format!("/jobs/{odd}"), odd);
            let shown = format!("{method} {path}");
            let stranger = world.request(method.clone(), &path).send().await;
            if *whom == For::StaffPage {
                assert!(
                    stranger.status.is_redirection() || stranger.status == StatusCode::UNAUTHORIZED,
                    "{shown}: {}",
                    stranger.status
                );
                continue;
            }
            assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{shown}");
            stranger.outcome();
            let nonsense = world.request(method.clone(), &path).bearer("nonsense").send().await;
            assert_eq!(nonsense.status, StatusCode::UNAUTHORIZED, "{shown}");
            let others = world.request(method.clone(), &path).bearer(&bruno).send().await;
            assert!(
                matches!(others.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
                "{shown}: {}",
                others.status
            );
        }
    }
}

/// On a deployment API Gateway stands before it.
#[tokio::test]
async fn pages_of_patients_do_not_tell_which_jobs_exist() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let nowhere = "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for path in [job.as_str(), nowhere, "/jobs/nothing", "/jobs/%FF"] {
        let answer = world.get(&format!("{path}/customize")).send().await;
        assert!(answer.location().contains("/patient-login?next="), "{path}: {}", answer.status);
    }
    for patient in [ANNA, "nobody", "%FF", "a%2Fb"] {
        let path = format!("/fhir/Patient/{patient}/$ehi-export/customize");
        assert!(world.get(&path).send().await.location().contains("/patient-login?next="), "{patient}");
        assert_eq!(world.post(&path).send().await.status, StatusCode::UNAUTHORIZED, "{patient}");
    }
}

/// The emulator answers preflights itself.
#[tokio::test]
async fn what_takes_a_cookie_is_for_registered_origins_only() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let (staff, registered, stranger) =
        (world.staff().await, "http://localhost:3000", "https://evil.example.org");
    for (method, path, whom) in ROUTES {
        let takes_cookie =
            matches!(whom, For::Staff | For::StaffPage | For::PatientPage) && !path.starts_with("/auth/");
        if !takes_cookie {
            continue;
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let path = filled_in(path, &job, ANNA);
        for (method, path) in [(method.clone(), path.clone()), (method.clone(), path.replace('$', "%24"))] {
            let shown = format!("{method} {path}");
            let allowed = |answer: &tests::Answer| {
                (
                    answer.header("access-control-allow-origin").to_owned(),
                    answer.header("access-control-allow-credentials").to_owned(),
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
            for answer in [preflight(stranger).await, sent(stranger).await] {
                let (origin, credentials) = allowed(&answer);
                assert_eq!((origin.as_str(), credentials.as_str()), nothing, "{shown}");
            }
            if method == Method::GET {
                for answer in [preflight(registered).await, sent(registered).await] {
                    let (origin, credentials) = allowed(&answer);
                    assert_eq!((origin.as_str(), credentials.as_str()), with_cookie, "{shown}");
                }
            }
        }
    }
}

/// Whoever reads a cookie falls under its rules, also at an address that nobody thought of.
#[tokio::test]
async fn a_route_that_reads_a_cookie_cannot_be_forgotten() {
    use axum::routing::get;
    use http_body_util::BodyExt;
    use platform::Platform;
    use tower::ServiceExt;
    use web::session::{STAFF, StaffSession, current};

    let world = World::new();
    let (grants, clock) = (world.platform().expiring(), world.platform().clock());
    let reads = async move |headers: http::HeaderMap| {
        let session: Option<StaffSession> =
            current(STAFF, &headers, &*grants, &*clock).await.expect("a store");
        session.map_or("nobody", |_| "somebody").to_owned()
    };
    let routes = axum::Router::new().route("/new", get(reads)).route("/open", get(async || "hello"));
    let app = web::host::host(routes, world.platform());
    for (path, allowed) in [("/new", false), ("/open", true)] {
        let request = http::Request::get(path).header("origin", "https://evil.example.org");
        let answer = app.clone().oneshot(request.body(axum::body::Body::empty()).expect("a request")).await;
        let answer = answer.expect("the app is infallible");
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), allowed, "{path}");
        answer.into_body().collect().await.expect("a body");
    }
}
