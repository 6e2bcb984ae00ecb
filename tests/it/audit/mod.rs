//! The audit trail: what is recorded, who may read it, and how it is verified.

mod actions;
mod chain;
mod disclosures;
mod events;
mod listed;
pub(crate) mod program;
pub(crate) mod roles;

use std::collections::BTreeSet;

use futures_util::future::LocalBoxFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::simulated::account::Setup;
use tests::simulated::{Record, run_with_large_stack};
use tests::{ANNA, BRUNO, TestResponse, World, both_hosts, text};

use crate::admin::in_review;

/// Runs a story in memory and on the simulated AWS, but not on a deployment, because the audit trail of a deployment also has the
/// entries of other stories.
macro_rules! here_and_on_aws {
    ($name:ident) => {
        mod $name {
            #[tokio::test]
            async fn here() -> tests::Result {
                Box::pin(super::$name(tests::World::new())).await
            }

            #[test]
            fn on_aws() {
                super::on_aws(|world| Box::pin(super::$name(world)));
            }
        }
    };
}

use here_and_on_aws;

fn on_aws(story: fn(World) -> LocalBoxFuture<'static, tests::Result>) {
    let in_simulation =
        async move || story(World::simulated(Setup::default(), &Record::default())).await.is_ok();
    assert!(run_with_large_stack(in_simulation), "the story returns an error");
}

/// Returns the AuditEvents that an auditor finds, newest first, without the events about this reading.
pub(crate) async fn events(world: &World, query: &str) -> Vec<Value> {
    let auditor = world.staff().await;
    let response = world.get(&format!("/admin/audit?{query}")).cookie(&auditor).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/fhir+ndjson");
    if response.body.is_empty() { Vec::new() } else { response.lines() }
}

/// Returns the action of an event, its actor and its result: `approved by admin: success`.
pub(crate) fn summary(event: &Value) -> String {
    let outcome = text(&event["outcomeDesc"]);
    let (action, outcome) = outcome.split_once(": ").expect("an action and a result");
    let who = &event["agent"][0]["who"];
    let who = who["reference"].as_str().or(who["identifier"]["value"].as_str()).expect("an actor");
    format!("{action} by {who}: {outcome}")
}

async fn summaries_of(world: &World, query: &str) -> Vec<String> {
    let mut summaries: Vec<_> = events(world, query).await.iter().map(summary).collect();
    summaries.reverse();
    summaries
}

/// Checks 36 and 38.
#[both_hosts(alone)]
async fn one_view_and_one_decision_are_one_event_each_without_content(world: World) -> tests::Result {
    let (job, _, staff) = in_review(&world).await;
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [StatusCode::OK, StatusCode::CONFLICT] {
        let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
        assert_eq!(approved.status, expected, "{}", approved.text());
    }
    let id = job.rsplit('/').next().expect("an id");
    let mut of_patient = events(&world, &format!("patient={ANNA}")).await;
    of_patient.retain(|event| event.to_string().contains(id));
    let by_staff: Vec<_> =
        of_patient.iter().map(summary).filter(|summary| summary.contains(" by admin")).collect();
    assert_eq!(by_staff, ["approved by admin: success", "record-viewed by admin: success"]);
    for event in &of_patient {
        let line = event.to_string();
        assert!(!line.contains("Lindqvist") && !line.contains("birthDate"), "{line}");
        let members: BTreeSet<_> = event.as_object().expect("an object").keys().map(String::as_str).collect();
        let known = [
            "action",
            "agent",
            "entity",
            "id",
            "outcome",
            "outcomeDesc",
            "recorded",
            "resourceType",
            "source",
            "subtype",
            "type",
        ];
        assert_eq!(members, BTreeSet::from(known));
    }
    Ok(())
}

here_and_on_aws!(every_step_of_a_patient_and_an_app_is_an_event);

async fn every_step_of_a_patient_and_an_app_is_an_event(world: World) -> tests::Result {
    let tokens = world.tokens("app", ANNA).await;
    let token = text(&tokens["access_token"]);
    let job = world.exported(&token, ANNA).await;
    let manifest = world.status(&token, &job).await.json();
    let url = text(&manifest["output"][0]["url"]);
    let first = world.get(&url).bearer(&token).send().await;
    let again = world.get(&url).bearer(&token).header("if-none-match", first.header("etag")).send().await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    world.request(Method::HEAD, &url).bearer(&token).send().await;
    let refresh = text(&tokens["refresh_token"]);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", "app")];
    let refreshed = world.post("/auth/token").form(&fields).send().await.json();
    let fields = [("token", text(&refreshed["refresh_token"])), ("client_id", "app".to_owned())];
    world.post("/auth/revoke").form(&fields).send().await;
    let other = world.token(ANNA).await;
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&other).send().await;
    let found = summaries_of(&world, &format!("patient={ANNA}")).await;
    let expected = [
        "consent-given by Patient/anna-lindqvist: success",
        "token-issued by app: success",
        "export-started by app: success",
        "download by app: success",
        "token-refreshed by app: success",
        "token-revoked by app: success",
        "consent-given by Patient/anna-lindqvist: success",
        "token-issued by app: success",
        "deleted by app: success",
    ];
    assert_eq!(found, expected);
    // The job is removed, but its audit entries are kept.
    let id = job.rsplit('/').next().expect("an id");
    let download = events(&world, "action=download").await.remove(0);
    assert!(download.to_string().contains(id), "{download}");
    assert_eq!(summaries_of(&world, &format!("who={ANNA}&action=sign-in")).await.len(), 2);
    Ok(())
}

here_and_on_aws!(failed_sign_ins_are_recorded_without_what_was_typed);

/// The name that was typed may be a password.
async fn failed_sign_ins_are_recorded_without_what_was_typed(world: World) -> tests::Result {
    let sign_in = |name: &'static str| {
        world.post("/admin/login").json(&json!({ "username": name, "password": "a wrong one" })).send()
    };
    for name in ["admin", "correct horse battery"] {
        assert_eq!(sign_in(name).await.status, StatusCode::UNAUTHORIZED);
    }
    let failed = events(&world, "action=sign-in-failed").await;
    let summaries: Vec<_> = failed.iter().map(summary).collect();
    assert_eq!(summaries, ["sign-in-failed by unknown: refused", "sign-in-failed by admin: refused"]);
    assert!(!json!(failed).to_string().contains("horse"));
    Ok(())
}

here_and_on_aws!(the_page_shows_what_its_filter_finds);

/// A page for people has 25 entries. The page and the lines show exactly the entries that a filter selects.
async fn the_page_shows_what_its_filter_finds(world: World) -> tests::Result {
    world.token(ANNA).await;
    world.token(BRUNO).await;
    let auditor = world.staff().await;
    for _ in 0..25 {
        world.get("/staff").cookie(&auditor).send().await;
    }
    let show = |query: &str| world.get(&format!("/staff/audit{query}")).cookie(&auditor).send();
    let page = show("").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let page = page.text();
    assert_eq!(page.matches("<tr role=\"row\">").count(), 1 + 25);
    assert!(page.contains("Older entries") && page.contains("none was changed or removed"), "{page}");
    assert_eq!(page.matches(" UTC</td>").count(), 25, "each time has its zone: {page}");
    let of_bruno = show(&format!("?patient={BRUNO}")).await.text();
    assert!(of_bruno.contains("Allowed an app") && !of_bruno.contains(ANNA), "{of_bruno}");
    let spanish = show("?action=sign-in&lang=es").await.text();
    assert!(spanish.contains("Inició sesión") && spanish.contains("lang=\"es\""), "{spanish}");
    for wrong in ["?action=nothing", "?result=x", "?page=x"] {
        assert_eq!(show(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    // What was typed wrongly is shown with the other filters, and no entry.
    for (field, typed, message) in [
        (
            "patient",
            "Anna Lindqvist",
            "Patient’s id: this is not an id. Type the id of the patient, not the name.",
        ),
        ("from", "yesterday", "From date: this is not a real date."),
        ("until", "2026-02-30", "To date: this is not a real date."),
    ] {
        let wrong = show(&format!("?who=admin&action=sign-in&{field}={}", typed.replace(' ', "+"))).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        let page = wrong.text();
        assert!(page.contains(&format!("<a href=\"#{field}\">{message}</a>")), "{message}: {page}");
        assert!(
            page.contains(&format!("name=\"{field}\" value=\"{typed}\" aria-invalid=\"true\"")),
            "{page}"
        );
        assert!(page.contains("name=\"who\" value=\"admin\""), "{page}");
        assert!(page.contains("<option value=\"sign-in\" selected>"), "{page}");
        assert_eq!(page.matches("<tr role=\"row\">").count(), 1, "{page}");
    }
    let lines = world.get("/admin/audit?patient=a/b").cookie(&auditor).send().await;
    assert_eq!(lines.status, StatusCode::BAD_REQUEST);
    Ok(())
}

here_and_on_aws!(lines_are_paged);

/// Each page of lines has a link to the next one, and every entry occurs exactly once.
async fn lines_are_paged(world: World) -> tests::Result {
    world.token(ANNA).await;
    let auditor = world.staff().await;
    for _ in 0..12 {
        world.get("/staff").cookie(&auditor).send().await;
    }
    let mut ids = Vec::new();
    let mut next = Some("/admin/audit?_count=5&action=record-viewed".to_owned());
    while let Some(url) = next.take() {
        let page = world.get(&url).cookie(&auditor).send().await;
        let lines = page.lines();
        assert!(lines.len() <= 5);
        ids.extend(lines.iter().map(|line| text(&line["id"])));
        next = next_of(&page);
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), count), (12, 12));
    Ok(())
}

fn next_of(page: &TestResponse) -> Option<String> {
    let link = page.headers.get("link")?.to_str().ok()?;
    Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned())
}
