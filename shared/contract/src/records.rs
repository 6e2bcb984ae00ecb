//! Tests of the store of records.

use std::collections::BTreeSet;

use domain::error::{Error, Store};
use domain::ids::PatientId;
use domain::ports::records::{Area, BlockReader, Entry, Member, Parts, Records};
use storage::layout::Directory;

use crate::shared_records::{line, look_again, shared_devices, shared_provenance, supporting};

/// Tests [`Records`] with the layout of records. `put` stores a file under its path.
pub async fn records(records: &dyn Records, put: impl AsyncFn(&str, &[u8])) {
    missing(records).await;
    put("Patient/other/records.ndjson", b"{}").await;
    absent(records).await;
    let large = format!("{}\n", line("Observation", "o")).repeat(40_000);
    lake(&put, &large).await;
    index(records, &put).await;
    groups(records, &put).await;
    contents(records, &large).await;
    pages(records).await;
    supporting(records, &put).await;
    shared_provenance(records, &put).await;
    shared_devices(records, &put).await;
    damaged_records(records, &put).await;
    strange_names(records, &put).await;
}

fn patient(id: &str) -> PatientId {
    PatientId::parse(id).expect("an id")
}

async fn missing(records: &dyn Records) {
    // A missing store is an error and not an empty store.
    let wanted = BTreeSet::from(["Practitioner/x".to_owned()]);
    let errors = [
        records.member(&patient("a")).await.map(|_| ()),
        records.members(None, 10).await.map(|_| ()),
        records.entries(None).next().await.map(|_| ()),
        records.parts(&patient("a")).await.map(|_| ()),
        records.parts_of(&[patient("a"), patient("b")]).await.map(|_| ()),
        records.area(Area::Groups).await.map(|_| ()),
        records.open_area(Area::Groups, "g.json").await.map(|_| ()),
        records.supporting(&wanted).await.map(|_| ()),
    ];
    for error in errors {
        assert_eq!(error.expect_err("the store is missing").store(), Some(Store::Records));
    }
}

/// Tests a store without the patient and without other resources.
async fn absent(records: &dyn Records) {
    let wanted = BTreeSet::from(["Practitioner/x".to_owned()]);
    assert_eq!(records.member(&patient("a")).await.expect("a result"), None);
    assert_eq!(records.parts(&patient("a")).await.expect("a result"), Parts::default());
    assert_eq!(records.area(Area::Groups).await.expect("a result"), []);
    assert!(matches!(records.open_area(Area::Groups, "g.json").await, Err(Error::NotFound(_))));
    assert!(records.supporting(&wanted).await.expect("a result").lines.is_empty());
}

/// Stores patients, and resources outside their records.
async fn lake(put: &impl AsyncFn(&str, &[u8]), large: &str) {
    put("Patient/b/records.ndjson", large.as_bytes()).await;
    // The gzip form of "compressed\n".
    put("Patient/b/more.ndjson.gz", GZIPPED).await;
    put("Patient/b/.DS_Store", b"x").await;
    put("Patient/b/empty.txt", b"").await;
    put("Patient/b/files/scan.png", b"png").await;
    for id in ["a", "a-b", "c", "d"] {
        put(&format!("Patient/{id}/records.ndjson"), line("Patient", id).as_bytes()).await;
    }
    put(
        "shared/Practitioner.ndjson",
        format!(
            "{}\n{}\nnonsense\n{}\n{{\"resourceType\":\"Practitioner\",\"id\":\"x\",\"active\":true}}",
            line("Practitioner", "x"),
            line("Practitioner", "y"),
            line("Practitioner", "z")
        )
        .as_bytes(),
    )
    .await;
}

async fn index(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    assert_eq!(records.index("none", None).await.expect("a result"), None);
    put("index/1/rows", b"0123456789").await;
    let index = async |range| records.index("1/rows", range).await.expect("a result").expect("bytes");
    assert_eq!(index(None).await, b"0123456789");
    assert_eq!(index(Some(2..5)).await, b"234");
    assert_eq!(index(Some(8..100)).await, b"89", "a range may end behind the file");
    assert_eq!(records.index("2/rows", Some(0..1)).await.expect("a result"), None);
}

/// Tests pages of the files of an area, and the beginning of a file.
async fn groups(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    let large = format!("{{\"name\":\"c\"{}}}", " ".repeat(600_000));
    for (name, text) in [("b.jso-1", "{}"), ("a", "{}"), ("c", &large), ("b", "{}"), ("a-b", "{}")] {
        put(&format!("Group/{name}.json"), text.as_bytes()).await;
    }
    let page = async |first: &str, count: usize| {
        let parts = records.area_from(Area::Groups, first, count).await.expect("files");
        parts.iter().map(|part| part.name.trim_end_matches(".json").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page("", 100).await, ["a-b", "a", "b.jso-1", "b", "c"], "in the order of their names");
    assert_eq!(page("", 2).await, ["a-b", "a"]);
    assert_eq!(page("b.json", 1).await, ["b"]);
    assert_eq!(page("b.json", 9).await, ["b", "c"], "from this name on");
    assert_eq!(page("a0", 1).await, ["b.jso-1"], "a name that there is not");
    assert_eq!(page("d", 9).await, [""; 0]);
    for (bytes, expected) in [(0, 0), (5, 5), (300_000, 300_000), (1_000_000, large.len())] {
        let head = records.area_head(Area::Groups, "c.json", bytes).await.expect("bytes");
        assert!(head == large.as_bytes()[..expected], "{bytes}: {}", head.len());
    }
    let missing = records.area_head(Area::Groups, "none.json", 5).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
}

/// Tests what the record of a patient contains.
async fn contents(records: &dyn Records, large: &str) {
    let parts = records.parts(&patient("b")).await.expect("parts");
    assert_eq!(
        parts.records.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(),
        ["more.ndjson.gz", "records.ndjson"]
    );
    assert_eq!(
        parts.documents.iter().map(|part| (part.name.as_str(), part.bytes)).collect::<Vec<_>>(),
        [("scan.png", 3)]
    );
    let member = records.member(&patient("b")).await.expect("a result").expect("a patient");
    assert_eq!(member.bytes, large.len() as u64 + GZIPPED.len() as u64 + 3);
    let open = |part| records.open_records(&member.patient, part);
    assert_eq!(read(open(&parts.records[0]).await.expect("open")).await, b"compressed\n");
    assert_eq!(read(open(&parts.records[1]).await.expect("open")).await, large.as_bytes());
    let document = records.open_document(&member.patient, &parts.documents[0]).await.expect("open");
    assert_eq!(read(document).await, b"png");
}

/// Tests the list of patients, page by page.
async fn pages(records: &dyn Records) {
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = records.members(after.as_deref(), 2).await.expect("a page");
        assert!(page.members.len() <= 2);
        seen.extend(page.members.into_iter().map(|member| member.patient.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["a-b", "a", "b", "c", "d", "other"],
        "every patient is listed once, in the order of prefixes"
    );
    in_turn(records, &seen).await;
}

/// Checks that the lines before the damage are read, and that the file is named.
async fn damaged_records(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    let patient = PatientId::parse("e").expect("an id");
    put("Patient/e/false.ndjson.gz", b"no gzip at all, but long enough for a header").await;
    put("Patient/e/half.ndjson.gz", &GZIPPED[..GZIPPED.len() - 9]).await;
    for part in records.parts(&patient).await.expect("parts").records {
        let mut reader = records.open_records(&patient, &part).await.expect("open");
        let mut text = Vec::new();
        let error = loop {
            match reader.read(text.clone()).await {
                Ok(more) if more.len() == text.len() => panic!("{} ends without an error", part.name),
                Ok(more) => text = more,
                Err(error) => break error,
            }
        };
        let whole = b"compressed\n";
        assert!(whole.starts_with(&text) && (part.name != "half.ndjson.gz" || text == whole), "{text:?}");
        let Error::Damaged(damage) = error else { panic!("{error:?}") };
        assert_eq!(damage.file, format!("Patient/e/{}", part.name));
    }
    put("shared/Torn.ndjson.gz", &GZIPPED[..GZIPPED.len() - 9]).await;
    look_again(records).await;
    let found = records.supporting(&BTreeSet::from(["Practitioner/x".to_owned()])).await.expect("lines");
    assert_eq!(found.lines.len(), 1, "the other files are read");
    let files: Vec<_> = found.damaged.into_iter().map(|damage| damage.file).collect();
    assert_eq!(
        files,
        ["shared/Practitioner.ndjson line 3", "shared/Torn.ndjson.gz line 1", "shared/Torn.ndjson.gz"]
    );
}

async fn read(mut reader: Box<dyn BlockReader>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all = reader.read(all).await.expect("a block");
        if all.len() == before {
            return all;
        }
    }
}

/// Checks that names that the layout does not have are listed, and that reading them returns `Damaged`. No entry with bytes is skipped.
async fn strange_names(records: &dyn Records, put: &impl AsyncFn(&str, &[u8])) {
    let patient = PatientId::parse("s").expect("an id");
    let in_record = ["Patient/s/a.NDJSON", "Patient/s/a.ndjson.GZ", "Patient/s/a.ndjson.gz.gz"];
    let in_areas = [
        ("shared/a.json", Area::Shared),
        ("shared/a.ndjson.gz.gz", Area::Shared),
        ("deleted/a.ndjson.zst", Area::Deleted),
        ("Group/a b.json", Area::Groups),
    ];
    for path in in_record.into_iter().chain(in_areas.map(|(path, _)| path)) {
        put(path, b"x").await;
    }
    let parts = records.parts(&patient).await.expect("parts");
    let member = records.member(&patient).await.expect("a result").expect("a patient");
    assert_eq!((parts.records.len(), parts.documents.len(), member.bytes), (3, 0, 3));
    let mut opened = Vec::new();
    for (path, part) in in_record.into_iter().zip(&parts.records) {
        opened.push((path, records.open_records(&patient, part).await));
    }
    for (path, area) in in_areas {
        let name = path.split_once('/').expect("a directory").1;
        let listed = records.area(area).await.expect("files");
        assert!(listed.iter().any(|part| part.name == name), "{path}: {listed:?}");
        opened.push((path, records.open_area(area, name).await));
    }
    let groups = records.area_from(Area::Groups, "", 100).await.expect("files");
    assert!(
        groups.iter().all(|part| Directory::Area(Area::Groups).has(&part.name)) && groups.len() == 5,
        "{groups:?}"
    );
    for (path, opened) in opened {
        let Err(Error::Damaged(damage)) = opened else { panic!("{path} was opened") };
        assert_eq!(damage.file, path);
    }
    look_again(records).await;
    let wanted = BTreeSet::from(["Practitioner/x".to_owned()]);
    let damaged = records.supporting(&wanted).await.expect("lines").damaged;
    for path in ["shared/a.json", "shared/a.ndjson.gz.gz"] {
        assert!(damaged.iter().any(|damage| damage.file == path), "{path}: {damaged:?}");
    }

    assert_eq!(strays(records, None).await, [""; 0]);
    for path in
        ["Patient/a b/x.ndjson", "Patient/a b/y.ndjson", "Patient/flat.ndjson", "Patient/.hidden/x.ndjson"]
    {
        put(path, b"x").await;
    }
    assert_eq!(strays(records, None).await, ["a b", "flat.ndjson"]);
    let after = PatientId::parse("a").expect("an id");
    assert_eq!(strays(records, Some(&after)).await, ["flat.ndjson"], "'a b/' comes before 'a/'");
}

/// Returns the names of the entries below `Patient/` that are not patients.
async fn strays(records: &dyn Records, after: Option<&PatientId>) -> Vec<String> {
    let is_stray = |entry| match entry {
        Entry::Stray(name) => Some(name),
        Entry::Patient(_) => None,
    };
    entries(records, after).await.into_iter().filter_map(is_stray).collect()
}

async fn entries(records: &dyn Records, after: Option<&PatientId>) -> Vec<Entry> {
    let (mut entries, mut all) = (records.entries(after), Vec::new());
    while let Some(entry) = entries.next().await.expect("an entry") {
        all.push(entry);
    }
    all
}

const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x4b, 0xce, 0xcf, 0x2d, 0x28, 0x4a, 0x2d,
    0x2e, 0x4e, 0x4d, 0xe1, 0x02, 0x00, 0xbb, 0x6d, 0x4f, 0xc8, 0x0b, 0x00, 0x00, 0x00,
];

/// Checks that the entries and the lists of files are the same as those of each patient alone, for every start and every order.
async fn in_turn(records: &dyn Records, ids: &[String]) {
    let patient = |id: &String| PatientId::parse(id).expect("an id");
    let mut expected = Vec::new();
    for id in ids {
        let member = records.member(&patient(id)).await.expect("a member").expect("a patient");
        let parts = records.parts(&member.patient).await.expect("files");
        assert_eq!(Member::of(member.patient.clone(), &parts), member);
        expected.push(member);
    }
    for from in 0..=ids.len() {
        let after = from.checked_sub(1).map(|before| patient(&ids[before]));
        let found = entries(records, after.as_ref()).await;
        assert_eq!(found, expected[from..].iter().cloned().map(Entry::Patient).collect::<Vec<_>>());
    }
    let known: Vec<_> = ids.iter().map(patient).collect();
    let unknown = |id: &str| PatientId::parse(id).expect("an id");
    let (mut mixed, mut backwards) =
        (vec![unknown("0"), unknown("a."), unknown("a-bc"), unknown("zz")], known.clone());
    mixed.extend(known.clone());
    mixed.extend(known.clone());
    backwards.reverse();
    for wanted in [known, mixed, backwards] {
        let mut left = wanted.as_slice();
        while !left.is_empty() {
            let some = records.parts_of(left).await.expect("files");
            assert!((1..=left.len()).contains(&some.len()));
            for (patient, parts) in left.iter().zip(&some) {
                assert_eq!(*parts, records.parts(patient).await.expect("files"), "{patient}");
            }
            left = &left[some.len()..];
        }
    }
}
