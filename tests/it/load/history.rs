//! Any sequence of loads and deletions leads to the lake that one load of the final state makes, in large and in small steps, in a
//! directory and in a bucket.

use std::collections::{BTreeMap, BTreeSet};

use ehi::load::{Sizes, load_within};
use proptest::prelude::*;
use tempfile::TempDir;

use super::bucket::load_into;
use super::many::{MANY, SMALL};
use super::*;

/// What happens to the lakes.
#[derive(Debug, Clone)]
enum Step {
    Load(Vec<Value>),
    /// Resources are removed from all files, as the documentation says.
    Delete(BTreeSet<String>),
}

fn patient() -> impl Strategy<Value = Value> {
    (0..4_u8).prop_map(|id| json!({ "reference": format!("Patient/{id}") }))
}

fn of(name: &'static str) -> impl Strategy<Value = Value> {
    (0..3_u8).prop_map(move |id| json!({ "reference": format!("{name}/{id}") }))
}

fn target() -> impl Strategy<Value = Value> {
    prop_oneof![of("Observation"), of("DocumentReference"), of("Binary"), of("Organization"), patient()]
}

fn context() -> impl Strategy<Value = Value> {
    prop_oneof![of("Observation"), of("DocumentReference"), patient()]
}

fn resource() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        (0..4_u8).prop_map(|id| json!({ "resourceType": "Patient", "id": id.to_string() })),
        (0..4_u8, prop::option::of(patient()))
            .prop_map(|(id, subject)| json!({ "resourceType": "Observation", "id": id.to_string(), "subject": subject })),
        (0..3_u8, prop::collection::vec(patient(), 0..3)).prop_map(|(id, actors)| {
            let participants: Vec<_> = actors.into_iter().map(|actor| json!({ "actor": actor })).collect();
            json!({ "resourceType": "Appointment", "id": id.to_string(), "participant": participants })
        }),
        (0..2_u8, prop::option::of(patient()))
            .prop_map(|(id, subject)| json!({ "resourceType": "Task", "id": id.to_string(), "for": subject })),
        (0..3_u8, prop::collection::vec(target(), 1..3))
            .prop_map(|(id, targets)| json!({ "resourceType": "Provenance", "id": id.to_string(), "target": targets })),
        (0..3_u8, prop::option::of(context()))
            .prop_map(|(id, context)| json!({ "resourceType": "Binary", "id": id.to_string(), "securityContext": context })),
        (0..3_u8, patient(), 0..3_u8).prop_map(|(id, subject, binary)| {
            json!({ "resourceType": "DocumentReference", "id": id.to_string(), "subject": subject,
                "content": [{ "attachment": { "url": format!("Binary/{binary}") } }] })
        }),
        (0..3_u8).prop_map(|id| json!({ "resourceType": "Organization", "id": id.to_string() })),
        (0..2_u8).prop_map(|id| json!({ "resourceType": "Group", "id": id.to_string() })),
    ];
    (kinds, 0..4_u8, any::<u16>()).prop_map(|(mut resource, day, note)| {
        if day > 0 {
            resource["meta"] = json!({ "lastUpdated": format!("2026-01-0{day}T00:00:00Z") });
        }
        resource["note"] = Value::from(note);
        resource
    })
}

fn step() -> impl Strategy<Value = Step> {
    let names = prop::sample::select(
        &["Patient", "Observation", "Appointment", "Provenance", "Binary", "DocumentReference"][..],
    );
    let deleted =
        prop::collection::btree_set((names, 0..4_u8).prop_map(|(name, id)| format!("{name}/{id}")), 1..3);
    prop_oneof![4 => prop::collection::vec(resource(), 0..8).prop_map(Step::Load), 1 => deleted.prop_map(Step::Delete)]
}

/// A lake that is filled in its own way.
struct Lake {
    root: TempDir,
    sizes: Sizes,
    is_bucket: bool,
}

impl Lake {
    fn all() -> Vec<Self> {
        let ways = [(Sizes::default(), false), (SMALL, false), (MANY, false), (SMALL, true)];
        let lake =
            |(sizes, is_bucket)| Self { root: tempfile::tempdir().expect("a directory"), sizes, is_bucket };
        ways.into_iter().map(lake).collect()
    }

    fn load(&self, resources: &[Value]) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a.ndjson"), lines(resources)).expect("written");
        let inputs = [directory.path().join("a.ndjson")];
        let loaded = match self.is_bucket {
            true => load_into(self.root.path(), &inputs, self.sizes),
            false => load_within(&inputs, self.root.path(), &ProgressBar::hidden(), self.sizes),
        };
        assert_eq!(loaded.expect("loaded").problems, Vec::<String>::new());
    }

    /// Removes resources from all files.
    fn delete(&self, deleted: &BTreeSet<String>) {
        for (name, resources) in obvious::lake(self.root.path()) {
            let left: Vec<_> = resources
                .iter()
                .filter(|resource| !deleted.contains(&reference(resource)))
                .cloned()
                .collect();
            let path = self.root.path().join(name);
            if left.is_empty() {
                std::fs::remove_file(&path).expect("removed");
                let _ = std::fs::remove_dir(path.parent().expect("a directory"));
            } else if left.len() < resources.len() {
                std::fs::write(path, lines(&left)).expect("written");
            }
        }
    }

    /// Returns the files of each resource, and checks that it has one version in all of them.
    fn files(&self, stays: &BTreeMap<String, Value>) -> BTreeMap<String, BTreeSet<String>> {
        let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, resources) in obvious::lake(self.root.path()) {
            for resource in resources {
                let key = reference(&resource);
                assert_eq!(stays.get(&key), Some(&resource), "{name} has an earlier version");
                files.entry(key).or_default().insert(name.clone());
            }
        }
        assert_eq!(files.len(), stays.len(), "{files:?} of {stays:?}");
        files
    }
}

/// Returns whether the patients of a resource are those of other resources. A load does not read the records of all of them.
fn follows(key: &str) -> bool {
    key.starts_with("Provenance/") || key.starts_with("Binary/")
}

/// Adds versions: the newest is kept, and of equally new ones the one that was loaded last.
fn keep(stays: &mut BTreeMap<String, Value>, resources: &[Value]) {
    let updated = |resource: &Value| resource["meta"]["lastUpdated"].as_str().unwrap_or_default().to_owned();
    for resource in resources {
        let key = reference(resource);
        if stays.get(&key).is_none_or(|known| updated(known) <= updated(resource)) {
            stays.insert(key, resource.clone());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_history_leads_to_the_lake_of_its_final_state(steps in prop::collection::vec(step(), 1..6)) {
        let (lakes, mut stays) = (Lake::all(), BTreeMap::new());
        for step in &steps {
            match step {
                Step::Load(resources) => {
                    for lake in &lakes {
                        lake.load(resources);
                    }
                    keep(&mut stays, resources);
                }
                Step::Delete(deleted) => {
                    for lake in &lakes {
                        lake.delete(deleted);
                    }
                    stays.retain(|key, _| !deleted.contains(key));
                }
            }
            let mut expected: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
            for (name, resources) in obvious::expected(stays.clone()) {
                for resource in resources {
                    expected.entry(reference(&resource)).or_default().insert(name.clone());
                }
            }
            expected.retain(|key, _| !follows(key));
            for lake in &lakes {
                let mut files = lake.files(&stays);
                files.retain(|key, _| !follows(key));
                prop_assert_eq!(&files, &expected);
            }
        }
        // This load reads all records.
        let of_all = (0..4).map(|id| {
            json!({ "resourceType": "Claim", "id": id.to_string(), "patient": { "reference": format!("Patient/{id}") } })
        });
        let of_all = of_all.collect::<Vec<_>>();
        keep(&mut stays, &of_all);
        let once = Lake { root: tempfile::tempdir().expect("a directory"), sizes: Sizes::default(), is_bucket: false };
        once.load(&stays.values().cloned().collect::<Vec<_>>());
        let expected = obvious::expected(stays);
        prop_assert_eq!(obvious::lake(once.root.path()), expected.clone());
        for lake in &lakes {
            lake.load(&of_all);
            prop_assert_eq!(obvious::lake(lake.root.path()), expected.clone());
        }
    }
}
