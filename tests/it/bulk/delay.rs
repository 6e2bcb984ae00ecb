//! Changes that reach the record store some time after they were made (the setting `records_delay_minutes`).

use std::collections::BTreeSet;

use domain::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tests::{World, reference, text};

use super::{EVERYTHING, exported, resources};
use crate::supporting::{lake, of_patient};

/// Returns the exported Observations and the `transactionTime`.
async fn observations(world: &World, since: Option<&str>) -> (BTreeSet<String>, String) {
    let token = world.service("service", EVERYTHING).await;
    let since = since.map(|since| format!("&_since={since}")).unwrap_or_default();
    let manifest = exported(world, &token, &format!("/fhir/$export?_type=Observation{since}")).await;
    let lines = resources(world, &token, &manifest, "output").await;
    (lines.iter().map(reference).collect(), text(&manifest["transactionTime"]))
}

/// An export with the `transactionTime` of the former one as `_since` has what arrived in between. A change that was in the store already
/// is exported twice, and none is missing.
#[tokio::test]
async fn a_change_that_arrives_late_is_in_the_next_export() -> tests::Result {
    let delay = SignedDuration::from_mins(90);
    let late = || BTreeSet::from(["Observation/late".to_owned()]);
    for arrives_before_the_first_export in [false, true] {
        let directory = lake(&[of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" }))]);
        let world = World::with("sandbox = true\nrecords_delay_minutes = 90", directory.path());
        let started = world.clock().now();
        let changed = started - SignedDuration::from_mins(30);
        let meta = json!({ "lastUpdated": changed.to_string() });
        let observation = json!({ "resourceType": "Observation", "id": "late", "meta": meta });
        let arrive =
            || std::fs::write(directory.path().join("Patient/ann/late.ndjson"), format!("{observation}\n"));
        if arrives_before_the_first_export {
            arrive()?;
        }
        let (found, first) = observations(&world, None).await;
        assert_eq!(found, if arrives_before_the_first_export { late() } else { BTreeSet::new() });
        assert_eq!(first.parse::<Timestamp>()?, started - delay);
        arrive()?;
        world.clock().advance(delay);
        let (found, second) = observations(&world, Some(&first)).await;
        assert_eq!(found, late());
        world.clock().advance(delay);
        assert_eq!(observations(&world, Some(&second)).await.0, BTreeSet::new());
    }
    Ok(())
}

/// A resource that is years old and changed a minute ago is in a full export. What changes after the begin of the export is in the next one.
#[tokio::test]
async fn an_export_has_every_change_before_its_begin() {
    let now = World::new().clock().now();
    let of = |id: &str, changed: Timestamp| {
        let meta = json!({ "lastUpdated": changed.to_string() });
        of_patient("ann", json!({ "resourceType": "Observation", "id": id, "meta": meta }))
    };
    let (minute, delay) = (SignedDuration::from_mins(1), SignedDuration::from_mins(90));
    let directory = lake(&[
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" })),
        of("before", now - minute),
        of("now", now),
        of("after", now + minute),
    ]);
    let world = World::with("sandbox = true\nrecords_delay_minutes = 90", directory.path());
    let expected = ["Observation/before", "Observation/now"].map(str::to_owned);
    let since = (now - delay).to_string();
    for since in [None, Some(since.as_str())] {
        assert_eq!(observations(&world, since).await.0, BTreeSet::from(expected.clone()), "{since:?}");
    }
}

/// The export of one patient has everything that is in the record store.
#[tokio::test]
async fn an_ehi_export_does_not_wait_for_late_changes() {
    let now = World::new().clock().now();
    let observation =
        json!({ "resourceType": "Observation", "id": "new", "meta": { "lastUpdated": now.to_string() } });
    let directory = lake(&[
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" })),
        of_patient("ann", observation),
    ]);
    let world = World::with("sandbox = true\nrecords_delay_minutes = 90", directory.path());
    let token = world.token("ann").await;
    let job = world.exported(&token, "ann").await;
    let found: BTreeSet<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert!(found.contains("Observation/new"), "{found:?}");
}
