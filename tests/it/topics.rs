//! Check 14 (`infra/docs/checks.md`): if no private topic is ticked, each of the eight is withheld, and the ledger names it.

use domain::sensitive::Sensitive;
use serde_json::{Value, json};
use tests::{ANNA, TestResponse, World};
use words::Words;

use crate::my::{approved, page, requested_copy, signed_in};
use crate::review;

/// Writes a lake with a patient who has one Observation in each private topic, and one in none.
fn lake() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let observation = |id: &str, labels: &[&str]| {
        let security: Vec<_> = labels.iter().map(|label| json!({ "code": label })).collect();
        json!({
            "resourceType": "Observation", "id": id, "status": "final", "meta": { "security": security },
            "category": [{ "coding": [{ "code": "laboratory" }] }], "code": { "text": id },
            "subject": { "reference": format!("Patient/{ANNA}") }, "effectiveDateTime": "2020-01-01",
        })
    };
    let name = json!([{ "family": "Lindqvist", "given": ["Anna"] }]);
    let mut lines =
        vec![json!({ "resourceType": "Patient", "id": ANNA, "name": name }), observation("plain", &[])];
    for topic in Sensitive::ALL {
        lines.push(observation(&format!("private-{}", topic.key()), &topic.labels()[..1]));
    }
    let directory = root.path().join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory).expect("a directory");
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    std::fs::write(directory.join("all.ndjson"), text).expect("written");
    root
}

/// Requests a copy with these topics; returns the path of its job, and the ledger in the manifest.
async fn exported(world: &World, session: &TestResponse, topics: &[&str]) -> (String, Value) {
    let copy = requested_copy(world, session, topics).await;
    world.work().await;
    approved(world, &copy).await;
    let job = copy.replace("/my/exports", "/jobs");
    let staff = world.staff().await;
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    (job, shown["manifest"]["extension"]["ledger"]["resources"].clone())
}

/// Check 14.
#[tokio::test]
async fn without_a_ticked_topic_the_ledger_names_all_eight() {
    let lake = lake();
    let world = World::with("sandbox = true", lake.path());
    let session = signed_in(&world, ANNA).await;
    let (job, resources) = exported(&world, &session, &[]).await;
    let withheld = resources["withheld"].as_object().expect("what is withheld");
    assert_eq!(withheld.len(), 8, "{resources}");
    assert_eq!((&resources["read"], &resources["written"]), (&json!(10), &json!(2)), "{resources}");
    let staff = world.staff().await;
    let of_staff = review::page(&world, &staff, &format!("/staff{job}")).await;
    let of_patient = page(&world, &session, &job.replace("/jobs", "/my/exports")).await;
    let words = Words::default();
    for topic in Sensitive::ALL {
        assert_eq!(withheld[topic.key()], 1, "{resources}");
        let name = words.text(&format!("topic-{}", topic.key()), &[]);
        let row = format!("Withheld: {name}</td>");
        assert_eq!(of_staff.matches(&row).count(), 1, "{row}: {of_staff}");
        let row = format!("Private topic that you did not tick: {name}</td><td class=\"number\">1</td>");
        assert_eq!(of_patient.matches(&row).count(), 1, "{row}: {of_patient}");
    }
    // A ticked topic is in the copy, and the other seven are withheld.
    let (_, resources) = exported(&world, &session, &["genetic"]).await;
    let withheld = resources["withheld"].as_object().expect("what is withheld");
    assert!(withheld.len() == 7 && !withheld.contains_key("genetic"), "{resources}");
    assert_eq!(resources["written"], 3, "{resources}");
}
