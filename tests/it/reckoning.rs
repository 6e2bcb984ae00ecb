//! Random lakes and random requests: the ledger equals an independent, slow count of the lake.

use std::collections::BTreeMap;
use std::path::Path;

use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::World;

const TYPES: [&str; 4] = ["Patient", "Observation", "Condition", "Provenance"];

/// A line of a patient's record.
#[derive(Debug, Clone)]
enum Line {
    Resource { resource_type: usize, year: Option<u16>, tag: bool, is_final: bool },
    Nonsense,
    Blank,
}

#[derive(Debug, Clone)]
struct Request {
    types: Option<Vec<usize>>,
    since: Option<u16>,
    until: Option<u16>,
    only_final: bool,
    only_tagged: bool,
    elements: bool,
    by_patient: bool,
    min_file: bool,
    max_file: bool,
    all_shared: bool,
    dialect: bool,
    chunk_bytes: u64,
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        8 => (0..TYPES.len(), prop::option::of(2018u16..2024), any::<bool>(), any::<bool>())
            .prop_map(|(resource_type, year, tag, is_final)| Line::Resource { resource_type, year, tag, is_final }),
        1 => Just(Line::Nonsense),
        1 => Just(Line::Blank),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let types =
        prop::option::of(prop::sample::subsequence((0..TYPES.len()).collect::<Vec<_>>(), 1..=TYPES.len()));
    let years = (prop::option::of(2018u16..2024), prop::option::of(2018u16..2024));
    let chunk_bytes = prop_oneof![Just(1), Just(400), Just(1_000_000)];
    let flags = prop::array::uniform8(any::<bool>());
    (types, years, chunk_bytes, flags).prop_map(|(types, (since, until), chunk_bytes, flags)| {
        // `_since` must be before `_until`.
        let until = until.filter(|until| since.is_none_or(|since| since < *until));
        let [only_final, only_tagged, elements, by_patient, min_file, max_file, all_shared, dialect] = flags;
        Request {
            types,
            since,
            until,
            only_final,
            only_tagged,
            elements,
            by_patient,
            min_file,
            max_file,
            all_shared,
            dialect,
            chunk_bytes,
        }
    })
}

impl Request {
    fn query(&self) -> String {
        let mut query = Vec::new();
        if let Some(types) = &self.types {
            let names: Vec<_> = types.iter().map(|index| TYPES[*index]).collect();
            query.push(format!("_type={}", names.join(",")));
        }
        query.extend(self.since.map(|year| format!("_since={year}-01-01T00:00:00Z")));
        query.extend(self.until.map(|year| format!("_until={year}-01-01T00:00:00Z")));
        if self.filters() {
            query.push("_typeFilter=Observation%3Fstatus%3Dfinal".to_owned());
        }
        let flags = [
            (self.elements, "_elements=id"),
            (self.by_patient, "organizeOutputBy=Patient"),
            (self.min_file, "_minimumFileSize=400000"),
            (self.max_file, "_maximumFileSize=1000000"),
        ];
        query.extend(flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, text)| text.to_owned()));
        query.join("&")
    }

    fn wants(&self, resource_type: usize) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&resource_type))
    }

    /// Returns whether the request has a filter: a filter on a type that is not requested is refused.
    fn filters(&self) -> bool {
        self.only_final && self.wants(1)
    }

    /// Returns the reason why a resource is left out, if it is.
    fn reason(
        &self,
        resource_type: usize,
        year: Option<u16>,
        tag: bool,
        is_final: bool,
    ) -> Option<&'static str> {
        if !self.wants(resource_type) {
            return Some("type");
        }
        // The resource changed in the middle of its year.
        if let (Some(year), Some(until)) = (year, self.until)
            && year >= until
        {
            return Some("until");
        }
        if self.only_tagged && !tag {
            return Some("tag");
        }
        if TYPES[resource_type] == "Observation" && self.filters() && !is_final {
            return Some("filter");
        }
        match (year, self.since) {
            (Some(year), Some(since)) if year < since => Some("since"),
            _ => None,
        }
    }
}

fn resource(line: &Line, id: &str) -> String {
    match line {
        Line::Resource { resource_type, year, tag, is_final } => {
            let mut meta = json!({});
            if let Some(year) = year {
                meta["lastUpdated"] = json!(format!("{year}-06-15T00:00:00Z"));
            }
            if *tag {
                meta["security"] = json!([{ "code": "open" }]);
            }
            let status = if *is_final { "final" } else { "amended" };
            json!({ "resourceType": TYPES[*resource_type], "id": id, "meta": meta, "status": status })
                .to_string()
        }
        Line::Nonsense => "{\"resourceType\":".to_owned(),
        Line::Blank => "   ".to_owned(),
    }
}

fn write(root: &Path, name: &str, lines: &[Line]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let id = |number: usize| format!("{}-{number}", name.replace(['/', '.'], "-"));
    let text: String =
        lines.iter().enumerate().map(|(number, line)| resource(line, &id(number)) + "\n").collect();
    std::fs::write(path, text).expect("written");
}

/// Returns the expected counters: lines read, left out by reason, written, and unusable.
fn expected_counts<'l>(request: &Request, lines: impl Iterator<Item = &'l Line>) -> Value {
    let (mut read, mut written, mut problems) = (0, 0, 0);
    let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Blank => continue,
            Line::Nonsense => problems += 1,
            Line::Resource { resource_type, year, tag, is_final } => {
                match request.reason(*resource_type, *year, *tag, *is_final) {
                    Some(reason) => *left_out.entry(reason).or_default() += 1,
                    None => written += 1,
                }
            }
        }
        read += 1;
    }
    json!({
        "read": read, "written": written, "attachments": 0, "leftOut": left_out, "withheld": {},
        "duplicates": 0, "problems": problems, "made": 0,
    })
}

async fn assert_ledger(patients: &[Vec<Line>], shared: &[Line], request: &Request) {
    let directory = tempfile::tempdir().expect("a directory");
    // Without this directory the lake counts as missing.
    std::fs::create_dir(directory.path().join("Patient")).expect("a directory");
    for (number, lines) in patients.iter().enumerate() {
        write(directory.path(), &format!("Patient/p{number}/records.ndjson"), lines);
    }
    write(directory.path(), "shared/all.ndjson", shared);
    let world =
        World::with(&format!("sandbox = true\nchunk_bytes = {}", request.chunk_bytes), directory.path());
    let scopes = if request.only_tagged { "system/*.rs access/open.read" } else { "system/*.rs" };
    let token = world.service("service", scopes).await;
    let base = if request.dialect { "/4_0_0" } else { "/fhir" };
    let level = if request.all_shared { "" } else { "/Patient" };
    let kicked_off =
        world.get(&format!("{base}{level}/$export?{}", request.query())).bearer(&token).send().await;
    assert_eq!(kicked_off.status, StatusCode::ACCEPTED, "{}", kicked_off.text());
    world.work().await;
    let response = world.get(kicked_off.header("content-location")).bearer(&token).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let ledger = response.json()["extension"]["ledger"].clone();
    let shared = shared.iter().filter(|_| request.all_shared);
    let expected = expected_counts(request, patients.iter().flatten().chain(shared));
    assert_eq!(ledger["resources"], expected);
    let count = patients.len();
    assert_eq!(ledger["patients"], json!({ "planned": count, "exported": count, "absent": 0, "failed": 0 }));
    assert_eq!(ledger["problems"], json!({ "reported": expected["problems"], "unlisted": 0 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_ledger_equals_a_slow_count_of_the_lake(
        patients in prop::collection::vec(prop::collection::vec(line(), 0..8), 0..5),
        shared in prop::collection::vec(line(), 0..5),
        request in request(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(assert_ledger(&patients, &shared, &request));
    }
}
