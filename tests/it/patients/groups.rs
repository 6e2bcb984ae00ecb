//! Exports of groups that staff start.

use domain::audit::Action;
use domain::ports::audit::{AuditQuery, all};
use futures_util::TryStreamExt;
use http::StatusCode;
use serde_json::Value;
use tests::{Answer, World, both_hosts, text};

use crate::started::{unchanged_form, with_texts};

const FORM: &str = "/staff/groups/everyone/export";

#[both_hosts(alone)]
async fn staff_export_a_group_with_a_reason(world: World) {
    let staff = world.staff().await;
    let list = world.get("/staff/groups").cookie(&staff).send().await.text();
    assert!(list.contains("All sample patients") && list.contains(FORM), "{list}");
    let (fields, page) = unchanged_form(&world, &staff, FORM).await;
    assert!(page.contains("All sample patients") && page.contains("records of up to 4 patients"), "{page}");
    let missing = world.post(FORM).cookie(&staff).form(&fields).send().await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.text().contains("Say why the export is made."), "{}", missing.text());
    let fields = with_texts(fields, &[("receiver", "the registry"), ("reason", "contract 7")]);
    let send = || world.post(FORM).cookie(&staff).form(&fields);
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
    let started = send().send().await.location();
    assert_eq!(send().send().await.location(), started, "a second click starts nothing");
    let job = started.split_once("/staff").expect("a page of staff").1.to_owned();
    world.work().await;
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(shown["status"], "retrieved", "{shown}");
    assert_eq!(shown["history"][0]["what"], "asked for an export for the registry: contract 7");
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert!(page.contains("Group everyone") && page.contains("contract 7"), "{page}");
    let file = |name: &str| format!("/staff{job}/files/{name}/download");
    let early = world.get(&file("Patient.ndjson")).cookie(&staff).send().await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "it is not approved");
    let files = [("letter.pdf", "application/pdf", b"%PDF".as_slice())];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&files).send().await;
    assert_eq!(attached.status, StatusCode::CONFLICT, "files are about one patient: {}", attached.text());
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    downloaded(&world, &staff, &job).await;
    assert_eq!(world.get(&file("Patient.ndjson")).send().await.status, StatusCode::SEE_OTHER);
    for path in ["/staff/groups", FORM] {
        assert_eq!(world.get(path).send().await.status, StatusCode::SEE_OTHER, "{path}");
    }
    let nobody = world.get("/staff/groups/none/export").cookie(&staff).send().await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_audit_trail_names_the_group_whose_export_is_started() {
    let world = World::new();
    let staff = world.staff().await;
    let (fields, _) = unchanged_form(&world, &staff, FORM).await;
    let fields = with_texts(fields, &[("receiver", "a"), ("reason", "b")]);
    let started = world.post(FORM).cookie(&staff).form(&fields).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*world.platform().audit(), query).try_collect().await.expect("entries");
    let starts = entries.iter().filter(|entry| entry.event.action == Action::ExportStarted);
    let groups: Vec<_> = starts.map(|entry| entry.event.object.as_deref()).collect();
    assert!(groups.contains(&Some("Group/everyone")), "{groups:?}");
}

/// Downloads every file of the page: all patients are in them, and nothing private.
async fn downloaded(world: &World, staff: &Answer, job: &str) {
    let page = world.get(&format!("/staff{job}")).cookie(staff).send().await.text();
    let links: Vec<_> = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.ends_with("/download"))
        .collect();
    assert!(links.len() > 5, "{page}");
    let mut resources: Vec<Value> = Vec::new();
    for link in links {
        let answer = world.get(link).cookie(staff).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{link}");
        resources.extend(answer.lines());
    }
    let mut patients: Vec<_> = resources
        .iter()
        .filter(|resource| resource["resourceType"] == "Patient")
        .map(|resource| text(&resource["id"]))
        .collect();
    patients.sort();
    assert_eq!(patients, ["anna-lindqvist", "bruno-keller", "chiara-rossi", "dmitri-sokolov"]);
    let is_private = |resource: &&Value| {
        let labels = resource["meta"]["security"].as_array().into_iter().flatten();
        let codes = labels.filter_map(|label| label["code"].as_str());
        codes.into_iter().any(|code| ["HIV", "ETH", "PSY", "GDIS", "SEX", "SDV"].contains(&code))
    };
    assert_eq!(resources.iter().filter(is_private).count(), 0, "no topic was ticked");
    let document = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let document = document.into_iter().find(|link| link.contains("/documents/")).expect("a document");
    let document = world.get(document).cookie(staff).send().await;
    assert!(document.status == StatusCode::OK && !document.body.is_empty());
    assert!(!page.contains("/add-files"), "files are attached to the record of one patient");
}
