//! Bulk exports: what they contain, by a plain filter over the lake; how the dialects speak; who may have what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http::{Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::service::{assertion, signed};
use tests::{ANNA, Answer, BASE_URL, World, both_hosts, lake, reference, text};

const EVERYTHING: &str = "system/*.rs";

struct Lake {
    directory: tempfile::TempDir,
    resources: Vec<Value>,
}

impl Lake {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let resources = lake::write(directory.path());
        Self { directory, resources }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn world(&self, more: &str) -> World {
        World::with(&format!("sandbox = true\n{more}"), self.path())
    }
}

/// Starts an export by GET; the path of its status.
async fn begin(world: &World, token: &str, path: &str) -> String {
    let answer = world.get(path).bearer(token).send().await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{path}: {}", answer.text());
    let location = answer.header("content-location");
    location.strip_prefix(BASE_URL).unwrap_or_else(|| panic!("not ours: {location}")).to_owned()
}

/// Exports by GET; the manifest.
async fn exported(world: &World, token: &str, path: &str) -> Value {
    let status = begin(world, token, path).await;
    world.work().await;
    let answer = world.get(&status).bearer(token).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

/// The resources of a list of the manifest; counts and types are checked.
async fn resources(world: &World, token: &str, manifest: &Value, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for file in manifest[list].as_array().unwrap_or_else(|| panic!("no {list}: {manifest}")) {
        let answer = world.get(&text(&file["url"])).bearer(token).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        let lines = answer.lines();
        assert_eq!(file["count"], lines.len(), "{file}");
        assert!(!lines.is_empty(), "{file}: no empty files");
        if let Some(resource_type) = file["type"].as_str() {
            assert!(lines.iter().all(|line| line["resourceType"] == resource_type), "{file}");
        }
        all.extend(lines);
    }
    all
}

fn sorted(resources: &[Value]) -> Vec<String> {
    let mut lines: Vec<_> = resources
        .iter()
        .map(|resource| {
            let mut resource = resource.clone();
            resource.sort_all_objects();
            resource.to_string()
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_system_export_is_the_lake_whatever_the_chunks() {
    let lake = Lake::new();
    for chunk_bytes in [1, 3_000, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/$export").await;
        let found = resources(&world, &token, &manifest, "output").await;
        assert_eq!(sorted(&found), sorted(&lake.resources), "{chunk_bytes}");
        assert_eq!((&manifest["deleted"], &manifest["error"]), (&json!([]), &json!([])));
        assert_eq!(manifest["request"], format!("{BASE_URL}/fhir/$export"));
        assert_eq!(manifest["requiresAccessToken"], true);
    }
}

/// What a request asks for, as its query says it and as a plain filter understands it.
#[derive(Debug, Clone)]
struct Asked {
    level: usize,
    since: Option<&'static str>,
    until: Option<&'static str>,
    types: Vec<&'static str>,
    filters: Vec<usize>,
    elements: Option<&'static str>,
    open_only: bool,
    chunk_bytes: u64,
}

type Passes = fn(&Value) -> bool;

/// Searches, and what they mean.
const FILTERS: [(&str, &str, Passes); 8] = [
    ("Observation", "category=laboratory", |resource| {
        resource["category"][0]["coding"][0]["code"] == "laboratory"
    }),
    ("Observation", "status:not=final", |resource| resource["status"] != "final"),
    ("Observation", "date=ge2019&date=lt2021", |resource| {
        let year = &text(&resource["effectiveDateTime"])[..4];
        year == "2019" || year == "2020"
    }),
    ("Observation", "value-quantity=gt11.5", |resource| {
        resource["valueQuantity"]["value"].as_f64().expect("a number") > 11.5
    }),
    ("Condition", "clinical-status=active", |resource| {
        resource["clinicalStatus"]["coding"][0]["code"] == "active"
    }),
    ("Condition", "onset-date=gt2020", |resource| &text(&resource["onsetDateTime"])[..4] > "2020"),
    ("Patient", "gender=female&address-state=MA", |resource| {
        resource["gender"] == "female" && resource["address"][0]["state"] == "MA"
    }),
    ("Patient", "_id=p1,p2", |resource| ["p1", "p2"].contains(&resource["id"].as_str().expect("an id"))),
];

const LEVELS: [&str; 3] = ["/fhir/$export", "/fhir/Patient/$export", "/fhir/Group/all/$export"];

impl Asked {
    fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.since.map(|at| ("_since", at)));
        query.extend_pairs(self.until.map(|at| ("_until", at)));
        if !self.types.is_empty() {
            query.append_pair("_type", &self.types.join(","));
        }
        for filter in &self.filters {
            query.append_pair("_typeFilter", &format!("{}?{}", FILTERS[*filter].0, FILTERS[*filter].1));
        }
        query.extend_pairs(self.elements.map(|elements| ("_elements", elements)));
        format!("{}?{}", LEVELS[self.level], query.finish())
    }

    fn wants(&self, resource: &Value) -> bool {
        self.types.is_empty() || self.types.contains(&resource["resourceType"].as_str().expect("a type"))
    }

    fn passes(&self, resource: &Value) -> bool {
        let of_type = || self.filters.iter().filter(|filter| resource["resourceType"] == FILTERS[**filter].0);
        let has_tag = !self.open_only || resource["meta"]["security"][0]["code"].as_str() == Some("open");
        has_tag
            && self.wants(resource)
            && (of_type().next().is_none() || of_type().any(|filter| (FILTERS[*filter].2)(resource)))
    }

    fn is_of_age(&self, resource: &Value) -> bool {
        let Some(updated) = resource["meta"]["lastUpdated"].as_str() else { return true };
        self.since.is_none_or(|since| updated > since) && self.until.is_none_or(|until| updated < until)
    }

    fn cut(&self, resource: &Value) -> Value {
        let Some(elements) = self.elements else { return resource.clone() };
        let resource_type = text(&resource["resourceType"]);
        let mandatory: &[&str] = match resource_type.as_str() {
            "Observation" => &["status", "code"],
            "Condition" => &["subject"],
            "Provenance" => &["target", "recorded", "agent"],
            "Group" => &["type", "actual"],
            _ => &[],
        };
        let asked: Vec<_> = elements
            .split(',')
            .filter_map(|element| match element.split_once('.') {
                Some((of, name)) => (of == resource_type).then_some(name),
                None => Some(element),
            })
            .collect();
        if asked.is_empty() {
            return resource.clone();
        }
        let mut cut = resource.clone();
        let members = cut.as_object_mut().expect("an object");
        members.retain(|name, _| {
            ["resourceType", "id", "meta"].contains(&name.as_str())
                || mandatory.contains(&name.as_str())
                || asked.contains(&name.as_str())
                || (name == "valueQuantity" && asked.contains(&"value"))
        });
        let tag = json!({
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED",
        });
        cut["meta"]["tag"] = json!([tag]);
        cut
    }

    /// What the export must be.
    fn expected(&self, all: &[Value]) -> Vec<Value> {
        let shared = ["Organization", "Practitioner", "Group"];
        let in_cohort = |resource: &Value| {
            let id = text(&resource["id"]);
            match self.level {
                2 => ["p0", "p2", "p3"]
                    .iter()
                    .any(|patient| id == *patient || id.starts_with(&format!("{patient}-"))),
                _ => true,
            }
        };
        // Who joined the group after the date gives everything, whatever its age.
        let joined = |resource: &Value| {
            self.level == 2
                && text(&resource["id"]).starts_with("p2")
                && self.since.is_some_and(|since| since < "2025-09-01")
        };
        let is_old = |resource: &Value| {
            self.until
                .is_none_or(|until| resource["meta"]["lastUpdated"].as_str().is_none_or(|at| at < until))
        };
        let is_shared =
            |resource: &Value| shared.contains(&resource["resourceType"].as_str().expect("a type"));
        let deleted = |resource: &Value| {
            resource["id"] == "p1-o1"
                && self.since.is_some()
                && self.until.is_none_or(|until| until > "2025-12-30T00:00:00Z")
        };
        let mut found: Vec<_> = all
            .iter()
            .filter(|resource| self.level == 0 || (!is_shared(resource) && in_cohort(resource)))
            .filter(|resource| self.passes(resource) && !deleted(resource))
            .filter(|resource| self.is_of_age(resource) || (joined(resource) && is_old(resource)))
            .map(|resource| self.cut(resource))
            .collect();
        if self.level != 0 {
            // Of what they refer to, what is asked for and not younger than the end.
            let referred: BTreeSet<String> = found.iter().flat_map(references).collect();
            let supporting = all.iter().filter(|resource| is_shared(resource));
            let supporting = supporting.filter(|resource| referred.contains(&reference(resource)));
            let supporting = supporting.filter(|resource| self.passes(resource) && is_old(resource));
            found.extend(supporting.map(|resource| self.cut(resource)).collect::<Vec<_>>());
        }
        found
    }
}

/// Every `reference` in a resource.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("reference", Value::String(text)) => vec![text.clone()],
                _ => references(value),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn any_request() -> impl Strategy<Value = Asked> {
    let times = prop_oneof![
        Just(None),
        Just(Some("2021-06-01T00:00:00Z")),
        Just(Some("2023-03-01T00:00:00Z")),
        Just(Some("2024-06-01T00:00:00Z")),
    ];
    let ends = prop_oneof![
        Just(None),
        Just(None),
        Just(Some("2024-06-02T00:00:00Z")),
        Just(Some("2025-03-01T00:00:00Z"))
    ];
    let types = prop::sample::subsequence(
        vec!["Condition", "Observation", "Organization", "Patient", "Practitioner", "Provenance"],
        0..=4,
    );
    let filters = prop::sample::subsequence((0..FILTERS.len()).collect::<Vec<_>>(), 0..=3);
    let elements = prop_oneof![
        Just(None),
        Just(None),
        Just(Some("gender")),
        Just(Some("Observation.value,Patient.birthDate")),
        Just(Some("subject")),
    ];
    let chunks = prop_oneof![Just(1), Just(2_500), Just(100_000_000)];
    (0..LEVELS.len(), times, ends, types, filters, elements, any::<bool>(), chunks).prop_map(
        |(level, since, until, mut types, filters, elements, open_only, chunk_bytes)| {
            // What would be refused: no type of a compartment, a filter on what is not exported, no time at all.
            if level != 0
                && !types.is_empty()
                && !types
                    .iter()
                    .any(|name| ["Condition", "Observation", "Patient", "Provenance"].contains(name))
            {
                types.push("Patient");
            }
            let filters = filters
                .into_iter()
                .filter(|filter| types.is_empty() || types.contains(&FILTERS[*filter].0))
                .collect();
            let until = until.filter(|until| since.is_none_or(|since| since < *until));
            Asked { level, since, until, types, filters, elements, open_only, chunk_bytes }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Each parameter alone and together with others.
    #[test]
    fn an_export_is_a_plain_filter_over_the_lake(asked in any_request()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let lake = Lake::new();
            let world = lake.world(&format!("chunk_bytes = {}", asked.chunk_bytes));
            let scopes = if asked.open_only { "system/*.rs access/open.read" } else { EVERYTHING };
            let token = world.service("service", scopes).await;
            let manifest = exported(&world, &token, &asked.path()).await;
            let found = resources(&world, &token, &manifest, "output").await;
            assert_eq!(sorted(&found), sorted(&asked.expected(&lake.resources)), "{}", asked.path());
            assert_eq!(manifest["error"], json!([]));
        });
    }
}

#[tokio::test]
async fn what_was_deleted_is_told_and_is_nowhere_else() {
    let lake = Lake::new();
    let deleted = async |world: &World, path: &str| -> BTreeSet<String> {
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(world, &token, path).await;
        let bundles = resources(world, &token, &manifest, "deleted").await;
        assert!(bundles.iter().all(|bundle| bundle["type"] == "transaction"));
        let entries = bundles.iter().flat_map(|bundle| bundle["entry"].as_array().expect("entries"));
        let urls: Vec<_> = entries
            .map(|entry| {
                assert_eq!(entry["request"]["method"], "DELETE");
                text(&entry["request"]["url"])
            })
            .collect();
        let output = resources(world, &token, &manifest, "output").await;
        let output: BTreeSet<_> = output.iter().map(reference).collect();
        assert!(urls.iter().all(|url| !output.contains(url)), "{urls:?}");
        let set: BTreeSet<_> = urls.iter().cloned().collect();
        assert_eq!(set.len(), urls.len(), "each once");
        set
    };
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        for (path, expected) in [
            ("/fhir/$export", named(&[])),
            (
                "/fhir/$export?_since=2020-01-01T00:00:00Z",
                named(&["Observation/gone", "Observation/p1-o1", "Patient/left", "Practitioner/retired"]),
            ),
            ("/fhir/$export?_since=2020-01-01T00:00:00Z&_type=Patient", named(&["Patient/left"])),
            (
                "/fhir/$export?_since=2025-08-01T12:00:00Z&_until=2025-08-02T12:00:00Z",
                named(&["Patient/left"]),
            ),
            (
                "/fhir/Patient/$export?_since=2020-01-01T00:00:00Z",
                named(&["Observation/gone", "Observation/p1-o1"]),
            ),
            ("/fhir/Group/all/$export?_since=2020-01-01T00:00:00Z", named(&["Observation/gone"])),
        ] {
            assert_eq!(deleted(&world, path).await, expected, "{path}");
        }
    }
}

#[tokio::test]
async fn groups_are_found_flattened_and_exported() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let bundle = world.get("/fhir/Group").bearer(&token).send().await.json();
    assert_eq!(bundle["total"], 3);
    assert_eq!(bundle["entry"][0]["resource"]["id"], "all");
    assert_eq!(bundle["entry"][0]["resource"]["quantity"], 5);
    assert_eq!(bundle["entry"][0]["resource"]["member"], Value::Null);
    let group = world.get("/fhir/Group/nested").bearer(&token).send().await.json();
    assert_eq!(group["member"].as_array().expect("members").len(), 3);
    for path in ["/fhir/Group/nobody", "/fhir/Group/nobody/$export", "/fhir/Group/..%2f..%2fx/$export"] {
        let answer = world.get(path).bearer(&token).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer.outcome();
    }
    let manifest = exported(&world, &token, "/fhir/Group/empty/$export").await;
    assert_eq!((&manifest["output"], &manifest["error"]), (&json!([]), &json!([])));
    // The setting that gives new members no more than others.
    let strict = lake.world("whole_record_of_new_members = false");
    let token = strict.service("service", EVERYTHING).await;
    let manifest =
        exported(&strict, &token, "/fhir/Group/all/$export?_since=2025-01-01T00:00:00Z&_type=Patient").await;
    assert_eq!(manifest["output"], json!([]), "p2 joined later, and did not change");
}

#[tokio::test]
async fn patients_are_chosen_by_reference_and_never_become_everybody() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let body = |patients: &[&str]| {
        let parameters: Vec<_> = patients
            .iter()
            .map(|patient| json!({ "name": "patient", "valueReference": { "reference": patient } }))
            .collect();
        json!({ "resourceType": "Parameters", "parameter": parameters })
    };
    let post = async |path: &str, body: &Value, lenient: bool| {
        let call = world.post(path).bearer(&token).json(body);
        let call = if lenient { call.header("prefer", "respond-async, handling=lenient") } else { call };
        call.send().await
    };
    let answer =
        post("/fhir/Patient/$export", &body(&["Patient/p1", "Patient/p4", "Patient/p1"]), false).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    world.work().await;
    let status = answer.header("content-location");
    let manifest = world.get(status).bearer(&token).send().await.json();
    let found = resources(&world, &token, &manifest, "output").await;
    let patients: BTreeSet<_> = found
        .iter()
        .filter(|found| found["resourceType"] == "Patient")
        .map(|found| text(&found["id"]))
        .collect();
    assert_eq!(patients, BTreeSet::from(["p1".to_owned(), "p4".to_owned()]));
    for (path, patients, status, lenient) in [
        ("/fhir/Patient/$export", &["Patient/nobody"][..], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        (
            "/fhir/Patient/$export",
            &["Patient/p1", "Patient/nobody"],
            StatusCode::BAD_REQUEST,
            StatusCode::ACCEPTED,
        ),
        ("/fhir/Patient/$export", &["Practitioner/doc"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        ("/fhir/Group/all/$export", &["Patient/p1"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
        ("/fhir/Group/all/$export", &["Patient/p3"], StatusCode::ACCEPTED, StatusCode::ACCEPTED),
        ("/fhir/$export", &["Patient/p1"], StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(path, &body(patients), false).await.status, status, "{path} {patients:?}");
        assert_eq!(post(path, &body(patients), true).await.status, lenient, "{path} {patients:?} lenient");
    }
}

#[tokio::test]
async fn provenance_goes_along_as_it_was_asked_for() {
    let lake = Lake::new();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        for (query, expected) in [
            ("_type=Observation&includeAssociatedData=LatestProvenanceResources", vec!["p0-v-new"]),
            (
                "_type=Observation&includeAssociatedData=RelevantProvenanceResources",
                vec!["p0-v-new", "p0-v-old"],
            ),
            (
                "_type=Observation&includeAssociatedData=LatestProvenanceResources,RelevantProvenanceResources",
                vec!["p0-v-new", "p0-v-old"],
            ),
            ("_type=Patient&includeAssociatedData=RelevantProvenanceResources", vec![]),
            ("_type=Observation", vec![]),
            ("_type=Observation,Provenance", vec!["p0-v-new", "p0-v-old"]),
        ] {
            let manifest =
                exported(&world, &token, &format!("/fhir/Patient/$export?patient=Patient/p0&{query}")).await;
            let found = resources(&world, &token, &manifest, "output").await;
            let provenance = found.iter().filter(|found| found["resourceType"] == "Provenance");
            let mut ids: Vec<_> = provenance.map(|found| text(&found["id"])).collect();
            ids.sort();
            assert_eq!(ids, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn output_organized_by_patient_is_one_block_after_the_other() {
    let lake = Lake::new();
    for chunk_bytes in [1, 100_000_000] {
        let world = lake.world(&format!("chunk_bytes = {chunk_bytes}"));
        let token = world.service("service", EVERYTHING).await;
        let manifest = exported(&world, &token, "/fhir/Patient/$export?organizeOutputBy=Patient").await;
        assert_eq!(manifest["outputOrganizedBy"], "Patient");
        let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in manifest["output"].as_array().expect("output") {
            let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
            if file.get("type").is_some() {
                // What belongs to nobody: beside the blocks.
                assert!(lines.iter().all(|line| {
                    ["Organization", "Practitioner"].contains(&line["resourceType"].as_str().expect("a type"))
                }));
                continue;
            }
            let mut current = None;
            let mut lines = lines.into_iter();
            while let Some(line) = lines.next() {
                if line["resourceType"] == "Parameters" {
                    assert_eq!(line["parameter"][0]["name"], "header");
                    let of = text(&line["parameter"][0]["valueReference"]["reference"]);
                    let first = lines.next().expect("the Patient");
                    assert_eq!(reference(&first), of, "the Patient comes first");
                    assert!(blocks.insert(of.clone(), Vec::new()).is_none(), "one block each");
                    current = Some(of);
                    continue;
                }
                let of = current.clone().expect("a header first");
                assert!(text(&line["id"]).starts_with(&of["Patient/".len()..]));
                blocks.get_mut(&of).expect("a block").push(reference(&line));
            }
        }
        assert_eq!(blocks.len(), 6);
        assert!(blocks.values().all(|block| block.len() == 7), "{blocks:?}");
    }
}

#[tokio::test]
async fn files_are_as_large_as_was_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    ehi::sample::write(12, 1, directory.path(), &indicatif::ProgressBar::hidden()).expect("a sample");
    let world = World::with("sandbox = true\nchunk_bytes = 600000", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let whole = exported(&world, &token, "/fhir/$export").await;
    let lines = sorted(&resources(&world, &token, &whole, "output").await);
    let sizes = |manifest: &Value| -> BTreeMap<String, Vec<u64>> {
        let mut sizes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for file in manifest["output"].as_array().expect("output") {
            let size = file["extension"]["size"].as_u64().expect("a size");
            sizes.entry(text(&file["type"])).or_default().push(size);
        }
        sizes
    };
    assert!(sizes(&whole).values().any(|sizes| sizes.len() > 5), "many small files");
    for query in ["_minimumFileSize=400000", "_minimumFileSize=100000000"] {
        let merged = exported(&world, &token, &format!("/fhir/$export?{query}")).await;
        let least: u64 = query.rsplit('=').next().expect("a number").parse().expect("a number");
        for (resource_type, sizes) in sizes(&merged) {
            let total: u64 = sizes.iter().sum();
            assert!(sizes.iter().all(|size| *size >= least.min(total)), "{resource_type}: {sizes:?}");
        }
        assert!(resources(&world, &token, &merged, "output").await.len() == lines.len());
        assert_eq!(sorted(&resources(&world, &token, &merged, "output").await), lines);
    }
    let world = World::with("sandbox = true", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let cut = exported(&world, &token, "/fhir/$export?_maximumFileSize=1000000").await;
    let sizes = sizes(&cut);
    assert!(sizes.values().any(|sizes| sizes.len() > 1), "{sizes:?}");
    // A file ends with the line that fills it.
    assert!(sizes.values().flatten().all(|size| *size < 1_200_000), "{sizes:?}");
    assert_eq!(sorted(&resources(&world, &token, &cut, "output").await), lines);
}

#[tokio::test]
async fn pages_of_the_manifest_come_while_it_runs_and_stay_as_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    for number in 0..120 {
        let patient = directory.path().join(format!("Patient/p{number:03}"));
        std::fs::create_dir_all(&patient).expect("a directory");
        let line = format!("{{\"resourceType\":\"Patient\",\"id\":\"p{number:03}\"}}\n");
        std::fs::write(patient.join("records.ndjson"), line).expect("written");
    }
    let world = World::with("sandbox = true\nchunk_bytes = 1", directory.path());
    let token = world.service("service", EVERYTHING).await;
    let status = begin(&world, &token, "/fhir/Patient/$export?allowPartialManifests=true").await;
    let mut early: Option<Value> = None;
    let mut steps = 0;
    while world.step().await {
        steps += 1;
        let answer = world.get(&status).bearer(&token).send().await;
        if answer.status == StatusCode::ACCEPTED && !answer.body.is_empty() {
            let manifest = answer.json();
            if let Some(early) = &early {
                assert_eq!(early["output"], manifest["output"], "a page never changes");
            } else {
                // What is listed can be fetched already; what is not yet, cannot.
                assert_eq!(resources(&world, &token, &manifest, "output").await.len(), 50);
            }
            early = Some(manifest);
        }
    }
    assert!(steps > 120 && early.is_some());
    let mut url = status;
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let answer = world.get(&url).bearer(&token).send().await;
        assert_eq!(answer.status, StatusCode::OK);
        let manifest = answer.json();
        if pages == 0 {
            assert_eq!(early.as_ref().map(|early| &early["output"]), Some(&manifest["output"]));
        }
        all.extend(resources(&world, &token, &manifest, "output").await);
        pages += 1;
        match manifest["link"][0]["url"].as_str() {
            Some(next) => next.strip_prefix(BASE_URL).expect("ours").clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!((pages, all.len()), (3, 120));
}

#[tokio::test]
async fn what_is_wrong_is_named_or_told_in_the_manifest() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let long = "Patient,".repeat(1_300);
    let many = (0..200).map(|number| format!("x{number}=1")).collect::<Vec<_>>().join("&");
    for (query, named, ignorable) in [
        ("colour=red", "colour", true),
        ("_since=yesterday", "_since", false),
        ("_since=2020-01-01", "_since", false),
        ("_until=2020", "_until", false),
        ("_since=2021-01-01T00:00:00Z&_until=2020-01-01T00:00:00Z", "_until", false),
        ("_type=Patients", "Patients", false),
        ("_type=Patient,Patients", "Patients", true),
        ("_outputFormat=csv", "_outputFormat", true),
        ("_typeFilter=Observation%3Fcolour%3Dred", "colour", true),
        ("_typeFilter=Observation%3F_sort%3Ddate", "_sort", true),
        ("_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "Observation", true),
        ("_typeFilter=status%3Dfinal", "_typeFilter", true),
        ("_elements=Observation.value.code", "_elements", true),
        ("includeAssociatedData=_custom", "includeAssociatedData", true),
        ("organizeOutputBy=Encounter", "organizeOutputBy", true),
        ("allowPartialManifests=maybe", "allowPartialManifests", true),
        ("_maximumFileSize=1", "_maximumFileSize", false),
        ("patientReferenceBatchSize=0", "patientReferenceBatchSize", false),
        ("uploadPartSize=1", "uploadPartSize", false),
        ("ttlSecondsAfterFinished=1", "ttlSecondsAfterFinished", false),
        ("ram=lots", "ram", true),
        ("loglevel=loud", "loglevel", true),
        ("patient=Patient/p1", "patient", false),
        ("_since=2020-01-01T00:00:00Z&_since=2021-01-01T00:00:00Z", "_since", false),
        (&format!("_type={long}"), "_type", false),
        (&many, "parameters", false),
    ] {
        let path = format!("/fhir/$export?{query}");
        let strict = world.get(&path).bearer(&token).send().await;
        let shown = &query[..query.len().min(80)];
        assert_eq!(strict.status, StatusCode::BAD_REQUEST, "{shown}");
        assert!(strict.outcome().contains(named), "{shown}: {}", strict.outcome());
        let lenient = world.get(&path).bearer(&token).header("prefer", "handling=lenient").send().await;
        if !ignorable {
            assert_eq!(lenient.status, StatusCode::BAD_REQUEST, "{shown}, lenient");
            continue;
        }
        assert_eq!(lenient.status, StatusCode::ACCEPTED, "{shown}, lenient: {}", lenient.text());
        world.work().await;
        let manifest = world.get(lenient.header("content-location")).bearer(&token).send().await.json();
        let told = resources(&world, &token, &manifest, "error").await;
        let texts: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].contains(named), "{shown}: {texts:?}");
    }
    for (body, named) in [
        (
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "_since", "valueBoolean": true }] }),
            "_since",
        ),
        (json!({ "resourceType": "Parameters", "parameter": [{ "name": "_type" }] }), "_type"),
        (json!({ "resourceType": "Parameters", "parameter": {} }), "parameter"),
        (json!({ "resourceType": "Parameters", "parameter": [{}] }), "name"),
        (json!({ "resourceType": "Patient" }), "Parameters"),
    ] {
        let answer = world.post("/fhir/$export").bearer(&token).json(&body).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.outcome().contains(named), "{body}");
    }
}

both_hosts!(the_dialects_speak_as_their_table_says);
async fn the_dialects_speak_as_their_table_says(world: World) {
    let token = world.service("service", EVERYTHING).await;
    let mut said = BTreeMap::new();
    for base in ["/fhir", "/4_0_0", "/fhir/r4"] {
        let answer = world
            .get(&format!("{base}/Patient/$export?_type=Patient,Provenance"))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{base}: {}", answer.text());
        let status = answer.header("content-location");
        world.work().await;
        let done = world.get(status).bearer(&token).send().await;
        assert_eq!(done.status, StatusCode::OK);
        let manifest = done.json();
        let mut members: Vec<_> = manifest.as_object().expect("an object").keys().cloned().collect();
        members.sort();
        let mut of_file: Vec<_> =
            manifest["output"][0].as_object().expect("a file").keys().cloned().collect();
        of_file.sort();
        assert!(!done.header("expires").is_empty(), "{base}");
        let url = text(&manifest["output"][0]["url"]);
        let with = world.get(&url).bearer(&token).send().await;
        let without = world.get(&url).send().await;
        assert_eq!(with.status, StatusCode::OK, "{base}");
        let cancelled = world.request(Method::DELETE, status).bearer(&token).send().await;
        let gone = world.get(status).bearer(&token).send().await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        gone.outcome();
        let id = status.split('/').find(|part| part.len() == 36).expect("an id").to_owned();
        said.insert(
            base,
            json!({
                "status": status.strip_prefix(BASE_URL).expect("ours").replace(&id, "{job}"),
                "manifest": members, "file": of_file, "requiresAccessToken": manifest["requiresAccessToken"],
                "without a token": without.status.as_u16(), "cancelled": cancelled.status.as_u16(),
            }),
        );
    }
    insta::assert_json_snapshot!("dialects", said);
}

#[tokio::test]
async fn an_export_under_way_says_so_in_each_dialect() {
    let lake = Lake::new();
    let world = lake.world("chunk_bytes = 3000");
    let token = world.service("service", EVERYTHING).await;
    for (base, status_code, progress) in
        [("/fhir", 202, "0%"), ("/4_0_0", 202, "in-progress"), ("/fhir/r4", 200, "")]
    {
        let status = begin(&world, &token, &format!("{base}/$export")).await;
        let waiting = world.get(&status).bearer(&token).send().await;
        assert_eq!(waiting.status.as_u16(), status_code, "{base}");
        assert_eq!(waiting.header("x-progress"), progress, "{base}");
        assert_eq!(waiting.header("retry-after"), "1", "{base}");
        if base == "/fhir/r4" {
            assert_eq!(waiting.json(), json!({ "status": "pending", "progress": 0, "totalResources": 0 }));
        }
        let mut last = 0;
        while world.step().await {
            world.advance(10);
            let answer = world.get(&status).bearer(&token).send().await;
            match base {
                "/fhir" if answer.status == StatusCode::ACCEPTED => {
                    let progress = answer.header("x-progress");
                    let percent: u32 =
                        progress.split('%').next().expect("a number").parse().expect("a number");
                    assert!(percent >= last && progress.len() < 100, "{progress} after {last}%");
                    last = percent;
                }
                "/fhir/r4" if answer.json().get("status").is_some() => {
                    assert_eq!(answer.json()["status"], "in_progress");
                }
                _ => {}
            }
        }
        assert!(base != "/fhir" || last > 20, "{last}%");
    }
    let token = world.service("service", EVERYTHING).await;
    let answer = world
        .get("/fhir/$export")
        .bearer(&token)
        .header("prefer", "respond-async,separate-export-status")
        .send()
        .await;
    assert_eq!(answer.header("preference-applied"), "respond-async, separate-export-status");
    let status = answer.header("content-location");
    let waiting = world.get(status).bearer(&token).send().await;
    assert_eq!((waiting.status, waiting.header("x-export-status")), (StatusCode::OK, "202 Accepted"));
    world.work().await;
    let done = world.get(status).bearer(&token).send().await;
    assert_eq!((done.status, done.header("x-export-status")), (StatusCode::OK, "200 OK"));
}

#[tokio::test]
async fn registered_shapes_and_signed_links() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("other-service", EVERYTHING).await;
    let manifest = exported(&world, &token, "/fhir/Patient/$export").await;
    assert_eq!(manifest["outcome"], json!([]));
    assert_eq!(manifest["outputFormat"], "application/fhir+ndjson");
    assert!(manifest["extension"].is_array() && manifest.get("error").is_none());
    // Narrowed to what it is registered for: all of Patient, laboratory of Observation.
    let found = resources(&world, &token, &manifest, "output").await;
    let patients = found.iter().filter(|found| found["resourceType"] == "Patient").count();
    let observations: Vec<_> = found.iter().filter(|found| found["resourceType"] == "Observation").collect();
    assert_eq!((patients, observations.len(), found.len()), (6, 12, 18));
    assert!(observations.iter().all(|found| found["category"][0]["coding"][0]["code"] == "laboratory"));

    let token = world.service("direct-service", "system/*.read").await;
    let manifest = exported(&world, &token, "/fhir/Patient/$export?_type=Patient").await;
    assert_eq!(manifest["requiresAccessToken"], false);
    let url = text(&manifest["output"][0]["url"]);
    assert_eq!(world.get(&url).send().await.status, StatusCode::OK);
    let other = url.replace("Patient.ndjson", "Observation.ndjson");
    let longer = url.replace("expires=1", "expires=2");
    for wrong in [
        other,
        longer,
        format!("{url}0"),
        url.split("signature").next().expect("a URL").to_owned() + "signature=",
    ] {
        let answer = world.get(&wrong).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{wrong}");
        answer.outcome();
    }
    world.advance(301);
    assert_eq!(world.get(&url).send().await.status, StatusCode::FORBIDDEN, "over");
}

#[tokio::test]
async fn tokens_reach_what_they_cover_and_nothing_else() {
    let lake = Lake::new();
    let world = lake.world("");
    let all = world.service("service", EVERYTHING).await;
    let patients = world.service("service", "system/Patient.rs").await;
    let observations = world.service("service", "system/Observation.rs").await;
    let tagged = world.service("service", "system/*.rs access/open.read").await;
    let others = world.service("direct-service", "system/*.read").await;
    let patient = world.tokens("app", "p1").await;
    let patient = text(&patient["access_token"]);
    for (token, path, expected) in [
        (&all, "/fhir/$export", 202),
        (&patients, "/fhir/$export", 202),
        (&patients, "/fhir/$export?_type=Patient", 202),
        (&patients, "/fhir/$export?_type=Patient,Observation", 403),
        (&patients, "/fhir/Group/all/$export", 202),
        (&patients, "/fhir/Group", 403),
        (&patient, "/fhir/$export", 403),
        (&patient, "/fhir/Patient/$export", 403),
        (&patient, "/4_0_0/Patient/$export", 403),
        (&patient, "/fhir/Group/all/$export", 403),
        (&patient, "/fhir/r4/Group/all/$export", 403),
    ] {
        let answer = world.get(path).bearer(token).send().await;
        assert_eq!(answer.status.as_u16(), expected, "{path}: {}", answer.text());
        assert_eq!(world.get(path).send().await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // Status and files: of the same client, with a token that covers all of the export.
    for (starts, path, reads) in [
        (
            &all,
            "/fhir/$export",
            [(&all, 200), (&patients, 403), (&tagged, 403), (&others, 404), (&patient, 404)],
        ),
        (
            &patients,
            "/fhir/$export",
            [(&all, 200), (&patients, 200), (&observations, 403), (&others, 404), (&patient, 404)],
        ),
        (
            &tagged,
            "/fhir/$export",
            [(&all, 200), (&tagged, 200), (&patients, 403), (&others, 404), (&patient, 404)],
        ),
    ] {
        let status = begin(&world, starts, path).await;
        world.work().await;
        let manifest = world.get(&status).bearer(starts).send().await.json();
        let url = text(&manifest["output"][0]["url"]);
        for (token, expected) in reads {
            for path in [status.as_str(), url.as_str()] {
                let answer = world.get(path).bearer(token).send().await;
                assert_eq!(answer.status.as_u16(), expected, "{path}");
            }
        }
        assert_eq!(world.get(&status).send().await.status, StatusCode::UNAUTHORIZED);
        let theirs = world.get("/jobs").bearer(starts).send().await.json();
        assert!(!theirs.as_array().expect("jobs").is_empty());
        assert_eq!(world.get("/jobs").bearer(&others).send().await.json(), json!([]));
    }
    // A patient in the dialect that has roles: the own record, whatever the address.
    let launch =
        tests::Launch { scope: "launch/patient patient/*.rs".to_owned(), ..tests::Launch::new("app") };
    let code = world.code(&launch, "p1").await;
    let own = text(&world.redeem(&launch, &code).await.json()["access_token"]);
    for path in
        ["/fhir/r4/$export?_type=Patient,Observation", "/fhir/r4/Patient/$export?_type=Patient,Observation"]
    {
        let manifest = exported(&world, &own, path).await;
        let found = resources(&world, &own, &manifest, "output").await;
        assert_eq!(found.len(), 5, "{path}");
        assert!(found.iter().all(|found| text(&found["id"]).starts_with("p1")));
    }
    let answer = world.get("/fhir/r4/Patient/$export?patient=Patient/p2").bearer(&own).send().await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// What is wrong with an assertion, and how it becomes so.
type Change = (&'static str, fn(&mut Value, &mut Value));

#[tokio::test]
async fn assertions_that_do_not_hold_are_invalid_client() {
    let world = World::new();
    let now = world.now();
    let ask = async |change: &dyn Fn(&mut Value, &mut Value)| -> Answer {
        let (mut header, mut claims) = assertion("service", now);
        change(&mut header, &mut claims);
        world.by_assertion(&signed(&header, &claims), EVERYTHING).await
    };
    let good = ask(&|_, _| {}).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    let body = good.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(300), &json!(EVERYTHING))
    );
    assert!(body.get("refresh_token").is_none());
    assert_eq!(good.header("cache-control"), "no-store");
    let changes: [Change; 12] = [
        ("algorithm", |header, _| header["alg"] = json!("HS256")),
        ("kid", |header, _| header["kid"] = json!("another")),
        ("no kid", |header, _| drop(header.as_object_mut().expect("an object").remove("kid"))),
        ("jku", |header, _| header["jku"] = json!("https://evil.example.org/jwks")),
        ("typ", |header, _| header["typ"] = json!("JOSE")),
        ("iss", |_, claims| claims["iss"] = json!("other-service")),
        ("sub", |_, claims| claims["sub"] = json!("app")),
        ("aud", |_, claims| claims["aud"] = json!("https://evil.example.org")),
        ("expired", |_, claims| claims["exp"] = json!(claims["exp"].as_i64().expect("a number") - 400)),
        ("too long", |_, claims| claims["exp"] = json!(claims["exp"].as_i64().expect("a number") + 60)),
        ("no jti", |_, claims| claims["jti"] = json!("")),
        ("nbf", |_, claims| claims["nbf"] = json!(claims["exp"])),
    ];
    for (what, change) in changes {
        let answer = ask(&change).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.text());
        assert_eq!(answer.json()["error"], "invalid_client", "{what}");
    }
    let (header, claims) = assertion("service", now);
    let once = signed(&header, &claims);
    assert_eq!(world.by_assertion(&once, EVERYTHING).await.status, StatusCode::OK);
    assert_eq!(world.by_assertion(&once, EVERYTHING).await.json()["error"], "invalid_client", "replayed");
    let mut broken = once.clone();
    broken.replace_range(once.len() - 4.., "AAAA");
    assert_eq!(world.by_assertion(&broken, EVERYTHING).await.json()["error"], "invalid_client", "signature");
    let (header, claims) = assertion("service", now);
    let wrong = world.by_assertion(&signed(&header, &claims), "patient/*.rs").await;
    assert_eq!(wrong.json()["error"], "invalid_scope");
    let (header, claims) = assertion("other-service", now);
    let narrowed = world.by_assertion(&signed(&header, &claims), "system/*.rs").await.json();
    assert_eq!(narrowed["scope"], "system/Patient.rs system/Observation.rs?category=laboratory");
    // A backend service has no other way in.
    let answer = world
        .post("/auth/token")
        .form(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "service")])
        .send()
        .await;
    assert_ne!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn as_many_exports_run_as_a_client_may_have() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("direct-service", "system/*.read").await;
    let kick_offs = (0..200).map(|_| world.get("/fhir/$export").bearer(&token).send());
    let answers = futures_util::future::join_all(kick_offs).await;
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::ACCEPTED).collect();
    assert_eq!(accepted.len(), 3);
    let refused =
        answers.iter().find(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS).expect("refused");
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
    refused.outcome();
    assert!(answers.iter().all(|answer| [202, 429].contains(&answer.status.as_u16())));
    // A DELETE frees the place at once.
    for _ in 0..4 {
        let status = accepted[0].header("content-location");
        let first = world.request(Method::DELETE, status).bearer(&token).send().await;
        assert!([202, 404].contains(&first.status.as_u16()));
        let next = world.get("/fhir/$export").bearer(&token).send().await;
        assert_eq!(next.status, StatusCode::ACCEPTED);
        let status = next.header("content-location");
        assert_eq!(
            world.request(Method::DELETE, status).bearer(&token).send().await.status,
            StatusCode::ACCEPTED
        );
    }
    world.work().await;
    assert_eq!(world.get("/fhir/$export").bearer(&token).send().await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let ask = |path: &'static str, key: &'static str| {
        world.get(path).bearer(&token).header("idempotency-key", key).send()
    };
    let answers = futures_util::future::join_all((0..50).map(|_| ask("/fhir/$export", "k1"))).await;
    let jobs: BTreeSet<_> = answers.iter().map(|answer| answer.header("content-location")).collect();
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let other = ask("/fhir/$export?_type=Patient", "k1").await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    other.outcome();
    assert!(!jobs.contains(&ask("/fhir/$export", "k2").await.header("content-location")));
    let others = world.service("direct-service", "system/*.read").await;
    let answer = world.get("/fhir/$export").bearer(&others).header("idempotency-key", "k1").send().await;
    assert!(!jobs.contains(&answer.header("content-location")), "somebody else's key");
    world.advance(24 * 3600 + 1);
    let token = world.service("service", EVERYTHING).await;
    let later = world.get("/fhir/$export").bearer(&token).header("idempotency-key", "k1").send().await;
    assert!(!jobs.contains(&later.header("content-location")), "a day later");
}

#[tokio::test]
async fn it_can_be_cancelled_at_every_step() {
    let lake = Lake::new();
    let mut step = 0;
    loop {
        let world = lake.world("chunk_bytes = 3000");
        let token = world.service("service", EVERYTHING).await;
        let status =
            begin(&world, &token, "/fhir/$export?_minimumFileSize=1000000&_since=2020-01-01T00:00:00Z").await;
        let mut over = false;
        for _ in 0..step {
            over = !world.step().await;
        }
        let cancelled = world.request(Method::DELETE, &status).bearer(&token).send().await;
        assert_eq!(cancelled.status, StatusCode::ACCEPTED, "step {step}");
        world.work().await;
        assert_eq!(world.get(&status).bearer(&token).send().await.status, StatusCode::NOT_FOUND);
        world.clean().await;
        let files = shared::platform::Platform::files(world.platform());
        assert_eq!(files.list("exports/").await.expect("a list"), Vec::<String>::new(), "step {step}");
        if over {
            break;
        }
        step += 1;
    }
    assert!(step > 8, "{step}");
}

#[tokio::test]
async fn a_manifest_of_100_000_files_is_read_page_by_page() {
    use shared::domain::chunk::{OutputFile, Purpose};
    use shared::domain::job::Job;
    use shared::domain::manifest::{Names, StoredManifest};
    use shared::platform::Platform;
    use shared::ports::files::write_all;

    let lake = Lake::new();
    let world = lake.world("");
    let token = world.service("service", EVERYTHING).await;
    let status = begin(&world, &token, "/fhir/$export").await;
    world.work().await;
    let id = status.split('/').find(|part| part.len() == 36).expect("an id");
    let id = shared::domain::ids::JobId::parse(id).expect("an id");
    let (jobs, files) = (world.platform().jobs(), world.platform().files());
    let stored = jobs.get(&id).await.expect("an answer").expect("the job");
    let Job::Complete(mut complete) = stored.job else { panic!("complete") };
    complete.summary.pages = 10;
    for page in 0..10 {
        let mut names = Names::of_page(page);
        let listed = (0..10_000).map(|number| {
            names.name(OutputFile {
                purpose: Purpose::Output,
                resource_type: "Observation".to_owned(),
                key: format!("exports/{id}/{page}-{number}"),
                count: 1,
                size: 3,
                sha256: "0".repeat(64),
            })
        });
        let manifest =
            StoredManifest { transaction_time: complete.summary.transaction_time, files: listed.collect() };
        let bytes = serde_json::to_vec(&manifest).expect("JSON");
        write_all(&*files, &complete.summary.page_key(page), bytes).await.expect("written");
    }
    write_all(&*files, &format!("exports/{id}/7-4"), b"{}\n".to_vec()).await.expect("written");
    jobs.replace(&Job::Complete(complete), stored.version).await.expect("replaced");
    let (mut url, mut names) = (status, BTreeSet::new());
    loop {
        let manifest = world.get(&url).bearer(&token).send().await.json();
        names.extend(manifest["output"].as_array().expect("output").iter().map(|file| text(&file["url"])));
        match manifest["link"][0]["url"].as_str() {
            Some(next) => next.strip_prefix(BASE_URL).expect("ours").clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!(names.len(), 100_000);
    let file = world.get(&format!("/jobs/{id}/download/Observation.7-5.ndjson")).bearer(&token).send().await;
    assert_eq!(file.text(), "{}\n");
}

#[tokio::test]
async fn an_ehi_export_is_no_bulk_export() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let service = world.service("service", EVERYTHING).await;
    assert_eq!(
        world.get(&format!("{job}/status")).bearer(&service).send().await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_capability_statement_lists_what_works() {
    let world = World::new();
    let statement = world.get("/fhir/metadata").send().await.json();
    let rest = &statement["rest"][0];
    assert_eq!(
        rest["operation"][0]["definition"],
        "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"
    );
    let resources = rest["resource"].as_array().expect("resources");
    let named = |name: &str| {
        resources.iter().find(|resource| resource["type"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    let operation = |name: &str| named(name)["operation"].to_string();
    assert!(operation("Patient").contains("OperationDefinition/patient-export"));
    assert!(operation("Group").contains("OperationDefinition/group-export"));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut compiled = 0;
    for resource in resources {
        for parameter in resource["searchParam"].as_array().expect("parameters") {
            let value = match parameter["type"].as_str().expect("a type") {
                "date" => "ge2024-01-01",
                "quantity" => "gt5.4|http://unitsofmeasure.org|mg",
                _ => "x",
            };
            let search = format!("{}?{}={value}", text(&resource["type"]), text(&parameter["name"]));
            shared::fhir::search::compile::compile(&search, now)
                .unwrap_or_else(|problem| panic!("{problem}"));
            compiled += 1;
        }
    }
    assert!(compiled > 900, "{compiled}");
    let configuration = world.get("/fhir/.well-known/smart-configuration").send().await.json();
    assert!(configuration["token_endpoint_auth_methods_supported"].to_string().contains("private_key_jwt"));
}
