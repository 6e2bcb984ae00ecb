//! Random requests: every export equals a plain filter over the lake, for every size of chunks.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tests::{reference, text};

use super::{EVERYTHING, Lake, exported, resources, sorted};

/// A request, as its query and as a plain filter.
#[derive(Debug, Clone)]
struct BulkRequest {
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

/// Searches, each with a closure that has the same meaning.
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

impl BulkRequest {
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
        let chosen: Vec<_> = elements
            .split(',')
            .filter_map(|element| match element.split_once('.') {
                Some((of, name)) => (of == resource_type).then_some(name),
                None => Some(element),
            })
            .collect();
        if chosen.is_empty() {
            return resource.clone();
        }
        let mut cut = resource.clone();
        let members = cut.as_object_mut().expect("an object");
        members.retain(|name, _| {
            ["resourceType", "id", "meta"].contains(&name.as_str())
                || mandatory.contains(&name.as_str())
                || chosen.contains(&name.as_str())
                || (name == "valueQuantity" && chosen.contains(&"value"))
        });
        let tag = json!({
            "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED",
        });
        cut["meta"]["tag"] = json!([tag]);
        cut
    }

    /// Returns the resources that the export must have.
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
        // All data of a patient who joined the group after the date is exported, whatever its age.
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
        let in_record =
            all.iter().filter(|resource| self.level == 0 || (!is_shared(resource) && in_cohort(resource)));
        let in_record =
            in_record.filter(|resource| self.passes(resource) && !deleted(resource) && is_old(resource));
        let (mut found, passed_over): (Vec<_>, Vec<_>) =
            in_record.partition(|resource| self.is_of_age(resource) || joined(resource));
        if self.level != 0 {
            // Adds the supporting resources: those that exported resources refer to, and changed ones that resources left out only by
            // `_since` refer to.
            let referred_by = |resources: &[&Value]| -> BTreeSet<String> {
                resources.iter().flat_map(|resource| references(resource)).collect()
            };
            let (by_exported, by_passed_over) = (referred_by(&found), referred_by(&passed_over));
            found.extend(all.iter().filter(|resource| is_shared(resource) && self.passes(resource)).filter(
                |resource| {
                    let name = reference(resource);
                    (is_old(resource) && by_exported.contains(&name))
                        || (self.is_of_age(resource) && by_passed_over.contains(&name))
                },
            ));
        }
        found.into_iter().map(|resource| self.cut(resource)).collect()
    }
}

/// Returns every `reference` in a resource.
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

fn any_request() -> impl Strategy<Value = BulkRequest> {
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
            // Removes parameters that would be refused: no type of a compartment, a filter on a type that is not exported, an empty period.
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
            BulkRequest { level, since, until, types, filters, elements, open_only, chunk_bytes }
        },
    )
}

/// Adds the tag of the token to the groups that are exported: without it they do not exist for the token.
fn open_groups(lake: &mut Lake) {
    for id in ["all", "nested"] {
        let is_it = |resource: &&mut Value| resource["resourceType"] == "Group" && resource["id"] == id;
        let group = lake.resources.iter_mut().find(is_it).expect("the group");
        group["meta"] = json!({ "security": [{ "code": "open" }] });
        std::fs::write(lake.directory.path().join(format!("Group/{id}.json")), group.to_string())
            .expect("written");
    }
}

/// The parameters occur alone and in combinations.
#[test]
fn an_export_is_a_plain_filter_over_the_lake() {
    // Exports change nothing in a lake.
    let mut lake = Lake::new();
    open_groups(&mut lake);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases: 200, source_file: Some(file!()), ..ProptestConfig::default() };
    let done = TestRunner::new(config).run(&any_request(), |request| {
        runtime.block_on(async {
            let world = lake.world(&format!("chunk_bytes = {}", request.chunk_bytes));
            let scopes = if request.open_only { "system/*.rs access/open.read" } else { EVERYTHING };
            let token = world.service("service", scopes).await;
            let manifest = exported(&world, &token, &request.path()).await;
            let found = resources(&world, &token, &manifest, "output").await;
            assert_eq!(sorted(&found), sorted(&request.expected(&lake.resources)), "{}", request.path());
            assert_eq!(manifest["error"], json!([]));
        });
        Ok(())
    });
    if let Err(problem) = done {
        panic!("{problem}");
    }
}
