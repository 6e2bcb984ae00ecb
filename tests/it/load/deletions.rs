//! Deletions in the input. The loader does not carry them out, and says so.

use super::*;
use crate::program::{ehi, printed, run};

fn deletion(method: &str, url: &str) -> Value {
    json!({ "request": { "method": method, "url": url } })
}

/// Checks the places and the names of the deletions.
fn assert_named(loaded: &Loaded, expected: &[&str]) {
    let named = &loaded.deletions.named;
    assert_eq!((loaded.deletions.count, named.len()), (expected.len() as u64, expected.len()), "{named:#?}");
    for (named, expected) in named.iter().zip(expected) {
        assert!(named.ends_with(expected), "{named} does not end with {expected}");
    }
}

#[test]
fn the_deleted_resources_of_a_bulk_export_are_named() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let claim = json!({"resourceType":"Claim","id":"1","patient":{"reference":"Patient/a"}});
    let first = [json!({"resourceType":"Patient","id":"a"}), claim.clone()];
    loaded(&[("1.ndjson", lines(&first))], lake.path());
    // Bulk Data 2.0, `deleted`: lines that are Bundles of the type transaction.
    let deleted = [
        bundle(
            "transaction",
            &[deletion("DELETE", "Claim/1"), deletion("delete", "https://h.example/fhir/Claim/2")],
        ),
        bundle("transaction", &[deletion("DELETE", ""), json!({ "request": { "method": "DELETE" } })]),
        bundle("transaction", &[deletion(" Delete ", "Claim/1"), deletion("DELETE", "Claim?identifier=s|1")]),
    ];
    let more = [json!({"resourceType":"Claim","id":"3","patient":{"reference":"Patient/a"}})];
    let inputs = [("deleted.ndjson", lines(&deleted)), ("more.ndjson", lines(&more))];
    let loaded = loaded(&inputs, lake.path());
    assert_named(
        &loaded,
        &[
            "deleted.ndjson:1: Claim/1",
            "deleted.ndjson:1: Claim/2",
            "deleted.ndjson:2: an entry that does not name the resource",
            "deleted.ndjson:2: an entry that does not name the resource",
            "deleted.ndjson:3: Claim/1",
            "deleted.ndjson:3: Claim?identifier=s|1",
        ],
    );
    assert_eq!(loaded.problems, Vec::<String>::new());
    // Nothing is removed, and nothing is written to deleted/.
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "Claim/1", "Claim/3"]);
    assert!(!lake.path().join("deleted").exists() && !lake.path().join("shared").exists());
    Ok(())
}

#[test]
fn a_history_has_deletions_between_other_entries() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let claim = |id: &str| json!({"resourceType":"Claim","id":id,"patient":{"reference":"Patient/a"}});
    let history = bundle(
        "history",
        &[
            json!({ "fullUrl": "https://h.example/fhir/Claim/1", "request": { "method": "DELETE", "url": "Claim/1" } }),
            // A server that sends the deleted resource as well.
            json!({ "resource": claim("2"), "request": { "method": "DELETE", "url": "Claim/2" } }),
            json!({ "resource": claim("3"), "request": { "method": "DELETE", "url": "" } }),
            json!({ "resource": claim("4"), "request": { "method": "PUT", "url": "Claim/4" } }),
            json!({ "request": { "method": "GET", "url": "Claim/5" } }),
            json!({ "fullUrl": "https://h.example/fhir/Claim/6", "request": { "method": "DELETE" } }),
        ],
    );
    let pretty = serde_json::to_string_pretty(&history)?;
    let line = |text: &str| pretty.lines().position(|line| line.contains(text)).expect("a line");
    let loaded = loaded(&[("history.json", pretty.clone())], lake.path());
    assert_eq!(loaded.deletions.count, 4);
    let names: Vec<_> = loaded.deletions.named.iter().filter_map(|named| named.rsplit(": ").next()).collect();
    assert_eq!(names, ["Claim/1", "Claim/2", "Claim/3", "Claim/6"]);
    // The line is the one on which the entry begins.
    let first = line("\"DELETE\"") - line("\"entry\"");
    assert!(
        first > 1 && loaded.deletions.named[0].contains(&format!("history.json:{}: ", line("\"entry\"") + 2))
    );
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Claim/4"]);
    assert_eq!(loaded.problems, Vec::<String>::new());
    Ok(())
}

/// The directory `deleted/` of a lake has lines that look like resources.
#[test]
fn a_line_of_another_lakes_deletions_is_not_a_resource() -> tests::Result {
    let (input, lake) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for directory in ["Patient/a", "deleted"] {
        std::fs::create_dir_all(input.path().join(directory))?;
    }
    let records = [
        json!({"resourceType":"Patient","id":"a"}),
        json!({"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/a"}}),
        json!({"resourceType":"List","id":"l","subject":{"reference":"Patient/a"},"entry":[{"deleted":true}]}),
    ];
    std::fs::write(input.path().join("Patient/a/records.ndjson"), lines(&records))?;
    let deleted = [
        json!({"resourceType":"Observation","id":"o1","patient":"a","deleted":"2026-03-01T12:00:00Z"}),
        json!({"resourceType":"Organization","id":"x","deleted":"2026-03-01T12:00:00Z"}),
    ];
    std::fs::write(input.path().join("deleted/2026.ndjson"), lines(&deleted))?;
    let loaded = load(&[input.path().to_owned()], lake.path(), &ProgressBar::hidden())?;
    assert_named(&loaded, &["2026.ndjson:1: Observation/o1", "2026.ndjson:2: Organization/x"]);
    assert_eq!(json_lines(&lake.path().join("Patient/a/records.ndjson"))[2], records[1]);
    assert_eq!(of(lake.path(), "Patient/a/records.ndjson"), ["Patient/a", "List/l", "Observation/o1"]);
    assert!(!lake.path().join("shared").exists());
    Ok(())
}

#[test]
fn many_deletions_are_counted_and_the_first_are_named() -> tests::Result {
    let entries: Vec<_> = (0..150).map(|id| deletion("DELETE", &format!("Claim/{id}"))).collect();
    let loaded =
        loaded(&[("1.ndjson", lines(&[bundle("transaction", &entries)]))], tempfile::tempdir()?.path());
    assert_eq!((loaded.deletions.count, loaded.deletions.named.len()), (150, 100));
    Ok(())
}

#[test]
fn the_program_says_that_it_does_not_delete_and_exits_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let (input, lake) = (directory.path().join("deleted.ndjson"), directory.path().join("lake"));
    let entries =
        [deletion("DELETE", "Claim/1"), json!({ "resource": { "resourceType": "Patient", "id": "a" } })];
    std::fs::write(&input, lines(&[bundle("transaction", &entries)])).expect("written");
    let output = run(ehi().arg("load").arg(&input).arg("--into").arg(&lake));
    let printed = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("1 deletions were not carried out, because the loader does not delete"),
        "{printed}"
    );
    assert!(printed.contains("deleted.ndjson:1: Claim/1"), "{printed}");
    assert!(printed.contains("write a line for each of them to deleted/"), "{printed}");
    assert!(printed.contains("1 deletions were not carried out; the rest is loaded"), "{printed}");
    assert_eq!(of(&lake, "Patient/a/records.ndjson"), ["Patient/a"]);
}
