//! Random lakes: two patients, who are members of a Group, and resources in `shared/`.

use serde_json::{Value, json};

use super::super::{lake, of_patient};
use super::*;

/// A resource of a random lake.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) resource_type: &'static str,
    pub(super) updated: Option<&'static str>,
    pub(super) is_open: bool,
    pub(super) is_sensitive: bool,
    pub(super) is_active: bool,
    /// The numbers of resources in `shared/` that it refers to, without the target of a Provenance.
    pub(super) refers_to: Vec<usize>,
    pub(super) about: Vec<Target>,
    /// When a Provenance was recorded.
    pub(super) recorded: Option<&'static str>,
    /// Further versions: in the same record, or in further files of `shared/`.
    versions: Vec<Version>,
}

/// The parts of a resource in which its versions differ.
#[derive(Debug, Clone)]
struct Version {
    updated: Option<&'static str>,
    is_open: bool,
    is_sensitive: bool,
    refers_to: Vec<usize>,
}

/// The target of a Provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Patient(&'static str),
    /// The number of a resource in the records.
    Record(usize),
    /// The number of a resource in `shared/`.
    Shared(usize),
}

#[derive(Debug, Clone)]
pub(super) struct RandomLake {
    /// All resources of records except the Patients.
    pub(super) records: Vec<Node>,
    pub(super) shared: Vec<Node>,
    /// The days on which ann and bob joined the Group, one for each of their entries in it.
    pub(super) joined: [Vec<Option<&'static str>>; 2],
    /// The days on which that Group joined the Group that is exported, one for each of its entries in it.
    pub(super) inner_joined: Vec<Option<&'static str>>,
}

pub(super) const PATIENTS: [&str; 2] = ["ann", "bob"];
pub(super) const IN_RECORDS: [&str; 5] = ["Condition", "Encounter", "Observation", "Provenance", "Patient"];
pub(super) const IN_SHARED: [&str; 6] =
    ["Device", "Location", "Medication", "Organization", "Practitioner", "Schedule"];

/// Returns the patient of the record with this number.
pub(super) fn patient_of(number: usize) -> &'static str {
    PATIENTS[number % 2]
}

impl Node {
    pub(super) fn is_provenance(&self) -> bool {
        self.resource_type == "Provenance"
    }

    /// Returns the patient of a Device or a Schedule of `shared/`, which then should be in the record of that patient.
    pub(super) fn misplaced_patient(&self) -> Option<&'static str> {
        let targets = self.about.iter().filter(|_| ["Device", "Schedule"].contains(&self.resource_type));
        targets.into_iter().find_map(|target| match target {
            Target::Patient(patient) => Some(*patient),
            Target::Record(_) | Target::Shared(_) => None,
        })
    }

    /// Returns all versions, in the order of the lines.
    fn versions(&self) -> Vec<Self> {
        let further = self.versions.iter().cloned().map(|version| {
            let Version { updated, is_open, is_sensitive, refers_to } = version;
            Self { updated, is_open, is_sensitive, refers_to, ..self.clone() }
        });
        std::iter::once(self.clone()).chain(further).collect()
    }

    /// Returns the number of versions.
    pub(super) fn lines(&self) -> usize {
        1 + self.versions.len()
    }

    /// Returns the most recent version, with the labels of all of them.
    fn settled(&self) -> Self {
        let versions = self.versions();
        let is_open = versions.iter().all(|version| version.is_open);
        let is_sensitive = versions.iter().any(|version| version.is_sensitive);
        // Of equal ones, this returns the last one.
        let latest = versions.into_iter().max_by_key(|version| version.updated).expect("a version");
        Self { is_open, is_sensitive, ..latest }
    }

    fn json(&self, id: &str, lake: &RandomLake) -> Value {
        let mut labels = vec![json!({ "code": if self.is_open { "open" } else { "restricted" } })];
        if self.is_sensitive {
            labels.push(json!({ "code": "PSY" }));
        }
        let tag = if self.is_active { "active" } else { "retired" };
        let mut meta = json!({ "security": labels, "tag": [{ "code": tag }] });
        if let Some(updated) = self.updated {
            meta["lastUpdated"] = json!(updated);
        }
        let references = |targets: Vec<Target>| {
            targets.into_iter().map(|target| json!({ "reference": lake.name(target) })).collect::<Vec<_>>()
        };
        let refers_to = references(self.refers_to.iter().copied().map(Target::Shared).collect());
        let mut resource =
            json!({ "resourceType": self.resource_type, "id": id, "meta": meta, "extension": refers_to });
        if let Some(patient) = self.misplaced_patient() {
            let element = if self.resource_type == "Device" { "patient" } else { "actor" };
            let reference = json!({ "reference": format!("Patient/{patient}") });
            resource[element] = if element == "actor" { json!([reference]) } else { reference };
        }
        if self.is_provenance() {
            resource["target"] = json!(references(self.about.clone()));
            resource["recorded"] = json!(self.recorded);
        }
        resource
    }
}

impl RandomLake {
    /// Returns the `Type/id` of a resource.
    pub(super) fn name(&self, target: Target) -> String {
        match target {
            Target::Patient(patient) => format!("Patient/{patient}"),
            Target::Record(number) => format!("{}/r{number}", self.records[number].resource_type),
            Target::Shared(number) => format!("{}/s{number}", self.shared[number].resource_type),
        }
    }

    /// Returns the lake with one version of each resource: the one that counts.
    pub(super) fn settled(&self) -> Self {
        let settled = |nodes: &[Node]| nodes.iter().map(Node::settled).collect();
        Self { records: settled(&self.records), shared: settled(&self.shared), ..self.clone() }
    }

    pub(super) fn write(&self) -> tempfile::TempDir {
        let patients = PATIENTS.map(|patient| {
            let open = json!({ "security": [{ "code": "open" }] });
            of_patient(patient, json!({ "resourceType": "Patient", "id": patient, "meta": open }))
        });
        let mut resources = patients.to_vec();
        for (number, node) in self.records.iter().enumerate() {
            let versions = node.versions();
            let lines = versions.iter().map(|node| node.json(&format!("r{number}"), self));
            resources.extend(lines.map(|line| of_patient(patient_of(number), line)));
        }
        for (number, node) in self.shared.iter().enumerate() {
            for (version, node) in node.versions().iter().enumerate() {
                // Every second resource has all its versions in one file. The later ones are in later files otherwise.
                let file = if number % 4 < 2 { version } else { 0 };
                let path = format!("shared/{file}-{}.ndjson", number % 2);
                resources.push((path, node.json(&format!("s{number}"), self)));
            }
        }
        let members = PATIENTS.iter().zip(&self.joined).flat_map(|(patient, joined)| {
            joined.iter().map(move |start| {
                json!({ "entity": { "reference": format!("Patient/{patient}") }, "period": { "start": start } })
            })
        });
        let members: Vec<_> = members.collect();
        let group = json!({ "resourceType": "Group", "id": "inner", "meta": { "security": [{ "code": "open" }] }, "type": "person", "actual": true, "member": members });
        resources.push(("Group/inner.json".to_owned(), group.clone()));
        let inner = self.inner_joined.iter();
        let inner = inner
            .map(|start| json!({ "entity": { "reference": "Group/inner" }, "period": { "start": start } }));
        let mut outer = group;
        (outer["id"], outer["member"]) = (json!("all"), inner.collect());
        resources.push(("Group/all.json".to_owned(), outer));
        lake(&resources)
    }
}

fn node(
    types: Vec<&'static str>,
    shared: usize,
    target: impl Strategy<Value = Target>,
) -> impl Strategy<Value = Node> {
    let updated = || {
        prop_oneof![
            Just(None),
            Just(Some("2020-01-01T00:00:00Z")),
            Just(Some("2024-01-01T00:00:00Z")),
            Just(Some("2025-06-01T00:00:00Z")),
        ]
    };
    let recorded =
        prop_oneof![Just(None), Just(Some("2019-01-01T00:00:00Z")), Just(Some("2021-01-01T00:00:00Z")),];
    let labels = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), prop::bool::weighted(0.7));
    let refers_to = || prop::collection::vec(0..shared, 0..3);
    let version = (updated(), prop::bool::weighted(0.9), prop::bool::weighted(0.1), refers_to()).prop_map(
        |(updated, is_open, is_sensitive, refers_to)| Version { updated, is_open, is_sensitive, refers_to },
    );
    let versions = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(version, 1..3)];
    let about = prop::collection::vec(target, 1..4);
    let content = (labels, refers_to(), about, versions);
    (prop::sample::select(types), (updated(), recorded), content).prop_map(
        |(resource_type, (updated, recorded), (labels, refers_to, about, versions))| {
            let (is_open, is_sensitive, is_active) = labels;
            Node {
                resource_type,
                updated,
                is_open,
                is_sensitive,
                is_active,
                refers_to,
                about,
                recorded,
                versions,
            }
        },
    )
}

/// Generates the target of a Provenance: in the given shares a Patient, a resource of the records, or one of `shared/`. Most targets
/// are the first two resources, so that several Provenance have the same target; these two are not Provenance themselves.
fn target(records: usize, shared: usize, shares: [u32; 3]) -> impl Strategy<Value = Target> + Clone {
    let number = |count: usize| prop_oneof![2 => 0..count.min(2), 1 => 0..count];
    prop_oneof![
        shares[0] => prop::sample::select(&PATIENTS[..]).prop_map(Target::Patient),
        shares[1] => number(records).prop_map(Target::Record),
        shares[2] => number(shared).prop_map(Target::Shared),
    ]
}

/// Returns the first two nodes, and others, of which about every second one is a Provenance.
fn nodes(
    types: &[&'static str],
    count: usize,
    shared: usize,
    target: impl Strategy<Value = Target> + Clone,
) -> impl Strategy<Value = Vec<Node>> {
    let plain = types.iter().copied().filter(|name| !["Patient", "Provenance"].contains(name));
    let with_provenance = plain.clone().chain(["Provenance"; 3]).collect();
    let first = prop::collection::vec(node(plain.collect(), shared, target.clone()), 2);
    let others = prop::collection::vec(node(with_provenance, shared, target), count - 2);
    (first, others).prop_map(|(first, others)| first.into_iter().chain(others).collect())
}

/// Adds a Provenance whose author has an earlier Provenance and one that is also the latest one of another target. The author is known
/// only when that one is exported.
fn with_late_target(mut lake: RandomLake) -> RandomLake {
    let first = lake.shared.len();
    let plain = Node {
        resource_type: "Organization",
        updated: Some("2025-06-01T00:00:00Z"),
        is_open: true,
        is_sensitive: false,
        is_active: true,
        refers_to: Vec::new(),
        about: Vec::new(),
        recorded: None,
        versions: Vec::new(),
    };
    let (target, late, other) = (first, first + 1, first + 2);
    let provenance = |recorded, refers_to: &[usize], about: &[usize]| Node {
        resource_type: "Provenance",
        recorded: Some(recorded),
        refers_to: refers_to.to_vec(),
        about: about.iter().copied().map(Target::Shared).collect(),
        ..plain.clone()
    };
    lake.shared.extend([plain.clone(), plain.clone(), plain.clone()]);
    lake.shared.push(provenance("2021-01-01T00:00:00Z", &[late], &[target]));
    lake.shared.push(provenance("2021-01-01T00:00:00Z", &[], &[other, late]));
    lake.shared.push(provenance("2019-01-01T00:00:00Z", &[], &[late]));
    lake.records[0].refers_to.extend([target, other]);
    lake
}

pub(super) fn random_lake() -> impl Strategy<Value = RandomLake> {
    let joined = || {
        let day = prop_oneof![Just(None), Just(Some("2020-06-01")), Just(Some("2024-06-01"))];
        prop::collection::vec(day, 1..3)
    };
    (2_usize..9, 2_usize..11).prop_flat_map(move |(records, shared)| {
        (
            nodes(&IN_RECORDS, records, shared, target(records, shared, [1, 6, 3])),
            nodes(&IN_SHARED, shared, shared, target(records, shared, [1, 1, 24])),
            [joined(), joined()],
            joined(),
            prop::bool::weighted(0.25),
        )
            .prop_map(|(records, shared, joined, inner_joined, has_late_target)| {
                let lake = RandomLake { records, shared, joined, inner_joined };
                if has_late_target { with_late_target(lake) } else { lake }
            })
    })
}
