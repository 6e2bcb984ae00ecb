//! Loads of resources that the lake has in the record of another patient, or as a Group.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn patient(id: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id })
}

#[test]
fn a_resource_leaves_the_record_of_its_former_patient() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let first = [
        patient("p1"),
        patient("p2"),
        observation("o1", "p1", 1),
        observation("o2", "p1", 1),
        json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o1"}]}),
        json!({"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/p1"},"content":[{"attachment":{"url":"Binary/b"}}]}),
        json!({"resourceType":"Binary","id":"b"}),
    ];
    loaded(&[("1.ndjson", lines(&first))], lake.path());
    // The nightly delta names only the new patient.
    let moved = loaded(&[("2.ndjson", lines(&[observation("o1", "p2", 2)]))], lake.path());
    assert_eq!(
        of(lake.path(), "Patient/p1/records.ndjson"),
        ["Patient/p1", "Binary/b", "DocumentReference/d", "Observation/o2"]
    );
    assert_eq!(
        of(lake.path(), "Patient/p2/records.ndjson"),
        ["Patient/p2", "Observation/o1", "Provenance/v"]
    );
    assert_eq!((moved.updated, moved.moved.count, moved.scanned), (1, 1, None));
    let named = &moved.moved.named[0];
    assert!(named.ends_with("2.ndjson:1: Observation/o1: it was in the record of Patient/p1"), "{named}");
    // An older version that arrives late changes nothing.
    let late = loaded(&[("3.ndjson", lines(&[observation("o1", "p3", 1)]))], lake.path());
    assert_eq!((late.replaced.count, late.moved.count), (1, 0));
    assert!(!lake.path().join("Patient/p3").exists());
    // The attachment follows its document.
    let mut document = first[5].clone();
    document["subject"]["reference"] = json!("Patient/p2");
    loaded(&[("4.ndjson", lines(&[document]))], lake.path());
    assert_eq!(of(lake.path(), "Patient/p1/records.ndjson"), ["Patient/p1", "Observation/o2"]);
    assert!(of(lake.path(), "Patient/p2/records.ndjson").contains(&"Binary/b".to_owned()));
    Ok(())
}

/// The input does not have the resources that determine the patients, and does not name the patients either.
#[test]
fn resources_follow_others_that_only_the_lake_has() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let document = |id: &str, patient: &str| json!({"resourceType":"DocumentReference","id":id,"subject":{"reference":format!("Patient/{patient}")},"content":[{"attachment":{"url":"Binary/b"}}]});
    let first = [observation("o1", "p1", 1), document("d1", "p1"), json!({"resourceType":"Binary","id":"b"})];
    loaded(&[("1.ndjson", lines(&first))], lake.path());
    let second = [
        json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o1"}]}),
        json!({"resourceType":"Binary","id":"c","securityContext":{"reference":"Observation/o1"}}),
        document("d2", "p2"),
    ];
    loaded(&[("2.ndjson", lines(&second))], lake.path());
    assert_eq!(
        of(lake.path(), "Patient/p1/records.ndjson"),
        ["Binary/b", "Binary/c", "DocumentReference/d1", "Observation/o1", "Provenance/v"]
    );
    assert_eq!(of(lake.path(), "Patient/p2/records.ndjson"), ["Binary/b", "DocumentReference/d2"]);
    assert!(!lake.path().join("shared").exists());
    Ok(())
}

#[test]
fn a_record_whose_last_resource_moves_is_removed() -> tests::Result {
    let lake = tempfile::tempdir()?;
    loaded(&[("1.ndjson", lines(&[observation("o1", "p1", 1), observation("o2", "p2", 1)]))], lake.path());
    std::fs::create_dir_all(lake.path().join("Patient/p2/files"))?;
    std::fs::write(lake.path().join("Patient/p2/files/scan.pdf"), "scan")?;
    loaded(&[("2.ndjson", lines(&[observation("o1", "p3", 2), observation("o2", "p3", 2)]))], lake.path());
    assert!(!lake.path().join("Patient/p1").exists());
    assert!(!lake.path().join("Patient/p2/records.ndjson").exists());
    assert!(lake.path().join("Patient/p2/files/scan.pdf").exists(), "documents stay");
    assert_eq!(of(lake.path(), "Patient/p3/records.ndjson"), ["Observation/o1", "Observation/o2"]);
    // What cannot be read stays as well.
    std::fs::write(lake.path().join("Patient/p3/other.ndjson"), "no JSON\n")?;
    loaded(&[("3.ndjson", lines(&[observation("o1", "p4", 3), observation("o2", "p4", 3)]))], lake.path());
    assert!(lake.path().join("Patient/p3/other.ndjson").exists());
    Ok(())
}

/// Returns the names of the files of the index of homes.
fn index(lake: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(lake.join("index/homes")).expect("an index");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Earlier versions of the program made no index of homes, and other programs make none.
#[tokio::test]
async fn a_missing_index_of_homes_is_made_from_all_records() -> tests::Result {
    let lake = tempfile::tempdir()?;
    for (id, compressed) in [("p1", true), ("p2", false)] {
        std::fs::create_dir_all(lake.path().join(format!("Patient/{id}")))?;
        let text = lines(&[observation(&format!("of-{id}"), id, 1)]) + "no JSON\n";
        let path = lake.path().join(format!("Patient/{id}/a.ndjson"));
        if compressed {
            let file = std::fs::File::create(path.with_extension("ndjson.gz"))?;
            let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            std::io::Write::write_all(
                &mut gzip,
                lines(&[observation(&format!("of-{id}"), id, 1)]).as_bytes(),
            )?;
            gzip.finish()?;
        } else {
            std::fs::write(path, text)?;
        }
    }
    let first = loaded(&[("1.ndjson", lines(&[observation("of-p1", "p9", 2)]))], lake.path());
    assert_eq!((first.scanned, first.moved.count), (Some(2), 1));
    assert!(!lake.path().join("Patient/p1").exists());
    // The next load has an index, and the one after `ehi index` makes it again: another program may have written records.
    let next = loaded(&[("2.ndjson", lines(&[observation("x", "p9", 2)]))], lake.path());
    assert_eq!(next.scanned, None);
    std::fs::write(lake.path().join("Patient/p2/more.ndjson"), lines(&[observation("new", "p2", 1)]))?;
    ehi::index::run(ehi::index::Options { lake: lake.path().display().to_string(), keep_homes: false })
        .await?;
    let last = loaded(&[("3.ndjson", lines(&[observation("new", "p8", 3)]))], lake.path());
    assert_eq!((last.scanned, last.moved.count), (Some(2), 1));
    Ok(())
}

#[test]
fn the_files_of_many_loads_are_merged() -> tests::Result {
    use std::os::unix::fs::PermissionsExt as _;

    let lake = tempfile::tempdir()?;
    for number in 1..=20 {
        let patient = format!("p{number}");
        loaded(
            &[("1.ndjson", lines(&[observation("o", &patient, number), observation(&patient, &patient, 1)]))],
            lake.path(),
        );
        assert!(index(lake.path()).len() <= 9, "{:?}", index(lake.path()));
        assert!(index(lake.path()).iter().any(|name| name.starts_with("complete-")));
    }
    let last = loaded(
        &[("2.ndjson", lines(&[observation("o", "p1", 28), observation("p7", "p1", 28)]))],
        lake.path(),
    );
    assert_eq!(last.moved.count, 2, "{:?}", last.moved);
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    for name in index(lake.path()) {
        assert_eq!(mode(&lake.path().join("index/homes").join(name)), mode(lake.path()) & 0o666);
    }
    Ok(())
}

#[test]
fn a_damaged_index_of_homes_stops_the_load() -> tests::Result {
    let lake = tempfile::tempdir()?;
    loaded(&[("1.ndjson", lines(&[observation("o", "p1", 1)]))], lake.path());
    let names = index(lake.path());
    let rows = names.iter().find(|name| name.starts_with("sorted-")).expect("rows");
    let path = lake.path().join("index/homes").join(rows);
    let text = std::fs::read_to_string(&path)?;
    std::fs::write(&path, text.replace("p1", "../p1"))?;
    let input = lake.path().join("2.ndjson");
    std::fs::write(&input, lines(&[observation("o", "p2", 2)]))?;
    let failure =
        load(std::slice::from_ref(&input), lake.path(), &ProgressBar::hidden()).expect_err("damaged");
    assert!(failure.to_string().contains("remove the directory index/homes"), "{failure}");
    std::fs::remove_dir_all(lake.path().join("index/homes"))?;
    let mended = load(&[input], lake.path(), &ProgressBar::hidden())?;
    assert_eq!((mended.scanned, mended.moved.count), (Some(1), 1));
    Ok(())
}

#[test]
fn an_older_version_of_a_group_does_not_replace_the_newer_one() -> tests::Result {
    let lake = tempfile::tempdir()?;
    let group = |day: u32, patients: &[&str]| {
        let members: Vec<_> =
            patients.iter().map(|id| json!({ "entity": { "reference": format!("Patient/{id}") } })).collect();
        json!({ "resourceType": "Group", "id": "g", "meta": { "lastUpdated": format!("2026-01-{day:02}T00:00:00Z") },
            "actual": true, "type": "person", "member": members })
    };
    let [old, new] = [group(1, &["a", "b"]), group(2, &["a"])];
    loaded(&[("old.ndjson", lines(std::slice::from_ref(&old)))], lake.path());
    let newer = loaded(&[("new.ndjson", lines(std::slice::from_ref(&new)))], lake.path());
    assert_eq!((newer.updated, newer.groups), (1, 1));
    // Other programs write it in several lines, and after a byte order mark.
    std::fs::write(lake.path().join("Group/g.json"), format!("\u{feff}{new:#}"))?;
    let again = loaded(&[("old.ndjson", lines(&[old]))], lake.path());
    assert_eq!(again.replaced.count, 1, "{:?}", again.replaced);
    assert_eq!(json_lines(&lake.path().join("Group/g.json")), [new]);
    Ok(())
}

/// A resource of a property test: its type, its id, its patients and the day of its last update.
#[derive(Debug, Clone)]
struct Node(&'static str, u8, BTreeSet<u8>, Option<u32>);

impl Node {
    fn json(&self, note: usize) -> Value {
        let Self(resource_type, id, patients, day) = self;
        let references: Vec<_> =
            patients.iter().map(|patient| json!({ "reference": format!("Patient/{patient}") })).collect();
        let mut resource = json!({ "resourceType": resource_type, "id": id.to_string(), "note": note });
        if let Some(day) = day {
            resource["meta"] = json!({ "lastUpdated": format!("2026-01-{day:02}T00:00:00Z") });
        }
        match *resource_type {
            "Appointment" => {
                let actors = references.iter().map(|reference| json!({ "actor": reference }));
                resource["participant"] = actors.collect();
            }
            "Task" => resource["for"] = references.first().cloned().unwrap_or_default(),
            _ => resource["subject"] = json!(references),
        }
        resource
    }

    /// Returns the paths of the files that must have the resource.
    fn files(&self) -> Vec<String> {
        let Self(resource_type, _, patients, _) = self;
        let limit = if *resource_type == "Task" { 1 } else { patients.len() };
        let of_patients =
            patients.iter().take(limit).map(|patient| format!("Patient/{patient}/records.ndjson"));
        let of_patients: Vec<_> = of_patients.collect();
        if of_patients.is_empty() { vec![format!("shared/{resource_type}.ndjson")] } else { of_patients }
    }
}

fn node() -> impl Strategy<Value = Node> {
    let types = prop::sample::select(&["Observation", "Appointment", "Task", "Contract"][..]);
    let patients = prop::collection::btree_set(0..4_u8, 0..3);
    (types, 0..4_u8, patients, prop::option::of(1..4_u32))
        .prop_map(|(resource_type, id, patients, day)| Node(resource_type, id, patients, day))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// After any sequence of loads, each resource is in the records of the patients of its newest version, and nowhere else.
    #[test]
    fn every_load_leaves_only_the_newest_versions(loads in prop::collection::vec(prop::collection::vec(node(), 0..8), 1..5)) {
        let lake = tempfile::tempdir().expect("a directory");
        let mut stays: BTreeMap<(&str, u8), (Node, Value)> = BTreeMap::new();
        let mut note = 0;
        for nodes in loads {
            let mut texts = Vec::new();
            for node in nodes {
                note += 1;
                let resource = node.json(note);
                texts.push(resource.clone());
                // Of equally new versions, the one that was read last is kept.
                if stays.get(&(node.0, node.1)).is_none_or(|(known, _)| known.3 <= node.3) {
                    stays.insert((node.0, node.1), (node, resource));
                }
            }
            loaded(&[("a.ndjson", lines(&texts))], lake.path());
            let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (node, resource) in stays.values() {
                for file in node.files() {
                    expected.entry(file).or_default().insert(resource.to_string());
                }
            }
            let mut found = BTreeMap::new();
            for (path, resources) in obvious::lake(lake.path()) {
                found.insert(path, resources.iter().map(Value::to_string).collect::<BTreeSet<_>>());
            }
            prop_assert_eq!(found, expected);
        }
    }
}
