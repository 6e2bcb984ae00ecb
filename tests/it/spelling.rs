//! A resource has the same meaning in every JSON spelling, from `ehi load` to the exported files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::choices::RecordGroup;
use ehi::load::{Loaded, load};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tests::{World, reference, text};

const SOMEBODY: &str = "somebody";

/// Returns a lake with one patient and these lines.
fn lake(lines: &[String]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let patient = directory.path().join("Patient").join(SOMEBODY);
    std::fs::create_dir_all(&patient).expect("a directory");
    std::fs::write(patient.join("records.ndjson"), lines.join("\n")).expect("written");
    directory
}

/// Exports by the form with every part of the record and no sensitive topic; returns references, withheld counts, and problems.
async fn without_authorizations(lake: &Path) -> (BTreeSet<String>, Value, Vec<String>) {
    let world = World::with("sandbox = true", lake);
    let token = world.token(SOMEBODY).await;
    let job = world.kick_off(&token, "/auto-approve", SOMEBODY).await;
    let parameters: BTreeMap<_, _> =
        RecordGroup::ALL.into_iter().map(|group| (group.key(), json!({ "enabled": true }))).collect();
    let taken = world
        .post(&job)
        .bearer(&token)
        .json(&json!({ "parameters": parameters, "authorizations": {} }))
        .send();
    assert_eq!(taken.await.status, http::StatusCode::OK);
    world.work().await;
    let metadata = world.get(&format!("{job}/metadata")).bearer(&token).send().await.json();
    let exported = world.resources(&token, &job).await.iter().map(reference).collect();
    let manifest = world.status(&token, &job).await.json();
    let mut problems = Vec::new();
    for file in manifest["error"].as_array().expect("a list") {
        let lines = world.get(&text(&file["url"])).bearer(&token).send().await.lines();
        problems.extend(lines.iter().map(|outcome| text(&outcome["issue"][0]["diagnostics"])));
    }
    (exported, metadata["withheld"].clone(), problems)
}

#[tokio::test]
async fn a_label_withholds_a_resource_in_every_spelling() {
    let lines = [
        r#"{"resourceType":"Patient","id":"somebody"}"#,
        r#"{"resourceType":"Condition","id":"open","meta":{"security":[{"code":"N"}]}}"#,
        r#"{"resourceType":"Condition","id":"plain","meta":{"security":[{"code":"HIV"}]}}"#,
        r#"{"resourceType":"Condition","id":"escaped-value","meta":{"security":[{"code":"\u0048IV"}]}}"#,
        r#"{"resourceType":"Condition","id":"escaped-names","m\u0065ta":{"\u0073ecurity":[{"\u0063ode":"HIV"}]}}"#,
        r#"{"resourceType":"Condition","id":"lower-case","meta":{"security":[{"code":" hiv "}]}}"#,
        r#"{"resourceType":"Condition","id":"no-list","meta":{"security":{"code":"HIV"}}}"#,
        r#"{"resourceType":"Condition","id":"contained","contained":[{"resourceType":"Basic","meta":{"security":[{"code":"HIV"}]}}]}"#,
    ];
    let directory = lake(&lines.map(str::to_owned));
    let (exported, withheld, problems) = without_authorizations(directory.path()).await;
    assert_eq!(exported, ["Condition/open", "Patient/somebody"].map(str::to_owned).into());
    assert_eq!(withheld["hiv"], 6, "{withheld}");
    assert_eq!(problems, Vec::<String>::new());
}

#[tokio::test]
async fn unreliably_readable_resources_are_withheld_and_reported_with_their_documents() {
    let document = |number: usize, more: &str| {
        format!(
            r#"{{"resourceType":"DocumentReference","id":"d{number}",{more},"content":[{{"attachment":{{"url":"Binary\/b{number}"}}}}]}}"#
        )
    };
    let uncertain = [
        document(1, r#""meta":{},"meta":{"security":[{"code":"HIV"}]}"#),
        document(2, r#""meta":{"security":["HIV"]}"#),
        document(3, r#""meta":{"security":[{"code":7}]}"#),
        document(4, r#""meta":{"security":[{"display":"HIV"}]}"#),
        document(5, r#""meta":"restricted""#),
        document(6, r#""meta":{"security":[{"code":"HIV"}]},"#),
    ];
    let mut lines = vec![r#"{"resourceType":"Patient","id":"somebody"}"#.to_owned()];
    lines.extend(uncertain);
    lines.extend(
        (1..=7).map(|number| format!(r#"{{"resourceType":"Binary","id":"b{number}","data":"aGk="}}"#)),
    );
    let directory = lake(&lines);
    let (exported, _, problems) = without_authorizations(directory.path()).await;
    assert_eq!(problems.len(), 6, "{problems:#?}");
    for (number, problem) in (2..).zip(&problems) {
        assert!(problem.contains(&format!("records.ndjson line {number}:")), "{problem}");
    }
    assert!(problems[0].contains("the member 'meta' more than once"), "{problems:?}");
    assert!(problems[1].contains("security label"), "{problems:?}");
    // Only the seventh Binary is described: no withheld resource refers to it.
    let described: Vec<_> = exported.iter().filter(|reference| reference.starts_with("Document")).collect();
    assert_eq!((exported.len(), described.len()), (2, 1), "{exported:?}");
}

/// Returns the resources of two patients and those that they refer to, as input of `ehi load`.
fn resources() -> Vec<Value> {
    let mut all = vec![
        json!({ "resourceType": "Organization", "id": "org", "partOf": { "reference": "Organization/net" } }),
        json!({ "resourceType": "Organization", "id": "net", "name": "a/b \"c\"\n" }),
        json!({ "resourceType": "Practitioner", "id": "doc", "name": [{ "family": "Zoë 😀" }] }),
    ];
    for patient in ["somebody", "other"] {
        let subject = json!({ "reference": format!("Patient/{patient}") });
        all.extend([
            json!({ "resourceType": "Patient", "id": patient, "managingOrganization": { "reference": "Organization/org" } }),
            json!({ "resourceType": "Observation", "id": format!("o-{patient}"), "subject": subject, "performer": [{ "reference": "http://h/fhir/Practitioner/doc" }] }),
            json!({ "resourceType": "Provenance", "id": format!("v-{patient}"), "target": [{ "reference": format!("Observation/o-{patient}") }] }),
            json!({ "resourceType": "DocumentReference", "id": format!("d-{patient}"), "subject": subject, "content": [{ "attachment": { "url": format!("Binary/b-{patient}") } }] }),
            json!({ "resourceType": "Binary", "id": format!("b-{patient}"), "contentType": "text/plain", "data": "aGk/" }),
        ]);
    }
    all
}

/// Respells JSON: with escaped slashes as PHP writes it, or with every letter escaped.
fn respelled(text: &str, all: bool) -> String {
    let mut spelled = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            '/' if !all => spelled.push_str("\\/"),
            letter if in_string && !escaped && all && letter != '"' && letter != '\\' => {
                let units = letter.encode_utf16(&mut [0; 2]).to_vec();
                spelled.extend(units.iter().map(|unit| format!("\\u{unit:04X}")));
            }
            other => spelled.push(other),
        }
        in_string ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
    }
    spelled
}

fn loaded(name: &str, text: &str, into: &Path) -> Loaded {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(name), text).expect("written");
    load(&[directory.path().to_owned()], into, &ProgressBar::hidden()).expect("loaded")
}

/// Returns every file of a lake, with its resources.
fn files(lake: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = BTreeMap::new();
    let mut open = vec![lake.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // The index has no resources.
                open.extend((path != lake.join("index")).then_some(path));
                continue;
            }
            let name = path.strip_prefix(lake).expect("within").display().to_string();
            files.insert(name, tests::json_lines(&path).iter().map(Value::to_string).collect());
        }
    }
    files
}

async fn exported(lake: &Path) -> BTreeSet<String> {
    let world = World::with("sandbox = true", lake);
    let token = world.token(SOMEBODY).await;
    let job = world.exported(&token, SOMEBODY).await;
    let text = |resource: &Value| {
        // Resources of the server's own have different URLs in every export.
        let mut resource = resource.clone();
        resource["content"].take();
        resource.to_string()
    };
    world.resources(&token, &job).await.iter().map(text).collect()
}

#[tokio::test]
async fn load_and_export_are_the_same_for_every_spelling() -> tests::Result {
    let resources = resources();
    let lines: Vec<_> = resources.iter().map(Value::to_string).collect();
    let entries: Vec<_> = resources.iter().map(|resource| json!({ "resource": resource })).collect();
    // `entry` comes before `resourceType`.
    let bundle = |pretty: bool| {
        let bundle = json!({ "entry": entries, "resourceType": "Bundle", "type": "collection" });
        if pretty { format!("{bundle:#}") } else { bundle.to_string() }
    };
    let plain = tempfile::tempdir()?;
    assert_eq!(loaded("all.ndjson", &lines.join("\n"), plain.path()).problems, Vec::<String>::new());
    let (expected_files, expected) = (files(plain.path()), exported(plain.path()).await);
    assert_eq!(
        expected_files.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "Patient/other/records.ndjson",
            "Patient/somebody/records.ndjson",
            "shared/Organization.ndjson",
            "shared/Practitioner.ndjson"
        ]
    );
    assert_eq!(expected.len(), 7, "{expected:#?}");
    for (name, text) in [
        ("php.ndjson", respelled(&lines.join("\r\n \r\n"), false)),
        ("all.ndjson", format!("\u{feff}{}", respelled(&lines.join("\r\n"), true))),
        ("php.json", respelled(&bundle(false), false)),
        ("all.json", format!("\u{feff}{}", respelled(&bundle(true), true))),
    ] {
        let lake = tempfile::tempdir()?;
        let loaded = loaded(name, &text, lake.path());
        assert_eq!((loaded.problems, loaded.patients), (Vec::new(), 2), "{name}");
        assert_eq!(files(lake.path()), expected_files, "{name}");
        assert_eq!(exported(lake.path()).await, expected, "{name}");
    }
    Ok(())
}

#[test]
fn a_list_in_a_json_file_is_not_a_bundle_whatever_the_position_of_its_type() -> tests::Result {
    let list = json!({ "entry": [{ "item": { "reference": "Observation/o" } }, {}], "resourceType": "List", "id": "l" });
    let lake = tempfile::tempdir()?;
    let loaded = loaded("list.json", &format!("{list:#}"), lake.path());
    assert_eq!(loaded.problems, Vec::<String>::new());
    assert_eq!(files(lake.path())["shared/List.ndjson"], [list.to_string()].into());
    Ok(())
}
