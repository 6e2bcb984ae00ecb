//! The patients in the list: how staff find them, how their names are shown, and the record of who saw them.

use domain::ports::audit::{AuditQuery, all};
use futures_util::TryStreamExt;
use http::StatusCode;
use serde_json::json;
use tests::{ANNA, BRUNO, World, both_hosts};

use super::{list, listed, tick};
use crate::admin::in_review;

/// Check 31: a part of the name in any spelling, the birth date, the record number and the id each find Anna, and not Bruno.
#[both_hosts]
async fn a_patient_is_found_by_name_birth_date_record_number_and_id(world: World) {
    let (anna, _, staff) = in_review(&world).await;
    let bruno = world.kick_off(&world.token(BRUNO).await, "", BRUNO).await;
    for search in [
        "lindq",
        "LINDQ",
        "líndq",
        "anna l",
        "lindqvist, anna",
        "1961-04-12",
        "4/12/1961",
        "mrn-1000",
        "MRN 1000",
        ANNA,
        "li\u{200f}nd",
    ] {
        let query: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let found = listed(&list(&world, &staff, &format!("?tab=all&q={query}")).await);
        assert!(found.contains(&anna) && !found.contains(&bruno), "{search}: {found:?}");
    }
    for search in ["%25", "_", "%F0%9F%98%80", "indqvist", "1961-04-13", "MRN-100", "anna%20bruno"] {
        let page = list(&world, &staff, &format!("?tab=all&q={search}")).await;
        assert_eq!(listed(&page), Vec::<String>::new(), "{search}");
        assert!(page.contains("Nothing found here"), "{page}");
    }
    // The number on the patient's receipt leads to the export.
    let numbered =
        world.get(&format!("/staff?q={}", anna.trim_start_matches("/jobs/"))).cookie(&staff).send().await;
    assert!(numbered.location().ends_with(&format!("/staff{anna}")), "{}", numbered.location());
}

/// A name is always shown as text, for any characters in it.
#[tokio::test]
async fn a_name_with_accents_and_markup_is_shown_as_text() {
    let lake = tempfile::tempdir().expect("a directory");
    let name = "<b>\u{202e}Zoë\u{202c}😀</b>";
    let patient = json!({ "resourceType": "Patient", "id": "odd", "name": [{ "text": name }] });
    std::fs::create_dir_all(lake.path().join("Patient/odd")).expect("a directory");
    std::fs::write(lake.path().join("Patient/odd/records.ndjson"), format!("{patient}\n")).expect("written");
    let world = World::with("sandbox = true", lake.path());
    let token = world.token("odd").await;
    let job = world.kick_off(&token, "", "odd").await;
    let staff = world.staff().await;
    for search in ["zoe", "ZOË", "b"] {
        let query: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let page = list(&world, &staff, &format!("?tab=waiting&q={query}")).await;
        assert_eq!(listed(&page), std::slice::from_ref(&job), "{search}");
        assert!(page.contains("<bdi>&#60;b&#62;\u{202e}Zoë\u{202c}😀&#60;/b&#62;</bdi>"), "{page}");
    }
}

/// Check 38: who looked at a list with a patient's name is in the audit trail.
#[tokio::test]
async fn the_audit_trail_has_the_patients_whom_a_list_shows() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let page = list(&world, &staff, "").await;
    let question = format!("/staff/approve?job={}", tick(&page, &job));
    for path in [question.as_str(), "/admin/jobs"] {
        assert_eq!(world.get(path).cookie(&staff).send().await.status, StatusCode::OK, "{path}");
    }
    list(&world, &staff, "?tab=review&q=nobody-has-this-name").await;
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*world.platform().audit(), query).try_collect().await.expect("entries");
    let shown = entries.iter().filter(|entry| entry.event.object.as_deref() == Some("list of exports"));
    let shown: Vec<Vec<_>> =
        shown.map(|entry| entry.event.shown.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(shown.iter().filter(|shown| *shown == &[ANNA]).count(), 3, "{shown:?}");
    assert_eq!(shown.iter().filter(|shown| shown.is_empty()).count(), 1, "{shown:?}");
}
