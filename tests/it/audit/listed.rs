//! An auditor finds by the id of a patient the lists and searches that showed the patient (45 CFR 164.528).

use http::StatusCode;
use tests::{ANNA, BRUNO, World};

use super::{events, here_and_on_aws, next_of, on_aws};
use crate::admin::in_review;

/// Returns the objects of the views that a filter finds, oldest first.
async fn seen(world: &World, patient: &str) -> Vec<String> {
    let mut found = events(world, &format!("patient={patient}&action=record-viewed")).await;
    found.reverse();
    let object = |event: &serde_json::Value| {
        let entities = event["entity"].as_array().into_iter().flatten();
        let object = entities.filter(|entity| entity["role"]["code"] == "4");
        object.map(|entity| tests::text(&entity["what"]["identifier"]["value"])).collect::<String>()
    };
    found.iter().map(object).collect()
}

here_and_on_aws!(lists_and_searches_are_found_by_the_patients_whom_they_showed);

async fn lists_and_searches_are_found_by_the_patients_whom_they_showed(world: World) -> tests::Result {
    let (job, _, staff) = in_review(&world).await;
    let before = seen(&world, ANNA).await.len();
    for path in ["/staff", "/staff/patients?q=lindq", "/staff/patients?q=keller", "/admin/jobs"] {
        let page = world.get(path).cookie(&staff).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
    }
    world.get(&format!("/staff{job}")).cookie(&staff).send().await;
    let of_anna = seen(&world, ANNA).await.split_off(before);
    assert_eq!(of_anna, ["list of exports", "search of patients", "list of exports", ""]);
    assert_eq!(seen(&world, BRUNO).await, ["search of patients"]);
    let page = world.get(&format!("/staff/audit?patient={ANNA}")).cookie(&staff).send().await.text();
    for shown in
        ["list of exports", "search of patients", "Exports of a group or of all patients", "?action=download"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let page = world.get("/staff/audit").cookie(&staff).send().await.text();
    assert!(!page.contains("Exports of a group or of all patients"), "{page}");
    pages_have_each_entry_once(&world).await;
    Ok(())
}

async fn pages_have_each_entry_once(world: &World) {
    let auditor = world.staff().await;
    let all = events(world, &format!("patient={ANNA}")).await;
    let (mut paged, mut next) = (Vec::new(), Some(format!("/admin/audit?patient={ANNA}&_count=2")));
    while let Some(path) = next.take() {
        let page = world.get(&path).cookie(&auditor).send().await;
        next = next_of(&page);
        if !page.body.is_empty() {
            paged.extend(page.lines());
        }
    }
    assert!(all.len() > 4 && paged == all, "{paged:?}");
}
