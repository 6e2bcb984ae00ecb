//! The access of each role of staff.

use std::path::Path;
use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use domain::audit::Action;
use domain::ports::audit::AuditQuery;
use http::StatusCode;
use local::Local;
use serde_json::{Value, json};
use settings::Settings;
use tests::{ANNA, PASSWORD, TestResponse, World, both_hosts, settings};

use super::program::tampered;
use crate::admin::in_review;
use crate::logs::Captured;
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
    check_refusals(&world, &job).await;
}

/// Checks that each refused attempt of the story above is in the trail, once in an hour, with the patient of the export.
async fn check_refusals(world: &World, job: &str) {
    let of_export = ["GET /staff/jobs/{job}", "GET /admin/jobs/{job}", "GET /jobs/{job}"];
    let of_decision =
        ["approve", "reject", "delete"].map(|action| format!("POST /staff/jobs/{{job}}/{action}"));
    let choices = "POST /jobs/{job}".to_owned();
    let of_export: Vec<_> =
        of_export.map(str::to_owned).into_iter().chain(of_decision).chain([choices]).collect();
    let lists = ["GET /staff", "GET /admin/jobs", "GET /jobs"].map(str::to_owned);
    let trail = ["GET /staff/audit", "GET /admin/audit"].map(str::to_owned);
    let settings = ["GET /staff/settings".to_owned()];
    let without_patient = |who: &str| match who {
        "reviewer" => [&trail[..], &settings[..]].concat(),
        "auditor" => [&lists[..], &settings[..]].concat(),
        _ => [&lists[..], &trail[..]].concat(),
    };
    let events = super::events(world, "action=access-refused&result=refused&_count=2000").await;
    for who in ["reviewer", "auditor", "administrator"] {
        let mut expected: Vec<_> = without_patient(who).into_iter().map(|object| (object, false)).collect();
        if who != "reviewer" {
            expected.extend(of_export.iter().cloned().map(|object| (object, true)));
        }
        let of_member = events.iter().filter(|event| super::summary(event).contains(&format!(" by {who}: ")));
        let mut found: Vec<_> = of_member.map(|event| attempt(event, job)).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{who}");
    }
    for (hours, expected) in [(0, 1), (1, 2)] {
        world.advance(hours * 3600);
        let session = signed_in(world, "reviewer").await;
        for _ in 0..3 {
            let refused = world.get("/staff/audit").cookie(&session).send().await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN);
        }
        let events = super::events(world, "action=access-refused&who=reviewer").await;
        let of_trail = events.iter().filter(|event| attempt(event, job).0 == "GET /staff/audit");
        assert_eq!(of_trail.count(), expected, "after {hours} hours");
    }
}

/// Returns the route of a refused attempt, and whether the event names the job and its patient.
fn attempt(event: &Value, job: &str) -> (String, bool) {
    let text = event.to_string();
    let entities = event["entity"].as_array().expect("entities");
    let object = entities.iter().map(|entity| &entity["what"]["identifier"]);
    let object =
        object.filter(|what| what["system"].as_str().is_some_and(|system| system.ends_with("/objects")));
    let object: Vec<_> = object.map(|what| tests::text(&what["value"])).collect();
    assert_eq!(object.len(), 1, "{text}");
    let id = job.rsplit('/').next().expect("an id");
    let names = (text.contains(&format!("Patient/{ANNA}")), text.contains(id));
    assert_eq!(names.0, names.1, "{text}");
    (object[0].clone(), names.0)
}

/// A refusal that cannot be recorded stays a refusal, and the log has the error.
#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_stays_a_refusal() {
    let state = tempfile::tempdir().expect("a directory");
    let world = stored_in(state.path(), "\"reviewer\"");
    let session = signed_in(&world, "changing").await;
    tampered(state.path(), "ALTER TABLE entries RENAME TO hidden_entries");
    let log = Captured::start();
    for path in ["/staff/audit", "/admin/audit", "/staff/settings"] {
        let refused = world.get(path).cookie(&session).send().await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text());
    }
    assert_eq!(log.with("a request was refused, and the audit trail does not have it").len(), 3);
    drop(log);
    tampered(state.path(), "ALTER TABLE hidden_entries RENAME TO entries");
    let refused = world.get("/staff/audit").cookie(&session).send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries = world.platform().audit().list(&query).await.expect("the trail").entries;
    let refusals = entries.iter().filter(|entry| entry.event.action == Action::AccessRefused);
    assert_eq!(refusals.count(), 1, "what could not be recorded is recorded the next time");
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

/// Returns a World with these members of staff that keeps its state in a directory.
fn stored_in(state: &Path, roles: &str) -> World {
    let settings = Settings::parse(&with_members(roles), |_| None, None).expect("settings");
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let records = ehi::defaults::sample_records();
    let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(1)));
    let platform = Local::open(state, &records, settings, now, random).expect("a platform");
    World::over(platform, clock)
}

/// The server reads the roles from the settings at each request, not from the session.
#[tokio::test]
async fn a_role_that_is_removed_from_the_settings_ends_at_once() {
    let state = tempfile::tempdir().expect("a directory");
    let open = |roles: &str| stored_in(state.path(), roles);
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
