//! The rule for supporting resources as a slow model: each export of a random lake must have the resources of the model.

use super::*;

/// A resource of a random lake.
#[derive(Debug, Clone)]
struct Node {
    resource_type: &'static str,
    updated: Option<&'static str>,
    is_open: bool,
    is_sensitive: bool,
    is_active: bool,
    /// The numbers of resources in `shared/` that it refers to.
    refers_to: Vec<usize>,
}

const IN_RECORDS: [&str; 4] = ["Condition", "Encounter", "Observation", "Patient"];
const IN_SHARED: [&str; 4] = ["Location", "Medication", "Organization", "Practitioner"];

impl Node {
    fn json(&self, id: &str, shared: &[Node]) -> Value {
        let mut labels = vec![json!({ "code": if self.is_open { "open" } else { "restricted" } })];
        if self.is_sensitive {
            labels.push(json!({ "code": "PSY" }));
        }
        let tag = if self.is_active { "active" } else { "retired" };
        let mut meta = json!({ "security": labels, "tag": [{ "code": tag }] });
        if let Some(updated) = self.updated {
            meta["lastUpdated"] = json!(updated);
        }
        let refers_to: Vec<_> = self
            .refers_to
            .iter()
            .map(|number| json!({ "reference": format!("{}/s{number}", shared[*number].resource_type) }))
            .collect();
        json!({ "resourceType": self.resource_type, "id": id, "meta": meta, "extension": refers_to })
    }
}

fn node(types: &'static [&'static str], shared: usize) -> impl Strategy<Value = Node> {
    let updated = prop_oneof![
        Just(None),
        Just(Some("2020-01-01T00:00:00Z")),
        Just(Some("2024-01-01T00:00:00Z")),
        Just(Some("2025-06-01T00:00:00Z")),
    ];
    let labels = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), prop::bool::weighted(0.7));
    let refers_to = prop::collection::vec(0..shared, 0..3);
    (prop::sample::select(types), updated, labels, refers_to).prop_map(
        |(resource_type, updated, (is_open, is_sensitive, is_active), refers_to)| Node {
            resource_type,
            updated,
            is_open,
            is_sensitive,
            is_active,
            refers_to,
        },
    )
}

#[derive(Debug, Clone)]
struct RandomLake {
    /// All resources of records except the Patients.
    records: Vec<Node>,
    shared: Vec<Node>,
}

/// Returns the patient of the record with this number.
fn patient_of(number: usize) -> &'static str {
    ["ann", "bob"][number % 2]
}

impl RandomLake {
    fn nodes(&self) -> Vec<(String, Node)> {
        let own = self.records.iter().enumerate();
        let own = own.map(|(number, node)| (format!("{}/r{number}", node.resource_type), node.clone()));
        own.collect()
    }

    fn write(&self) -> tempfile::TempDir {
        let patients = ["ann", "bob"].map(|patient| {
            of_patient(patient, json!({ "resourceType": "Patient", "id": patient, "meta": { "security": [{ "code": "open" }] } }))
        });
        let mut resources = patients.to_vec();
        for (number, node) in self.records.iter().enumerate() {
            let resource = node.json(&format!("r{number}"), &self.shared);
            resources.push(of_patient(patient_of(number), resource));
        }
        for (number, node) in self.shared.iter().enumerate() {
            let resource = node.json(&format!("s{number}"), &self.shared);
            resources.push((format!("shared/{}.ndjson", number % 2), resource));
        }
        lake(&resources)
    }
}

fn random_lake() -> impl Strategy<Value = RandomLake> {
    (1_usize..9).prop_flat_map(|count| {
        let records = prop::collection::vec(node(&IN_RECORDS[..3], count), 0..7);
        (records, prop::collection::vec(node(&IN_SHARED, count), count))
            .prop_map(|(records, shared)| RandomLake { records, shared })
    })
}

/// The outcome of the rule for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Exported,
    /// Only `_since` or a choice of the form excludes it.
    PassedOver,
    Out,
}

/// The slow model: it evaluates all of `shared/` repeatedly until nothing changes. `fate` returns the outcome of
/// a resource; its second argument is true if an exported resource refers to it, and false if only passed-over ones do.
fn settled(
    lake: &RandomLake,
    of_record: impl Fn(&Node) -> Fate,
    fate: impl Fn(&Node, bool) -> Fate,
) -> BTreeSet<String> {
    let own: Vec<_> = lake.nodes().into_iter().map(|(name, node)| (name, of_record(&node), node)).collect();
    let mut fates = vec![Fate::Out; lake.shared.len()];
    loop {
        let before = fates.clone();
        for (number, node) in lake.shared.iter().enumerate() {
            let referrers = own.iter().map(|(_, fate, node)| (*fate, node));
            let referrers = referrers.chain(before.iter().copied().zip(&lake.shared));
            let referrers: Vec<_> = referrers
                .filter(|(_, node)| node.refers_to.contains(&number))
                .map(|(fate, _)| fate)
                .collect();
            if referrers.contains(&Fate::Exported) {
                fates[number] = fate(node, true);
            } else if referrers.contains(&Fate::PassedOver) {
                fates[number] = fate(node, false);
            }
        }
        if fates == before {
            break;
        }
    }
    let own = own.into_iter().filter(|(_, fate, _)| *fate == Fate::Exported).map(|(name, ..)| name);
    let shared = fates.iter().zip(&lake.shared).enumerate();
    let shared = shared.filter(|(_, (fate, _))| **fate == Fate::Exported);
    own.chain(shared.map(|(number, (_, node))| format!("{}/s{number}", node.resource_type))).collect()
}

/// A bulk request.
#[derive(Debug, Clone)]
struct Asked {
    since: Option<&'static str>,
    until: Option<&'static str>,
    types: Vec<&'static str>,
    active_only: Option<&'static str>,
    elements: bool,
    open_only: bool,
    /// The types that the token's scopes name; empty means all types.
    granted: Vec<&'static str>,
    /// The type of which the token's scopes cover only active resources.
    granted_active: Option<&'static str>,
    chunk_bytes: u64,
    at_once: usize,
}

impl Asked {
    fn scopes(&self) -> String {
        let of_all = self.granted.is_empty().then(|| "system/*.rs".to_owned());
        let of_types = self.granted.iter().map(|name| match self.granted_active == Some(*name) {
            true => format!("system/{name}.rs?_tag=active"),
            false => format!("system/{name}.rs"),
        });
        let of_tags = self.open_only.then(|| "access/open.read".to_owned());
        let scopes: Vec<_> = of_all.into_iter().chain(of_types).chain(of_tags).collect();
        scopes.join(" ")
    }

    fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("fetchResourceBatchSize", &self.at_once.to_string());
        query.extend_pairs(self.since.map(|at| ("_since", at)));
        query.extend_pairs(self.until.map(|at| ("_until", at)));
        if !self.types.is_empty() {
            query.append_pair("_type", &self.types.join(","));
        }
        query.extend_pairs(self.active_only.map(|name| ("_typeFilter", format!("{name}?_tag=active"))));
        query.extend_pairs(self.elements.then_some(("_elements", "status")));
        format!("/fhir/Patient/$export?{}", query.finish())
    }

    fn fate(&self, node: &Node, ignore_since: bool) -> Fate {
        let granted = self.granted.is_empty() || self.granted.contains(&node.resource_type);
        let constrained = self.granted_active == Some(node.resource_type) && !node.is_active;
        let wanted = self.types.is_empty() || self.types.contains(&node.resource_type);
        let wanted = wanted && granted && !constrained;
        let early = node.updated.is_none_or(|at| self.until.is_none_or(|until| at < until));
        let filtered = self.active_only.is_none_or(|name| name != node.resource_type || node.is_active);
        let recent = node.updated.is_none_or(|at| self.since.is_none_or(|since| at > since));
        match wanted && early && filtered && (node.is_open || !self.open_only) {
            true if recent || ignore_since => Fate::Exported,
            true => Fate::PassedOver,
            false => Fate::Out,
        }
    }
}

fn any_request() -> impl Strategy<Value = Asked> {
    let since = prop::option::weighted(0.7, Just("2023-01-01T00:00:00Z"));
    let until = prop::option::weighted(0.3, Just("2025-01-01T00:00:00Z"));
    let all = IN_RECORDS.iter().chain(&IN_SHARED).copied().collect::<Vec<_>>();
    let types = prop_oneof![Just(Vec::new()), prop::sample::subsequence(all.clone(), 4..8)];
    let people = &["Organization", "Practitioner"][..];
    let active_only = prop::option::weighted(0.3, prop::sample::select(people));
    let granted = prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(all, 4..8)];
    let granted_active = prop::option::weighted(0.5, prop::sample::select(people));
    let tokens = (prop::bool::weighted(0.3), granted, granted_active);
    let chunks = prop_oneof![Just(1), Just(100_000_000)];
    let at_once = prop_oneof![Just(1_usize), Just(2), Just(200)];
    (since, until, types, active_only, any::<bool>(), tokens, chunks, at_once).prop_map(
        |(since, until, mut types, active_only, elements, tokens, chunk_bytes, at_once)| {
            let (open_only, mut granted, granted_active) = tokens;
            for types in [&mut types, &mut granted] {
                if !types.is_empty() && !types.contains(&"Patient") {
                    types.push("Patient");
                }
            }
            if !granted.is_empty() {
                // A type that the token does not cover cannot be requested by name.
                types.retain(|name| granted.contains(name));
            }
            let granted_active = granted_active.filter(|name| granted.contains(name));
            let is_covered = |name: &&str| {
                (types.is_empty() || types.contains(name)) && (granted.is_empty() || granted.contains(name))
            };
            let active_only = active_only.filter(is_covered);
            Asked {
                since,
                until,
                types,
                active_only,
                elements,
                open_only,
                granted,
                granted_active,
                chunk_bytes,
                at_once,
            }
        },
    )
}

/// Returns the outcome by the choices of an EHI export, for the groups that these lakes can have.
fn fate_by_choices(node: &Node, visits: bool, medical_record: bool, mental_health: bool) -> Fate {
    let always = ["Patient", "Practitioner", "Organization"].contains(&node.resource_type);
    let chosen = match node.resource_type {
        "Observation" => true,
        "Encounter" => visits,
        _ => medical_record,
    };
    match (always, node.is_sensitive && !mental_health, chosen) {
        (true, _, _) | (false, false, true) => Fate::Exported,
        (false, false, false) => Fate::PassedOver,
        (false, true, _) => Fate::Out,
    }
}

fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(story);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_bulk_export_has_the_supporting_resources_of_the_rule(lake in random_lake(), asked in any_request()) {
        run(async {
            let directory = lake.write();
            let world = World::with(&format!("sandbox = true\nchunk_bytes = {}", asked.chunk_bytes), directory.path());
            let mut found = bulk(&world, &asked.scopes(), &asked.path()).await;
            found.retain(|name| !name.starts_with("Patient/"));
            let expected = settled(&lake, |node| asked.fate(node, false), |node, ignore| asked.fate(node, ignore));
            assert_eq!(found, expected, "{} with {}", asked.path(), asked.scopes());
        });
    }

    #[test]
    fn an_ehi_export_has_the_supporting_resources_of_the_rule(
        lake in random_lake(), visits: bool, medical_record: bool, mental_health: bool, whole: bool,
    ) {
        run(async {
            let directory = lake.write();
            let world = World::with("sandbox = true", directory.path());
            let mut lake = lake;
            // The export is of one patient: references of the other patient do not count.
            for (number, node) in lake.records.iter_mut().enumerate() {
                if patient_of(number) != "ann" {
                    node.refers_to.clear();
                }
            }
            let is_other = |name: &String| name.rsplit_once("/r").is_some_and(|(_, number)| patient_of(number.parse().expect("a number")) != "ann");
            let (found, mut expected) = if whole {
                let token = world.token("ann").await;
                let job = world.exported(&token, "ann").await;
                let found = world.resources(&token, &job).await.iter().map(reference).collect();
                (found, settled(&lake, |_| Fate::Exported, |_, _| Fate::Exported))
            } else {
                let given = json!({
                    "parameters": {
                        "visits": { "enabled": visits }, "medicalRecord": { "enabled": medical_record },
                        "billing": { "enabled": true },
                    },
                    "authorizations": { "mentalHealth": { "value": mental_health } },
                });
                let by_choices = |node: &Node| fate_by_choices(node, visits, medical_record, mental_health);
                let fate = |node: &Node, by_exported: bool| {
                    // If only passed-over resources refer to it, only people and organizations are exported.
                    let always = ["Practitioner", "Organization"].contains(&node.resource_type);
                    match by_choices(node) {
                        Fate::Exported if !by_exported && !always => Fate::PassedOver,
                        fate => fate,
                    }
                };
                (ehi(&world, "ann", &given).await, settled(&lake, by_choices, fate))
            };
            expected.retain(|name| !is_other(name));
            let own: BTreeSet<_> = found.into_iter().filter(|name| *name != "Patient/ann").collect();
            assert_eq!(own, expected);
        });
    }
}
