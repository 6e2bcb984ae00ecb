//! Compares the loader with a simple reference, which has all data in memory and runs one loop after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ehi::load::load;
use indicatif::ProgressBar;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{json_lines, reference, text};

/// A resource and the number of its input file.
#[derive(Debug, Clone)]
struct Input {
    file: usize,
    resource: Value,
}

/// The formats of a file: lines, a pretty Bundle, a Bundle in one line of JSON, a Bundle as a line of NDJSON.
const SPELLINGS: usize = 4;

fn name(spelling: usize, file: usize) -> String {
    format!("{file}.{}", if spelling == 0 || spelling == 3 { "ndjson" } else { "json" })
}

fn urn(resource_type: &str, id: u8) -> String {
    format!("urn:x:{resource_type}:{id}")
}

/// Generates a reference to a resource: relative, absolute, or by its URN.
fn target(resource_type: &'static str, ids: std::ops::Range<u8>) -> impl Strategy<Value = Value> {
    (ids, 0..3_u8).prop_map(move |(id, form)| {
        let reference = match form {
            0 => format!("{resource_type}/{id}"),
            1 => format!("http://h/fhir/{resource_type}/{id}/_history/2"),
            _ => urn(resource_type, id),
        };
        json!({ "reference": reference })
    })
}

/// Generates an element that names a patient by an identifier, which may have no system.
fn identified() -> impl Strategy<Value = Value> {
    (0..3_u8, 0..4_u8).prop_map(|(value, form)| match form {
        0 => json!({ "reference": format!("Patient?identifier=http://s|{value}") }),
        1 => json!({ "identifier": { "value": value.to_string() } }),
        _ => json!({ "identifier": { "system": "http://s", "value": value.to_string() } }),
    })
}

fn resource() -> impl Strategy<Value = Value> {
    let patient = || target("Patient", 0..4);
    let subject = || prop_oneof![patient(), identified()];
    let identifiers = || proptest::collection::vec(0..3_u8, 0..2);
    let kinds = prop_oneof![
        (0..4_u8, identifiers()).prop_map(|(id, values)| {
            let identifiers: Vec<_> = values.into_iter().map(|value| json!({ "system": "http://s", "value": value.to_string() })).collect();
            json!({ "resourceType": "Patient", "id": id.to_string(), "identifier": identifiers })
        }),
        (0..6_u8, proptest::option::of(subject()))
            .prop_map(|(id, subject)| json!({ "resourceType": "Observation", "id": id.to_string(), "subject": subject })),
        (0..3_u8, proptest::collection::vec(subject(), 0..3)).prop_map(|(id, actors)| {
            let participants: Vec<_> = actors.into_iter().map(|actor| json!({ "actor": actor })).collect();
            json!({ "resourceType": "Appointment", "id": id.to_string(), "participant": participants })
        }),
        (0..3_u8, proptest::collection::vec(prop_oneof![target("Observation", 0..6), patient(), target("Binary", 0..3)], 1..3))
            .prop_map(|(id, targets)| json!({ "resourceType": "Provenance", "id": id.to_string(), "target": targets })),
        (0..3_u8, proptest::option::of(prop_oneof![patient(), target("Observation", 0..6), target("DocumentReference", 0..3)]))
            .prop_map(|(id, context)| json!({ "resourceType": "Binary", "id": id.to_string(), "securityContext": context })),
        (0..3_u8, patient(), 0..3_u8, 0..4_u8).prop_map(|(id, subject, binary, form)| {
            let url = match form {
                0 => format!("Binary/{binary}"),
                1 => format!("http://h/fhir/Binary/{binary}"),
                2 => format!("http://h/fhir/Binary/{binary}/_history/2?_format=json"),
                _ => format!("https://other.example/Binary/{binary}#1"),
            };
            json!({ "resourceType": "DocumentReference", "id": id.to_string(), "subject": subject,
                "content": [{ "attachment": { "url": url } }] })
        }),
        (0..3_u8, patient(), 0..3_u8).prop_map(|(id, subject, binary)| {
            json!({ "resourceType": "Communication", "id": id.to_string(), "subject": subject,
                "payload": [{ "contentAttachment": { "url": format!("./Binary/{binary}?_format=json") } }] })
        }),
        (0..3_u8).prop_map(|id| json!({ "resourceType": "Organization", "id": id.to_string() })),
        // Elements outside the table: of R4, and of R5 in a type that has another element in R4.
        (0..3_u8, subject()).prop_map(|(id, subject)| json!({ "resourceType": "Task", "id": id.to_string(), "for": subject })),
        (0..3_u8, proptest::option::of(patient()), proptest::option::of(subject())).prop_map(|(id, patient, subject)| {
            json!({ "resourceType": "NutritionOrder", "id": id.to_string(), "patient": patient, "subject": subject })
        }),
        (0..2_u8, patient()).prop_map(|(id, focus)| json!({ "resourceType": "MessageHeader", "id": id.to_string(), "focus": [focus] })),
        (0..2_u8, patient()).prop_map(|(id, subject)| json!({ "resourceType": "Group", "id": id.to_string(), "subject": subject })),
    ];
    (kinds, 0..4_u8, any::<u8>()).prop_map(|(mut resource, day, note)| {
        if day > 0 {
            resource["meta"] = json!({ "lastUpdated": format!("2024-01-0{day}T00:00:00Z") });
        }
        resource["note"] = Value::from(format!("/{note}"));
        resource
    })
}

/// Writes the input files.
fn write(directory: &Path, inputs: &[Input], spellings: &[usize], escaped: bool) {
    for (file, spelling) in spellings.iter().enumerate() {
        let resources: Vec<_> = inputs.iter().filter(|input| input.file == file).collect();
        let entry = |input: &&Input| {
            let id: u8 = text(&input.resource["id"]).parse().expect("a number");
            json!({ "fullUrl": urn(&text(&input.resource["resourceType"]), id), "resource": input.resource })
        };
        let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": resources.iter().map(entry).collect::<Vec<_>>() });
        let written = match spelling {
            0 => resources.iter().map(|input| input.resource.to_string() + "\n").collect(),
            1 => format!("{bundle:#}"),
            _ => bundle.to_string(),
        };
        let written = if escaped { written.replace('/', "\\/") } else { written };
        std::fs::write(directory.join(name(*spelling, file)), written).expect("written");
    }
}

/// Returns the resources that are kept, with their references.
fn kept(inputs: &[Input], spellings: &[usize]) -> BTreeMap<String, Value> {
    let mut in_order: Vec<&Input> = inputs.iter().collect();
    in_order.sort_by_key(|input| input.file);
    let named: BTreeSet<String> = in_order
        .iter()
        .filter(|input| spellings[input.file] != 0)
        .map(|input| reference(&input.resource))
        .collect();
    // Of several versions the newest is kept; of equally new ones the last.
    let mut stays: BTreeMap<String, Value> = BTreeMap::new();
    for input in in_order {
        let updated =
            |resource: &Value| resource["meta"]["lastUpdated"].as_str().unwrap_or_default().to_owned();
        let key = reference(&input.resource);
        let is_newest = stays.get(&key).is_none_or(|known| updated(&input.resource) >= updated(known));
        if is_newest {
            stays.insert(key, input.resource.clone());
        }
    }
    for resource in stays.values_mut() {
        resolve(resource, &named);
    }
    let patients: Vec<_> =
        stays.values().filter(|resource| resource["resourceType"] == "Patient").cloned().collect();
    for resource in stays.values_mut().filter(|resource| resource["resourceType"] != "Group") {
        // The subject of a NutritionOrder counts only if its patient is not known.
        let has_patient =
            resource["patient"]["reference"].as_str().is_some_and(|text| !text.starts_with("urn:"));
        for member in ["subject", "for"] {
            if let Some(element) = resource.get_mut(member).filter(|_| !has_patient) {
                find_patient(element, &patients);
            }
        }
        for participant in resource.get_mut("participant").and_then(Value::as_array_mut).into_iter().flatten()
        {
            find_patient(&mut participant["actor"], &patients);
        }
    }
    stays
}

/// Adds the reference to the only patient with the identifier that an element names.
fn find_patient(element: &mut Value, patients: &[Value]) {
    let searched =
        element["reference"].as_str().and_then(|text| text.strip_prefix("Patient?identifier=http://s|"));
    let given =
        (element["identifier"]["system"] == "http://s").then(|| element["identifier"]["value"].as_str());
    let Some(value) = searched.or(given.flatten()).map(str::to_owned) else { return };
    let has = |patient: &&Value| {
        patient["identifier"].as_array().is_some_and(|all| all.iter().any(|known| known["value"] == value))
    };
    if let [patient] = patients.iter().filter(has).collect::<Vec<_>>()[..] {
        element["reference"] = Value::from(reference(patient));
    }
}

/// Returns the expected lake: the lines of each patient, of `shared/` and of the groups.
pub(super) fn expected(stays: BTreeMap<String, Value>) -> BTreeMap<String, Vec<Value>> {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    for (key, resource) in &stays {
        let direct = patients(resource);
        let attachment = match text(&resource["resourceType"]).as_str() {
            "DocumentReference" => &resource["content"][0]["attachment"],
            "Communication" => &resource["payload"][0]["contentAttachment"],
            _ => &Value::Null,
        };
        if let Some(url) = attachment["url"].as_str() {
            let (base, rest) = url.split_once("Binary/").expect("a Binary");
            let binary = known.entry(format!("Binary/{}", &rest[..1])).or_default();
            let bases = if base.contains("://") { &mut binary.absolute } else { &mut binary.relative };
            bases.entry(base.to_owned()).or_default().extend(direct.clone());
        }
        known.entry(key.clone()).or_default().direct = direct;
    }
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, resource) in &stays {
        let mut of = known[key].sure();
        // A Provenance follows its targets, a Binary follows its security context.
        let targets = resource["target"].as_array().into_iter().flatten();
        let context = Some(&resource["securityContext"]).filter(|context| context.is_object());
        for target in targets.chain(context) {
            let Some(target) = short(&text(&target["reference"])) else { continue };
            let Some(followed) = known.get(&target) else { continue };
            // The security context of a followed Binary is not followed further, nor are owners that would count only without it.
            let context =
                stays.get(&target).and_then(|target| target["securityContext"]["reference"].as_str());
            let has_context = context.and_then(short).is_some_and(|context| !context.starts_with("Patient/"));
            of.extend(if has_context { followed.sure() } else { followed.all() });
        }
        if of.is_empty() {
            of = known[key].all();
        }
        homes.insert(key.clone(), of);
    }
    let mut lake: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (key, resource) in stays {
        let (resource_type, id) = key.split_once('/').expect("Type/id");
        let of = homes.remove(&key).unwrap_or_default();
        if resource_type == "Group" {
            lake.insert(format!("Group/{id}.json"), vec![resource]);
        } else if of.is_empty() {
            lake.entry(format!("shared/{resource_type}.ndjson")).or_default().push(resource);
        } else {
            for patient in of {
                lake.entry(format!("Patient/{patient}/records.ndjson")).or_default().push(resource.clone());
            }
        }
    }
    for lines in lake.values_mut() {
        lines.sort_by_key(|line| {
            let (resource_type, id) = (text(&line["resourceType"]), text(&line["id"]));
            (resource_type != "Patient", resource_type, id)
        });
    }
    lake
}

/// The owners of a resource that are known before other resources are followed.
#[derive(Default)]
struct Known {
    direct: BTreeSet<String>,
    /// The patients of resources that have this one as an attachment, by the base of the URL.
    relative: BTreeMap<String, BTreeSet<String>>,
    absolute: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    fn sure(&self) -> BTreeSet<String> {
        if self.direct.is_empty() {
            self.relative.values().flatten().cloned().collect()
        } else {
            self.direct.clone()
        }
    }

    /// Returns the owners including those by absolute URLs, if no other is known and all URLs are of one server.
    fn all(&self) -> BTreeSet<String> {
        let sure = self.sure();
        if sure.is_empty() && self.absolute.len() == 1 {
            self.absolute.values().flatten().cloned().collect()
        } else {
            sure
        }
    }
}

/// Returns the `Type/id` of a reference, if it has one.
fn short(reference: &str) -> Option<String> {
    let reference = reference.trim_start_matches("http://h/fhir/").trim_end_matches("/_history/2");
    (!reference.starts_with("urn:")).then(|| reference.to_owned())
}

fn resolve(value: &mut Value, named: &BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let target = value
                    .as_str()
                    .and_then(|urn| urn.strip_prefix("urn:x:"))
                    .map(|urn| urn.replace(':', "/"));
                match target.filter(|target| key == "reference" && named.contains(target)) {
                    Some(target) => *value = Value::from(target),
                    None => resolve(value, named),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(value, named)),
        _ => {}
    }
}

/// Returns the patients that a resource itself refers to as its owners.
fn patients(resource: &Value) -> BTreeSet<String> {
    if resource["resourceType"] == "Group" {
        return BTreeSet::new();
    }
    let named = |member: &str| resource[member]["reference"].clone();
    let mut references = vec![named("subject"), named("securityContext"), named("for")];
    // The subject of a NutritionOrder counts only if its patient is not known.
    if named("patient").as_str().and_then(short).is_some() {
        references = vec![named("patient")];
    }
    for (list, member) in [("participant", Some("actor")), ("target", None)] {
        for element in resource[list].as_array().into_iter().flatten() {
            references.push(member.map_or(element, |member| &element[member])["reference"].clone());
        }
    }
    let mut found: BTreeSet<_> = references
        .iter()
        .filter_map(|reference| short(reference.as_str()?)?.strip_prefix("Patient/").map(str::to_owned))
        .collect();
    if resource["resourceType"] == "Patient" {
        found.insert(text(&resource["id"]));
    }
    found
}

/// Returns whether a resource names a patient who was not found, and no other patient.
fn is_unmatched(resource: &Value) -> bool {
    let actors = resource["participant"].as_array().into_iter().flatten();
    let searches =
        |actor: &Value| actor["reference"].as_str().is_some_and(|text| text.starts_with("Patient?"));
    let names_one = ["subject", "for", "patient"].iter().any(|member| resource[*member].is_object())
        || actors.into_iter().any(|participant| searches(&participant["actor"]));
    // The subject of a NutritionOrder is in its record, and its patient was not found.
    let patient = &resource["patient"];
    let is_unresolved = patient.is_object() && patient["reference"].as_str().and_then(short).is_none();
    names_one && (patients(resource).is_empty() || is_unresolved) && resource["resourceType"] != "Group"
}

/// Returns whether a line of `shared/` refers to a patient.
fn is_referring(resource: &Value) -> bool {
    let text = resource.to_string();
    text.contains("\"reference\":\"Patient/") || text.contains("\"reference\":\"http://h/fhir/Patient/")
}

/// Returns the resources of each file of a lake, without its index.
pub(super) fn lake(root: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.extend((path != root.join("index")).then_some(path));
            } else {
                let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
                found.insert(name, json_lines(&path));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_lake_equals_that_of_the_simple_reference(
        resources in prop::collection::vec((0..3_usize, resource()), 0..40),
        spellings in prop::collection::vec(0..SPELLINGS, 3),
        escaped: bool,
    ) {
        let inputs: Vec<_> = resources.into_iter().map(|(file, resource)| Input { file, resource }).collect();
        let (directory, into) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        write(directory.path(), &inputs, &spellings, escaped);
        let read = || load(&[directory.path().to_owned()], into.path(), &ProgressBar::hidden()).expect("loaded");
        let loaded = read();
        prop_assert_eq!(&loaded.problems, &Vec::<String>::new());
        let kept = kept(&inputs, &spellings);
        let unmatched = kept.values().filter(|resource| is_unmatched(resource)).count();
        prop_assert_eq!(loaded.unmatched.count, unmatched as u64);
        let expected = expected(kept);
        let found = lake(into.path());
        prop_assert_eq!(&found, &expected);
        // The counts match the expected resources.
        let lines: usize = expected.values().map(Vec::len).sum();
        prop_assert_eq!(loaded.resources + loaded.shared + loaded.groups, lines as u64);
        let shared = expected.iter().filter(|(path, _)| path.starts_with("shared/")).flat_map(|(_, lines)| lines);
        prop_assert_eq!(loaded.referring.count, shared.filter(|line| is_referring(line)).count() as u64);
        let unplaced = expected.get("shared/Binary.ndjson").map_or(0, Vec::len);
        prop_assert_eq!(loaded.unplaced.count, unplaced as u64);
        // Loading twice changes nothing.
        read();
        prop_assert_eq!(&lake(into.path()), &expected);
    }
}
