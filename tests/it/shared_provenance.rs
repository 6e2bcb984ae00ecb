//! Provenance in `shared/`: it is exported together with its target resources in `shared/` (contract, sections 1 and 2).

use std::collections::BTreeSet;

use export_generator::{ShardSizes, Sizes};
use serde_json::{Value, json};
use tests::{World, text};

use crate::supporting::{bulk, ehi, exported, lake, lines, named, of_patient, shared};

fn at(year: u32) -> Value {
    json!({ "lastUpdated": format!("{year}-01-01T00:00:00Z") })
}

fn provenance(id: &str, year: u32, targets: &[&str]) -> Value {
    let targets: Vec<_> = targets.iter().map(|target| json!({ "reference": target })).collect();
    json!({
        "resourceType": "Provenance", "id": id, "meta": at(year), "recorded": format!("{year}-01-01T00:00:00Z"),
        "target": targets, "agent": [{ "who": { "reference": format!("Organization/wrote-{id}") } }],
    })
}

fn organization(id: &str) -> (String, Value) {
    shared(json!({ "resourceType": "Organization", "id": id, "meta": at(2020) }))
}

/// Returns a patient with a new observation by a practitioner of an organization; all other resources are old.
fn clinic() -> Vec<(String, Value)> {
    let mut resources = vec![
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann", "meta": at(2020) })),
        of_patient(
            "ann",
            json!({ "resourceType": "Observation", "id": "new", "meta": at(2025), "subject": { "reference": "Patient/ann" },
            "performer": [{ "reference": "Practitioner/doc" }] }),
        ),
        shared(json!({ "resourceType": "Practitioner", "id": "doc", "meta": at(2020),
            "qualification": [{ "issuer": { "reference": "Organization/school" } }] })),
        organization("school"),
        shared(provenance("first", 2021, &["Practitioner/doc"])),
        shared(provenance("second", 2022, &["Practitioner/doc", "Organization/school"])),
        shared(provenance("third", 2023, &["Organization/school", "Organization/not-of-ann"])),
        // This is how `ehi load` stores a reference to another server.
        shared(provenance("absolute", 2020, &["https://other.example/fhir/Practitioner/doc/_history/1"])),
        // The last resource with this id has another target.
        shared(provenance("moved", 2024, &["Practitioner/doc"])),
        shared(provenance("moved", 2024, &["Practitioner/nobody"])),
        shared(provenance("unrelated", 2024, &["Practitioner/nobody"])),
        organization("not-of-ann"),
        // This one has the author of another Provenance as its target.
        shared(provenance("author", 2024, &["Organization/wrote-first"])),
    ];
    for id in ["first", "second", "third", "absolute", "author"] {
        resources.push(organization(&format!("wrote-{id}")));
    }
    resources
}

/// The resources of an export that includes all Provenance about the practitioner and the school, and its authors.
const ALL: [&str; 13] = [
    "Observation/new",
    "Practitioner/doc",
    "Organization/school",
    "Provenance/first",
    "Provenance/second",
    "Provenance/third",
    "Provenance/absolute",
    "Provenance/author",
    "Organization/wrote-first",
    "Organization/wrote-second",
    "Organization/wrote-third",
    "Organization/wrote-absolute",
    "Organization/wrote-author",
];

#[tokio::test]
async fn provenance_of_shared_is_exported_with_its_targets() {
    let directory = lake(&clinic());
    let world = World::with("sandbox = true", directory.path());
    let latest = [
        "Observation/new",
        "Practitioner/doc",
        "Organization/school",
        "Provenance/second",
        "Provenance/third",
        "Organization/wrote-second",
        "Organization/wrote-third",
    ];
    let types = "_type=Observation,Practitioner,Organization";
    for (query, expected) in [
        (format!("{types},Provenance"), &ALL[..]),
        (format!("{types}&includeAssociatedData=RelevantProvenanceResources"), &ALL),
        (format!("{types}&includeAssociatedData=LatestProvenanceResources"), &latest),
        // Its age does not matter, as for the practitioner.
        (format!("{types},Provenance&_since=2024-06-01T00:00:00Z"), &ALL),
        (types.to_owned(), &ALL[..3]),
        // Its targets are not exported.
        ("_type=Observation,Organization,Provenance".to_owned(), &ALL[..1]),
        (format!("{types},Provenance&_until=2020-06-01T00:00:00Z"), &[]),
    ] {
        for at_once in [1, 2, 200] {
            let path = format!("/fhir/Patient/$export?{query}&fetchResourceBatchSize={at_once}");
            assert_eq!(bulk(&world, "system/*.rs", &path).await, named(expected), "{path}");
        }
    }
}

/// The author of a Provenance is exported after the latest Provenance of the school, which is about both of them.
#[tokio::test]
async fn the_latest_provenance_of_one_resource_is_also_that_of_a_resource_that_is_found_later() {
    let mut resources = clinic();
    resources.push(organization("wrote-both"));
    let mut doctor = provenance("doctor", 2023, &["Practitioner/doc"]);
    doctor["agent"][0]["who"]["reference"] = json!("Organization/late");
    resources.push(shared(doctor));
    resources.push(organization("late"));
    resources.push(shared(provenance("both", 2024, &["Organization/school", "Organization/late"])));
    resources.push(shared(provenance("older", 2022, &["Organization/late"])));
    let directory = lake(&resources);
    let expected = [
        "Observation/new",
        "Practitioner/doc",
        "Organization/school",
        "Provenance/both",
        "Provenance/doctor",
        "Organization/wrote-both",
        "Organization/late",
    ];
    for (references, messages) in [(100_000, 20_000), (1, 1), (2, 1), (3, 4)] {
        let shards = ShardSizes { references, messages };
        let sizes = Sizes { shards, ..Sizes::default() };
        let world = World::with("sandbox = true", directory.path()).in_parts_of(sizes);
        for at_once in [1, 200] {
            let path = format!(
                "/fhir/Patient/$export?_type=Observation,Practitioner,Organization&includeAssociatedData=LatestProvenanceResources&fetchResourceBatchSize={at_once}"
            );
            assert_eq!(bulk(&world, "system/*.rs", &path).await, named(&expected), "{path} with {sizes:?}");
        }
    }
}

#[tokio::test]
async fn older_provenance_of_shared_is_counted_as_left_out() {
    let directory = lake(&clinic());
    let world = World::with("sandbox = true", directory.path());
    let path =
        "/fhir/Patient/$export?includeAssociatedData=LatestProvenanceResources&fetchResourceBatchSize=2";
    let manifest = exported(&world, path).await;
    let resources = &manifest["extension"]["ledger"]["resources"];
    // Read are the patient's two resources, the practitioner, the school, the authors of the two latest Provenance, and five Provenance.
    // Left out are the first one, the absolute one, and the one with another target now, which occurs twice.
    assert_eq!(resources["leftOut"], json!({ "provenance": 3 }), "{resources}");
    assert_eq!((&resources["read"], &resources["written"]), (&json!(12), &json!(8)), "{resources}");
}

#[tokio::test]
async fn new_provenance_is_exported_although_its_target_is_left_out_by_since() {
    let resources = [
        of_patient("ann", json!({ "resourceType": "Patient", "id": "ann", "meta": at(2020) })),
        of_patient(
            "ann",
            json!({ "resourceType": "Encounter", "id": "old", "meta": at(2020),
            "participant": [{ "individual": { "reference": "Practitioner/doc" } }] }),
        ),
        shared(json!({ "resourceType": "Practitioner", "id": "doc", "meta": at(2020) })),
        shared(provenance("new", 2025, &["Practitioner/doc"])),
        shared(provenance("old", 2021, &["Practitioner/doc"])),
        organization("wrote-new"),
        organization("wrote-old"),
    ];
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let path = "/fhir/Patient/$export?_since=2024-01-01T00:00:00Z";
    let expected = named(&["Provenance/new", "Organization/wrote-new"]);
    assert_eq!(bulk(&world, "system/*.rs", path).await, expected);
    for kind in ["RelevantProvenanceResources", "LatestProvenanceResources"] {
        let path = format!("{path}&includeAssociatedData={kind}");
        assert_eq!(bulk(&world, "system/*.rs", &path).await, named(&[]), "{kind}");
    }
}

#[tokio::test]
async fn an_ehi_export_has_provenance_of_shared_if_the_patient_chose_it() {
    let mut resources = clinic();
    let mut sensitive = provenance("sensitive", 2021, &["Practitioner/doc"]);
    sensitive["meta"]["security"] = json!([{ "code": "PSY" }]);
    resources.push(shared(sensitive));
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let choices = |medical_record: bool| {
        json!({ "parameters": { "labs": { "enabled": true }, "billing": { "enabled": true },
            "medicalRecord": { "enabled": medical_record } } })
    };
    let with_patient = |names: &[&str]| &named(names) | &named(&["Patient/ann"]);
    let found = ehi(&world, "ann", &choices(true)).await;
    assert_eq!(found, with_patient(&ALL));
    // The people that left-out resources refer to are always exported, and so are those that they refer to.
    let found = ehi(&world, "ann", &choices(false)).await;
    assert!(found.contains("Practitioner/doc"), "{found:?}");
    assert!(!found.iter().any(|name| name.starts_with("Provenance/")), "{found:?}");
}

#[tokio::test]
async fn provenance_of_shared_that_names_a_patients_resource_is_reported_and_not_exported() {
    let referring = json!({ "reference": "Practitioner/doc" });
    for performer in [json!([referring]), json!([])] {
        let resources = [
            of_patient("ann", json!({ "resourceType": "Patient", "id": "ann" })),
            of_patient("ann", json!({ "resourceType": "Observation", "id": "o", "performer": performer })),
            of_patient("bob", json!({ "resourceType": "Patient", "id": "bob" })),
            shared(json!({ "resourceType": "Practitioner", "id": "doc" })),
            shared(provenance("patients", 2021, &["Observation/o"])),
            shared(provenance("mixed", 2021, &["Practitioner/doc", "Patient/bob"])),
        ];
        let directory = lake(&resources);
        let world = World::with("sandbox = true", directory.path());
        for (path, is_reported) in [
            ("/fhir/Patient/$export", true),
            ("/fhir/Patient/$export?_type=Patient,Provenance", true),
            ("/fhir/Patient/$export?includeAssociatedData=LatestProvenanceResources", true),
            ("/fhir/Patient/$export?_type=Patient,Observation,Practitioner", false),
        ] {
            let manifest = exported(&world, path).await;
            let problems = lines(&world, &manifest, "OperationOutcome").await;
            assert_eq!(problems.len(), usize::from(is_reported), "{path}: {problems:?}");
            for outcome in problems {
                let issue = &outcome["issue"][0];
                assert_eq!(issue["severity"], "warning");
                assert!(text(&issue["diagnostics"]).contains("of patients: 2."), "{issue}");
            }
            let ledger = &manifest["extension"]["ledger"];
            assert_eq!(ledger["problems"]["reported"], u64::from(is_reported), "{path}: {ledger}");
            assert_eq!(lines(&world, &manifest, "Provenance").await, [Value::Null; 0], "{path}");
        }
        let manifest = exported(&world, "/fhir/$export").await;
        assert_eq!(manifest["error"], json!([]), "a system export has everything of shared/");
        let token = world.token("ann").await;
        let job = world.exported(&token, "ann").await;
        let found = world.resources(&token, &job).await;
        assert!(found.iter().all(|resource| resource["resourceType"] != "Provenance"), "{found:?}");
    }
}

/// A patient's Provenance refers to its author. A system export already contains the author as part of `shared/`.
#[tokio::test]
async fn a_patients_provenance_does_not_export_its_author_twice() {
    let mut resources = clinic();
    resources.push(of_patient("ann", provenance("own", 2025, &["Observation/new"])));
    resources.push(organization("wrote-own"));
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    for kind in ["Relevant", "Latest"] {
        let path = format!("/fhir/$export?includeAssociatedData={kind}ProvenanceResources");
        // Each resource occurs once.
        let found = bulk(&world, "system/*.rs", &path).await;
        assert!(found.is_superset(&named(&["Provenance/own", "Organization/wrote-own"])), "{found:?}");
    }
}

/// Returns a lake with Provenance about the practitioner and a Medication: a private one, one with a private version, another one, and one
/// that is not there. A MedicationRequest may refer to the private one.
fn with_private_medication(is_referred_to: bool) -> tempfile::TempDir {
    let medication = |id: &str, label: &str| {
        let meta = json!({ "security": [{ "code": label }] });
        shared(json!({ "resourceType": "Medication", "id": id, "meta": meta }))
    };
    let mut resources = clinic();
    for id in ["private", "plain", "twice", "missing"] {
        let targets = ["Practitioner/doc", &format!("Medication/{id}")];
        resources.push(shared(provenance(&format!("about-{id}"), 2022, &targets)));
        resources.push(organization(&format!("wrote-about-{id}")));
    }
    resources.extend(
        [("private", "PSY"), ("plain", "N"), ("twice", "PSY"), ("twice", "N")]
            .map(|(id, label)| medication(id, label)),
    );
    let mut chained = provenance("chained", 2022, &["Organization/wrote-about-private"]);
    chained["agent"] = json!([]);
    resources.push(shared(chained));
    for (id, other) in [("of-provenance", "about-private"), ("of-that", "of-provenance")] {
        let targets = ["Practitioner/doc", &format!("Provenance/{other}")];
        resources.push(shared(provenance(id, 2022, &targets)));
    }
    if is_referred_to {
        let medication = json!({ "reference": "Medication/private" });
        let request =
            json!({ "resourceType": "MedicationRequest", "id": "r", "medicationReference": medication });
        resources.push(of_patient("ann", request));
    }
    lake(&resources)
}

/// A Provenance names its targets. So it is not exported if one of them is withheld, also if the export does not refer to that one.
#[tokio::test]
async fn provenance_about_a_withheld_resource_is_withheld() {
    let of_private = named(&[
        "Provenance/about-private",
        "Organization/wrote-about-private",
        "Provenance/about-twice",
        "Organization/wrote-about-twice",
        "Provenance/chained",
    ]);
    let of_others = named(&[
        "Provenance/about-plain",
        "Organization/wrote-about-plain",
        "Provenance/about-missing",
        "Organization/wrote-about-missing",
    ]);
    for (is_referred_to, is_authorized, withheld) in [
        (false, false, json!(2)),
        (true, false, json!(3)),
        (false, true, Value::Null),
        (true, true, Value::Null),
    ] {
        let directory = with_private_medication(is_referred_to);
        let world = World::with("sandbox = true", directory.path());
        let token = world.token("ann").await;
        let job = world.kick_off(&token, "/auto-approve", "ann").await;
        let choices = json!({ "parameters": { "labs": { "enabled": true }, "medicalRecord": { "enabled": true } },
            "authorizations": { "mentalHealth": { "value": is_authorized } } });
        world.post(&job).bearer(&token).json(&choices).send().await;
        world.work().await;
        let found: BTreeSet<_> = world.resources(&token, &job).await.iter().map(tests::reference).collect();
        assert!(found.is_superset(&of_others), "{found:?}");
        // Provenance about Provenance may be about a patient, so it is not exported from shared/ at all.
        let of_provenance = named(&["Provenance/of-provenance", "Provenance/of-that"]);
        assert!(found.is_disjoint(&of_provenance), "{found:?}");
        let expected = if is_authorized { of_private.clone() } else { BTreeSet::new() };
        assert_eq!(&found & &of_private, expected, "{found:?}");
        let manifest = world.status(&token, &job).await.json();
        let counted = &manifest["extension"]["ledger"]["resources"]["withheld"]["mentalHealth"];
        assert_eq!(*counted, withheld, "{manifest}");
    }
}

/// The labels of very many targets are not read, so nobody knows whether one of them is private.
#[tokio::test]
async fn provenance_with_too_many_targets_is_reported() {
    let targets: Vec<_> = std::iter::once("Practitioner/doc".to_owned())
        .chain((0..1_000).map(|number| format!("Location/{number}")))
        .collect();
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let mut resources = clinic();
    resources.push(shared(provenance("import", 2022, &targets)));
    let directory = lake(&resources);
    let world = World::with("sandbox = true", directory.path());
    let token = world.token("ann").await;
    let job = world.kick_off(&token, "/auto-approve", "ann").await;
    let choices =
        json!({ "parameters": { "labs": { "enabled": true }, "medicalRecord": { "enabled": true } } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    world.work().await;
    let found = world.resources(&token, &job).await;
    assert!(found.iter().all(|resource| resource["id"] != "import"), "{found:?}");
    let manifest = world.status(&token, &job).await.json();
    let error = text(&manifest["error"][0]["url"]);
    let problems = world.get(&error).bearer(&token).send().await.text();
    assert!(problems.contains("Provenance/import in shared/ has more than 1000 targets"), "{problems}");
    assert_eq!(manifest["extension"]["ledger"]["resources"]["problems"], 1, "{manifest}");
}
