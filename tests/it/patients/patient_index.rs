//! The index of patients without a server: a search finds what a look at every patient finds, with few reads.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;

use domain::error::Error;
use domain::ids::PatientId;
use domain::patient_search::{Findable, PatientSearch};
use domain::ports::files::{Files, write_all};
use domain::ports::records::Records;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use storage::patient_index::{Current, Found, Kept, PageLimits, PatientIndex, add, write_in_blocks};
use storage::sorter::{Limits, Sorter};

const LIMITS: PageLimits = PageLimits { patients: 3, bytes: 4_000 };

/// A lake of one test.
struct Lake {
    directory: tempfile::TempDir,
    files: std::sync::Arc<dyn Files>,
    records: std::sync::Arc<dyn Records>,
}

impl Lake {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |path: &Path| (local::files_at(path), local::records_at(path));
        let (files, records) = at(directory.path());
        Self { files: files.expect("files"), records: records.expect("records"), directory }
    }

    /// Writes an index of these patients in blocks of `block` bytes; of those of the index `before`, who did not change.
    async fn index(
        &self,
        generation: &str,
        patients: &[Findable],
        block: u64,
        before: Option<(&Current, &HashSet<PatientId>)>,
    ) -> Current {
        let limits = Limits { run: 3_000 + patients.len() * 100, fan_in: 3 };
        let mut sorter = Sorter::new(&*self.files, "runs/", limits);
        for patient in patients {
            add(&mut sorter, patient).await.expect("added");
        }
        let mut rows = sorter.finish().await.expect("sorted");
        let kept = match before {
            Some((index, changed)) => Some(Kept::open(&*self.files, index, changed).await.expect("opened")),
            None => None,
        };
        let generation = (generation.to_owned(), Timestamp::UNIX_EPOCH);
        let made = write_in_blocks(&*self.files, generation, &mut rows, kept, block).await.expect("written");
        rows.remove().await.expect("removed");
        let text = serde_json::to_vec(&made).expect("JSON");
        write_all(&*self.files, "index/current.json", text).await.expect("written");
        made
    }

    /// Returns the patients on all pages of a search.
    async fn found(&self, text: &str) -> Vec<Findable> {
        let mut index = PatientIndex::open(&*self.records).await.expect("read").expect("an index");
        let search = PatientSearch::parse(text, false);
        let (mut all, mut page) = (Vec::new(), None);
        loop {
            let found = index.search(&search, page.as_deref(), LIMITS).await.expect("searched");
            assert!(found.patients.len() <= LIMITS.patients);
            all.extend(found.patients);
            match found.next {
                Some(next) => page = Some(next),
                None => return all,
            }
        }
    }
}

fn id(number: usize) -> PatientId {
    PatientId::parse(&format!("p-{number}")).expect("an id")
}

fn of(number: usize, resource: &Value) -> Findable {
    Findable::of_resource(id(number), resource.to_string().as_bytes())
}

/// Returns patients with names in several scripts, of which many are the same.
fn resource() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(
            &["Smith", "Smíth", "Smithson", "SMI", "Anna", "Ann", "山田", "太郎", "Ørsted"][..]
        )
        .prop_map(str::to_owned),
        prop::sample::select(
            &["\u{202e}Li\u{200f}", "O'Neil", "Oneil", "van der Berg", "-", "Σοφός", ""][..]
        )
        .prop_map(str::to_owned),
        prop::sample::select(&["Müller", "Mueller", "Ødegård", "Anne-Marie", "Annemarie", "Weiß"][..])
            .prop_map(str::to_owned),
        "[a-c]{1,3}",
    ];
    let name = prop::collection::vec(word, 0..4);
    let born = prop::option::of(prop::sample::select(&["1980", "1980-03", "1980-03-14", "1980-04-14"][..]));
    let known = prop::sample::select(&["MRN-1", "mrn 1", "MRN-10", "smith", "980314", "1980"][..]);
    let identifiers = prop::collection::vec(known.prop_map(str::to_owned), 0..3);
    let more = prop::sample::select(&[0, 0, 0, 12, 40][..]);
    (name, any::<bool>(), born, identifiers, more).prop_map(|(name, has_family, born, identifiers, more)| {
        let mut patient = match name.split_first() {
            Some((family, given)) if has_family => json!({ "name": [{ "family": family, "given": given }] }),
            _ => json!({ "name": [{ "given": name }] }),
        };
        if let Some(born) = born {
            patient["birthDate"] = json!(born);
        }
        let more = (0..more).map(|number| format!("E{number}"));
        let values = more.chain(identifiers).map(|value| json!({ "value": value }));
        patient["identifier"] = json!(values.collect::<Vec<_>>());
        patient
    })
}

const SEARCHED: [&str; 48] = [
    "oneil",
    "o'neil",
    "o neil smith",
    "vanderberg",
    "vander berg",
    "van der berg",
    "muller",
    "mueller",
    "müller 1980",
    "odegaard",
    "ødegård",
    "annemarie",
    "anne marie",
    "anna anne-marie",
    "weiss",
    "weiß a",
    "smithanna",
    "1980",
    "1980 smith",
    "5/1980",
    "e11",
    "e39 a",
    "smith",
    "SMI",
    "s",
    "a",
    "ann",
    "anna smith",
    "smith anna",
    "smíth 1980-03-14",
    "山",
    "山田 太郎",
    "li",
    "neil",
    "o neil",
    "orsted",
    "1980-03",
    "3/14/1980",
    "mrn1",
    "MRN-1",
    "mrn 1",
    "mrn1 smith",
    "p-3",
    "b c",
    "- smith",
    "berg 1980-03",
    "zzz",
    "980314",
];

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

/// Returns what a search must find, by looking at every patient.
fn scanned(patients: &BTreeMap<usize, Findable>, text: &str) -> Vec<PatientId> {
    let search = PatientSearch::parse(text, false);
    let mut found: Vec<_> =
        patients.values().filter(|patient| search.finds(patient)).map(|patient| patient.id.clone()).collect();
    found.sort();
    found
}

async fn same_as_a_scan(lake: &Lake, patients: &BTreeMap<usize, Findable>) {
    for text in SEARCHED {
        let mut found: Vec<_> = lake.found(text).await.into_iter().map(|patient| patient.id).collect();
        found.sort();
        assert_eq!(found, scanned(patients, text), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_scan_finds_each_patient_once(
        first in prop::collection::vec(resource(), 0..40),
        then in prop::collection::btree_map(0..50_usize, prop::option::of(resource()), 0..12),
        // A block has at least two lines of fences.
        block in 200_u64..900,
    ) {
        block_on(async {
            let lake = Lake::new();
            let mut patients: BTreeMap<_, _> =
                first.iter().enumerate().map(|(number, resource)| (number, of(number, resource))).collect();
            let all: Vec<_> = patients.values().cloned().collect();
            let made = lake.index("1", &all, block, None).await;
            assert_eq!(made.patients, patients.len() as u64);
            assert_eq!(
                made.without_name,
                patients.values().filter(|patient| patient.words.is_empty()).count() as u64
            );
            same_as_a_scan(&lake, &patients).await;
            // Some patients changed, some are new, and some are gone.
            let changed: HashSet<_> = then.keys().map(|number| id(*number)).collect();
            let fresh: Vec<_> = then
                .iter()
                .filter_map(|(number, resource)| Some(of(*number, resource.as_ref()?)))
                .collect();
            for (number, resource) in &then {
                match resource {
                    Some(resource) => patients.insert(*number, of(*number, resource)),
                    None => patients.remove(number),
                };
            }
            let renewed = lake.index("2", &fresh, block, Some((&made, &changed))).await;
            assert_eq!(renewed.patients, patients.len() as u64);
            same_as_a_scan(&lake, &patients).await;
            let runs = std::fs::read_dir(lake.directory.path().join("runs"));
            assert_eq!(runs.map_or(0, Iterator::count), 0, "no run is left");
        });
    }
}

/// Returns patients who are all called Smith.
fn smiths(count: usize) -> Vec<Findable> {
    let smith = |number: usize| {
        let born = format!("{}-{:02}-14", 1930 + number % 80, 1 + number % 12);
        let given = format!("{}{}", ["Adam", "Beth", "Carl"][number % 3], number % 97);
        of(number, &json!({ "name": [{ "family": "Smith", "given": [given] }], "birthDate": born }))
    };
    (0..count).map(smith).collect()
}

#[test]
fn ten_thousand_people_of_one_name_are_searched_in_pages() {
    block_on(async {
        let lake = Lake::new();
        let made = lake.index("1", &smiths(10_000), 4_000, None).await;
        assert!(made.files().count() >= 3, "{made:?}");
        let bytes: u64 = made.files().map(|(_, bytes)| bytes).sum();
        assert!(bytes > 1_500_000, "{bytes}");
        let limits = PageLimits { patients: 20, bytes: 500_000 };
        let mut index = PatientIndex::open(&*lake.records).await.expect("read").expect("an index");
        let search = PatientSearch::parse("smith", false);
        let first = index.search(&search, None, limits).await.expect("a page");
        assert_eq!((first.patients.len(), first.stopped), (20, false));
        let names: Vec<_> = first.patients.iter().map(|patient| patient.words.clone()).collect();
        assert!(names.is_sorted(), "a page is in the order of names: {names:?}");
        let then = index.search(&search, first.next.as_deref(), limits).await.expect("a page");
        assert!(then.patients.iter().all(|patient| !first.patients.contains(patient)));
        let cost = |index: &PatientIndex<'_>| {
            (index.cost().reads.load(Ordering::Relaxed), index.cost().bytes.load(Ordering::Relaxed))
        };
        let (reads, read) = cost(&index);
        assert!(reads <= 8 && read < 100_000, "{reads} reads of {read} bytes");
        // Several words read the part of the rarest one.
        let search = PatientSearch::parse("smith 1942-01-14", false);
        let found = index.search(&search, None, limits).await.expect("a page");
        assert!(!found.patients.is_empty() && !found.stopped);
        assert!(found.patients.iter().all(|patient| patient.born.as_deref() == Some("1942-01-14")));
        let (_, later) = cost(&index);
        assert!(later - read < 100_000, "{later}");
        // Where all parts are long, a search stops when it has read enough, and goes on from there.
        let (few, search) =
            (PageLimits { patients: 20, bytes: 100_000 }, PatientSearch::parse("adam beth", false));
        let (mut pages, mut stops, mut page, mut all) = (0, 0, None, Vec::new());
        loop {
            let found = index.search(&search, page.as_deref(), few).await.expect("a page");
            pages += 1;
            stops += usize::from(found.stopped);
            all.extend(found.patients.into_iter().map(|patient| patient.id));
            let Some(next) = found.next else { break };
            page = Some(next);
        }
        assert!(all.is_empty() && stops > 0 && pages == stops + 1, "{pages} pages, {stops} stops");
    });
}

#[test]
fn an_invalid_page_and_a_damaged_index_are_errors() {
    block_on(async {
        let lake = Lake::new();
        assert!(PatientIndex::open(&*lake.records).await.expect("no lake is needed").is_none());
        lake.index("1", &smiths(100), 500, None).await;
        let search = PatientSearch::parse("smith", false);
        let mut index = PatientIndex::open(&*lake.records).await.expect("read").expect("an index");
        for page in ["", "1", "1.0", "1.0.x", "1.7.0", "1.0.99999999", "1.0.3", "1.0.0.0"] {
            let refused = index.search(&search, Some(page), LIMITS).await;
            assert!(matches!(refused, Err(Error::Invalid(_))), "{page}: {refused:?}");
        }
        // The page of an earlier index begins again, and says so.
        let again = index.search(&search, Some("0.0.7"), LIMITS).await.expect("a page");
        let first = index.search(&search, None, LIMITS).await.expect("a page");
        assert_eq!(again, Found { restarted: true, ..first });
        let rows = lake.directory.path().join("index/1/rows");
        std::fs::write(&rows, "short").expect("written");
        let mut index = PatientIndex::open(&*lake.records).await.expect("read").expect("an index");
        let damaged = index.search(&search, None, LIMITS).await;
        assert!(matches!(damaged, Err(Error::Damaged(_))), "{damaged:?}");
        for (text, said) in [
            ("", "does not name an index"),
            ("{}", "does not name an index"),
            ("{\"format\":2}", "does not name an index"),
            ("{\"format\":3}", "a newer version of the program wrote it: update this program"),
        ] {
            std::fs::write(lake.directory.path().join("index/current.json"), text).expect("written");
            let damaged = PatientIndex::open(&*lake.records).await.map(|_| ()).expect_err("it is damaged");
            assert!(matches!(damaged, Error::Damaged(_)), "{text}");
            assert!(format!("{damaged} {}", damaged.causes()).contains(said), "{text}: {damaged}");
        }
    });
}

/// Its files are the same, and their rows have less.
#[test]
fn an_index_of_an_earlier_version_is_read() {
    block_on(async {
        let lake = Lake::new();
        let mut known = of(1, &json!({ "name": [{ "family": "O'Neil" }], "birthDate": "1980-05-14" }));
        known.words.retain(|word| word != "oneil");
        let made = lake.index("1", &[known], 500, None).await;
        assert!(!made.is_of_earlier_version());
        let mut current = serde_json::to_value(&made).expect("JSON");
        current["format"] = json!(1);
        let path = lake.directory.path().join("index/current.json");
        std::fs::write(path, current.to_string()).expect("written");
        let index = PatientIndex::open(&*lake.records).await.expect("read").expect("an index");
        assert!(index.current().is_of_earlier_version());
        for (text, count) in [("neil", 1), ("o'neil", 1), ("1980", 1), ("oneil", 0)] {
            assert_eq!(lake.found(text).await.len(), count, "{text}");
        }
    });
}

#[test]
fn an_empty_index_finds_no_patient() {
    block_on(async {
        let lake = Lake::new();
        let made = lake.index("1", &[], 500, None).await;
        assert_eq!(made.patients, 0);
        assert!(lake.found("a").await.is_empty() && lake.found("a b").await.is_empty());
    });
}
