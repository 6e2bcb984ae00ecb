//! The access of each role of staff.

use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use http::StatusCode;
use local::Local;
use serde_json::json;
use settings::Settings;
use tests::{PASSWORD, TestResponse, World, both_hosts, settings};

use crate::admin::in_review;
use crate::tokens::{Issuer, claims};

/// Returns the settings of all stories with a member of staff for each role. `roles` are the roles of the user `changing`.
pub(crate) fn with_members(roles: &str) -> String {
    let text = settings("sandbox = true");
    let hash =
        text.split("password_hash = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a hash");
    let member = |name: &str, roles: &str| {
        format!("[[staff]]\nusername = \"{name}\"\npassword_hash = \"{hash}\"\nroles = [{roles}]\n")
    };
    let fixed = ["reviewer", "auditor", "administrator"].map(|role| member(role, &format!("\"{role}\"")));
    let changing = if roles.is_empty() { String::new() } else { member("changing", roles) };
    format!("{text}{}{changing}", fixed.concat())
}

pub(crate) async fn signed_in(world: &World, name: &str) -> TestResponse {
    let fields = [("username", name), ("password", PASSWORD)];
    let response = world.post("/staff/login").form(&fields).send().await;
    assert_eq!(response.status, StatusCode::SEE_OTHER, "{}", response.text());
    response
}

#[tokio::test]
async fn each_role_has_access_to_its_own_routes_only() {
    let world = World::of(&with_members(""), &ehi::defaults::sample_records());
    let (job, token, _) = in_review(&world).await;
    let (reviewer, auditor) = (signed_in(&world, "reviewer").await, signed_in(&world, "auditor").await);
    let administrator = signed_in(&world, "administrator").await;
    let ends = |location: String, path: &str| assert!(location.ends_with(path), "{location}");
    ends(reviewer.location(), "/staff");
    ends(auditor.location(), "/staff/audit");
    ends(administrator.location(), "/staff/settings");
    let (own, not) = (StatusCode::OK, StatusCode::FORBIDDEN);
    for (path, of_reviewer, of_auditor) in [
        ("/staff", own, not),
        (&*format!("/staff{job}"), own, not),
        ("/admin/jobs", own, not),
        ("/jobs", own, not),
        (&*format!("/admin{job}"), own, not),
        (&*job, own, not),
        ("/staff/audit", not, own),
        ("/admin/audit", not, own),
        ("/staff/settings", not, not),
    ] {
        let of_administrator = if path == "/staff/settings" { own } else { not };
        for (cookie, expected) in
            [(&reviewer, of_reviewer), (&auditor, of_auditor), (&administrator, of_administrator)]
        {
            let response = world.get(path).cookie(cookie).send().await;
            assert_eq!(response.status, expected, "{path}: {}", response.text());
        }
    }
    for cookie in [&auditor, &administrator] {
        for action in ["approve", "reject", "delete"] {
            let refused = world.post(&format!("/staff{job}/{action}")).cookie(cookie).send().await;
            assert_eq!(refused.status, not, "{action}");
        }
        let choices = world.post(&job).cookie(cookie).json(&json!({})).send().await;
        assert_eq!(choices.status, not, "{}", choices.text());
    }
    assert_eq!(world.get("/admin/audit").bearer(&token).send().await.status, not);
    assert_eq!(world.get("/staff/audit").bearer(&token).send().await.status, not);
    assert_eq!(world.get("/admin/audit").send().await.status, StatusCode::UNAUTHORIZED);
    ends(world.get("/staff/audit").send().await.location(), "/staff/login?next=%2Fstaff%2Faudit");
    let page = world.get("/staff").cookie(&reviewer).send().await.text();
    assert!(!page.contains("/staff/audit"), "{page}");
    let page = world.get("/staff/audit").cookie(&auditor).send().await.text();
    assert!(!page.contains("href=\"/staff\""), "{page}");
    let page = world.get("/staff/settings").cookie(&administrator).send().await.text();
    assert!(
        page.contains("auditor") && !page.contains("$argon2id$") && !page.contains("PRIVATE KEY"),
        "{page}"
    );
    let both = world.staff().await;
    let page = world.get("/staff").cookie(&both).send().await.text();
    assert!(page.contains("href=\"/staff/audit\"") && page.contains("href=\"/staff\""), "{page}");
}

/// Members of staff without the role of a page read so, and the next step leads to a page of their own.
#[tokio::test]
async fn a_page_for_another_role_says_so() {
    let world = World::of(&with_members(""), &ehi::defaults::sample_records());
    for (name, path, own) in [
        ("reviewer", "/staff/audit", "/staff"),
        ("auditor", "/staff", "/staff/audit"),
        ("administrator", "/staff", "/staff/settings"),
    ] {
        let session = signed_in(&world, name).await;
        let refused = world.get(path).cookie(&session).header("accept", "text/html").send().await;
        let page = refused.text();
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{page}");
        assert!(page.contains("Your account does not have the role that this needs."), "{page}");
        assert!(page.contains(&format!("class=\"button\" href=\"{own}\"")), "{page}");
    }
}

/// The error page of an address at which there is nothing leads to a page that the role permits.
#[both_hosts(alone)]
async fn an_unknown_address_leads_to_a_page_of_the_role(world: World) {
    let reviewer = world.staff().await;
    let unknown = async |session: Option<&TestResponse>, path: &str| {
        let call = world.get(path).header("accept", "text/html");
        let call = match session {
            Some(session) => call.cookie(session),
            None => call,
        };
        let page = call.send().await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}: {}", page.text());
        page.text()
    };
    for path in ["/staff/nothing", "/staff/jobs/x/y/z", "/staff/jobs/not-an-id"] {
        let page = unknown(Some(&reviewer), path).await;
        assert!(page.contains("class=\"button\" href=\"/staff\""), "{path}: {page}");
    }
    let page = unknown(None, "/staff/nothing").await;
    assert!(page.contains("class=\"button\" href=\"/staff\""), "{page}");
    let asked = world.get("/staff/nothing").header("accept", "application/json").send().await;
    assert_eq!(asked.json()["resourceType"], "OperationOutcome", "{}", asked.text());
}

#[tokio::test]
async fn an_unknown_address_leads_auditors_and_administrators_to_their_pages() {
    let world = World::of(&with_members(""), &ehi::defaults::sample_records());
    for (name, own) in [("auditor", "/staff/audit"), ("administrator", "/staff/settings")] {
        let session = signed_in(&world, name).await;
        for path in ["/staff/nothing", "/staff/jobs/x/y/z", "/staff/audit/nothing"] {
            let page = world.get(path).cookie(&session).header("accept", "text/html").send().await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
            let link = format!("class=\"button\" href=\"{own}\"");
            assert!(page.text().contains(&link), "{path}: {}", page.text());
        }
    }
}

/// The server reads the roles from the settings at each request, not from the session.
#[tokio::test]
async fn a_role_that_is_removed_from_the_settings_ends_at_once() {
    let state = tempfile::tempdir().expect("a directory");
    let open = |roles: &str| {
        let settings = Settings::parse(&with_members(roles), |_| None, None).expect("settings");
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let records = ehi::defaults::sample_records();
        let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(1)));
        let platform = Local::open(state.path(), &records, settings, now, random).expect("a platform");
        World::over(platform, clock)
    };
    let world = open("\"reviewer\", \"auditor\"");
    let session = signed_in(&world, "changing").await;
    let statuses = async |world: &World| {
        let mut statuses = Vec::new();
        for path in ["/admin/jobs", "/admin/audit"] {
            statuses.push(world.get(path).cookie(&session).send().await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&world).await, [200, 200]);
    drop(world);
    for (roles, expected) in [("\"auditor\"", [403, 200]), ("\"reviewer\"", [200, 403]), ("", [401, 401])] {
        assert_eq!(statuses(&open(roles)).await, expected, "{roles}");
    }
}

#[tokio::test]
async fn the_roles_of_a_token_are_those_that_the_settings_map() {
    let issuer = Issuer::new();
    let mapped = r#", staff = true, staff_roles = { REVIEW = ["reviewer"], AUDIT = ["auditor"] }"#;
    for (more, named, expected) in [
        (", staff = true", "ADMIN", [200, 200]),
        (", staff = true", "AUDIT", [403, 403]),
        (mapped, "REVIEW", [200, 403]),
        (mapped, "AUDIT", [403, 200]),
        (mapped, "AUDIT REVIEW", [200, 200]),
        (mapped, "ADMIN", [403, 403]),
        (r#", staff_roles = { AUDIT = ["auditor"] }"#, "AUDIT", [403, 403]),
        ("", "ADMIN", [403, 403]),
    ] {
        let world = issuer.world(more);
        let mut claims = claims();
        claims["roles"] = json!(named.split(' ').collect::<Vec<_>>());
        let token = issuer.token(&claims);
        let mut statuses = Vec::new();
        for path in ["/admin/jobs", "/admin/audit"] {
            statuses.push(world.get(path).bearer(&token).send().await.status.as_u16());
        }
        assert_eq!(statuses, expected, "{more}: {named}");
        if expected[1] == 200 {
            let lines = world.get("/admin/audit").bearer(&token).send().await.text();
            assert!(lines.contains("https://login.example.org"), "the issuer is recorded: {lines}");
        }
    }
}

#[test]
fn invalid_roles_are_refused_at_start() {
    for (roles, part) in [("[]", "has no roles"), ("[\"king\"]", "king")] {
        let text = with_members("").replace("roles = [\"auditor\"]", &format!("roles = {roles}"));
        let refused = Settings::parse(&text, |_| None, None).expect_err("refused").to_string();
        assert!(refused.contains("staff") && refused.contains(part), "{refused}");
    }
    let years = format!("audit_retention_years = 0\n{}", settings("sandbox = true"));
    let refused = Settings::parse(&years, |_| None, None).expect_err("refused").to_string();
    assert!(refused.contains("audit_retention_years"), "{refused}");
}
