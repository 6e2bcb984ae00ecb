//! The search for patients of the record store: which words find a patient, and how the index and `ehi index` work.

#[cfg(feature = "aws")]
mod bucket;
mod groups;
mod last_export;
mod patient_index;

use std::path::Path;

use domain::ports::audit::{AuditQuery, all};
use futures_util::TryStreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BRUNO, TestResponse, World, both_hosts};
use web::audit_event::audit_event;

use crate::program::{ehi, printed, run};
use crate::review::link;

/// Returns the page of a search; `text` is urlencoded.
async fn search(world: &World, staff: &TestResponse, text: &str) -> String {
    let page = world.get(&format!("/staff/patients?q={text}")).cookie(staff).send().await;
    assert_eq!(page.status, StatusCode::OK, "{text}: {}", page.text());
    page.text()
}

/// Returns the ids of the patients on a page, in their order.
fn ids(page: &str) -> Vec<String> {
    let links = page.split("/staff/patients/").skip(1);
    links.filter_map(|link| Some(link.split_once("/export\"")?.0.to_owned())).collect()
}

const NOBODY: &str = "Nobody found";

fn put(lake: &Path, patient: &Value) {
    let directory = lake.join("Patient").join(patient["id"].as_str().expect("an id"));
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("records.ndjson"), format!("{patient}\n")).expect("written");
}

fn patient(id: &str, given: &str, family: &str, born: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "birthDate": born,
        "name": [{ "given": [given], "family": family }], "identifier": [{ "value": format!("MRN-{id}") }] })
}

fn index(lake: &Path) {
    let made = run(ehi().arg("index").arg(lake));
    assert!(made.status.success(), "{}", printed(&made));
}

#[both_hosts(alone)]
async fn staff_find_patients_by_name_birth_date_and_identifier(world: World) {
    let staff = world.staff().await;
    for text in [
        "lindqvist",
        "LIND+ann",
        "l",
        "%C3%A1nna",
        "1961-04-12",
        "4%2F12%2F1961+anna",
        "lind+1961-04",
        "1961",
        "4%2F1961",
        "lind+qvist",
        "mrn+1000",
        "MRN-1000+lind",
        "Anna-Lindqvist",
        ANNA,
        "Patient%2Fanna-lindqvist",
        "%E2%80%AEanna%E2%80%AC",
    ] {
        let page = search(&world, &staff, text).await;
        assert_eq!(ids(&page), [ANNA], "{text}: {page}");
        assert!(page.contains("April 12, 1961") && page.contains("complete as of "), "{text}: {page}");
    }
    for text in ["lind+bruno", "indqvist", "anna+1961-04-13", "mrn", "1962"] {
        let page = search(&world, &staff, text).await;
        assert!(ids(&page).is_empty() && page.contains("Nobody found."), "{text}: {page}");
    }
    for text in ["%25", "%F0%9F%98%80", "%E2%80%8F"] {
        assert!(search(&world, &staff, text).await.contains("Type a letter or a digit."), "{text}");
    }
    let nothing = search(&world, &staff, "++").await;
    assert!(ids(&nothing).is_empty() && !nothing.contains("Nobody found."), "{nothing}");
    let wrong = world.get("/staff/patients?q=anna&page=x").cookie(&staff).send().await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_search_is_recorded_without_its_words_and_is_for_reviewers() {
    let world = World::new();
    let staff = world.staff().await;
    search(&world, &staff, "mrn-1001").await;
    world.advance(1);
    search(&world, &staff, "mrn-99").await;
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*world.platform().audit(), query).try_collect().await.expect("entries");
    let mut searches: Vec<_> =
        entries.iter().filter(|entry| entry.event.object.as_deref() == Some("search of patients")).collect();
    searches.sort_by_key(|entry| entry.at);
    let shown =
        searches.iter().map(|entry| entry.event.shown.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(shown.collect::<Vec<_>>(), [vec![BRUNO.to_owned()], Vec::new()]);
    assert!(!format!("{entries:?}").to_lowercase().contains("mrn"), "{entries:?}");
    let of_auditor = audit_event(searches[0], "https://ehi.example.org");
    let patients = of_auditor["entity"].as_array().expect("entities").iter();
    let patients: Vec<_> = patients.filter_map(|entity| entity["what"]["reference"].as_str()).collect();
    assert_eq!(patients, [format!("Patient/{BRUNO}")]);
}

#[tokio::test]
async fn without_an_index_the_page_says_how_to_make_one_and_an_id_is_found() {
    let lake = tempfile::tempdir().expect("a directory");
    put(lake.path(), &patient("a1", "Ann", "Smith", "1980-03-14"));
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let page = search(&world, &staff, "smith").await;
    assert!(ids(&page).is_empty() && page.contains("ehi index") && !page.contains(NOBODY), "{page}");
    assert_eq!(ids(&search(&world, &staff, "a1").await), ["a1"]);
    index(lake.path());
    assert_eq!(ids(&search(&world, &staff, "smith").await), ["a1"]);
    assert!(search(&world, &staff, "smithe").await.contains(NOBODY));
    let rows = std::fs::read_dir(lake.path().join("index")).expect("an index");
    let rows = rows.map(|entry| entry.expect("an entry").path().join("rows")).find(|rows| rows.is_file());
    std::fs::write(rows.expect("rows"), "").expect("damaged");
    let page = search(&world, &staff, "smith").await;
    assert!(ids(&page).is_empty() && page.contains("cannot be read") && !page.contains(NOBODY), "{page}");
    assert_eq!(ids(&search(&world, &staff, "a1").await), ["a1"]);
    // The store cannot read the index.
    let current = lake.path().join("index/current.json");
    std::fs::remove_file(&current).expect("removed");
    std::fs::create_dir(&current).expect("a directory");
    let page = search(&world, &staff, "a1").await;
    assert!(ids(&page) == ["a1"] && page.contains("cannot be read"), "{page}");
}

#[tokio::test]
async fn a_hit_is_compared_with_the_record_as_it_is_now() {
    let lake = tempfile::tempdir().expect("a directory");
    for (id, given) in [("a", "Ann"), ("b", "Bea"), ("c", "Cem"), ("d", "Dan")] {
        put(lake.path(), &patient(id, given, "Smith", "1980-03-14"));
    }
    put(lake.path(), &json!({ "resourceType": "Patient", "id": "nameless", "birthDate": "1980-03-14" }));
    let mut merged = patient("e", "Eve", "Smith", "1980");
    merged["active"] = json!(false);
    merged["link"] = json!([{ "other": { "reference": "Patient/a" }, "type": "replaced-by" }]);
    put(lake.path(), &merged);
    index(lake.path());
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    assert_eq!(ids(&search(&world, &staff, "smith").await), ["a", "b", "c", "d", "e"]);
    let of_march = ids(&search(&world, &staff, "1980-03").await);
    assert_eq!(
        of_march.len(),
        6,
        "the one without a name, and the one of whom only the year is known: {of_march:?}"
    );
    assert_eq!(ids(&search(&world, &staff, "name").await).len(), 0, "an id is no name");
    std::fs::remove_dir_all(lake.path().join("Patient/b")).expect("removed");
    put(lake.path(), &patient("c", "Cem", "Jones", "1980-03-14"));
    let page = search(&world, &staff, "smith").await;
    assert_eq!(ids(&page), ["a", "d", "e"]);
    assert!(page.contains("2 patients are left out") && page.contains("Replaced by a"), "{page}");
    std::fs::remove_dir_all(lake.path().join("Patient/nameless")).expect("removed");
    let page = search(&world, &staff, "nameless").await;
    assert!(page.contains("One patient is left out") && !page.contains(NOBODY), "{page}");
    index(lake.path());
    let page = search(&world, &staff, "smith").await;
    assert!(ids(&page).len() == 3 && !page.contains("left out"), "{page}");
    assert_eq!(ids(&search(&world, &staff, "jones").await), ["c"]);
}

#[tokio::test]
async fn many_patients_of_one_name_are_shown_page_by_page() {
    let lake = tempfile::tempdir().expect("a directory");
    for number in 0..45 {
        put(lake.path(), &patient(&format!("s{number:02}"), &format!("A{number:02}"), "Smith", "1980"));
    }
    index(lake.path());
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let (mut all, mut pages) = (Vec::new(), Vec::new());
    let mut next = Some("/staff/patients?q=smith".to_owned());
    while let Some(path) = next {
        assert!(pages.len() < 5, "{pages:?}");
        let page = world.get(&path).cookie(&staff).send().await.text();
        pages.push(ids(&page).len());
        all.extend(ids(&page));
        let links = page.split("href=\"/staff/patients?q=smith&#38;page=").skip(1);
        // The links to other languages contain the page as well; they are skipped.
        let mut links = links.filter_map(|link| link.split('"').next()).filter(|page| !page.contains('&'));
        next = links.next().map(|page| format!("/staff/patients?q=smith&page={page}"));
    }
    assert_eq!(pages, [25, 20]);
    assert!(all.is_sorted() && all.len() == 45, "each once, in the order of names: {all:?}");
    // The page of a list that another index has replaced is the first one of the new list.
    let first = world.get("/staff/patients?q=smith").cookie(&staff).send().await.text();
    let second = link(&first, "q=smith&page=");
    let renewed = "The index was renewed meanwhile";
    let page = async || world.get(&second).cookie(&staff).send().await.text();
    assert!(!page().await.contains(renewed));
    index(lake.path());
    let page = page().await;
    assert!(page.contains(renewed) && ids(&page) == ids(&first), "{page}");
}

/// The patient whose id is typed comes first, and is not listed again among those whose names have the words.
#[tokio::test]
async fn a_patient_who_is_found_by_id_is_listed_once() {
    let lake = tempfile::tempdir().expect("a directory");
    for number in 0..30 {
        let (id, given) = (format!("s{number:02}"), format!("A{number:02}"));
        put(lake.path(), &patient(&id, &given, "Patient Smith", "1980"));
    }
    put(lake.path(), &patient("smith", "Zoe", "Patient Smith", "1980"));
    index(lake.path());
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let first = search(&world, &staff, "Patient%2Fsmith").await;
    let second = world.get(&link(&first, "q=Patient%2Fsmith&page=")).cookie(&staff).send().await.text();
    assert_eq!(ids(&first)[0], "smith");
    let mut all = [ids(&first), ids(&second)].concat();
    assert_eq!(all.iter().filter(|id| *id == "smith").count(), 1, "{all:?}");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 31, "{all:?}");
    assert!(!second.contains("left out"), "{second}");
}

#[tokio::test]
async fn names_in_other_spellings_and_all_identifiers_are_found() {
    let lake = tempfile::tempdir().expect("a directory");
    put(lake.path(), &patient("a", "Anne-Marie", "O'Brien", "1980-03-14"));
    put(lake.path(), &patient("b", "Jörg", "van der Müller", "1980"));
    let mut merged = patient("c", "Ann", "Smith", "1990");
    let identifiers: Vec<_> = (0..35).map(|number| json!({ "value": format!("H-{number}") })).collect();
    merged["identifier"] = json!(identifiers);
    put(lake.path(), &merged);
    let made = run(ehi().arg("index").arg(lake.path()));
    assert!(
        printed(&made).contains("3 identifiers and 0 words of names are not in the index"),
        "{}",
        printed(&made)
    );
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    for (text, expected) in [
        ("obrien", &["a"][..]),
        ("o%27brien", &["a"]),
        ("o+brien+annemarie", &["a"]),
        ("vandermueller+joerg", &["b"]),
        ("van+der+muller", &["b"]),
        ("1980", &["a", "b"]),
        ("h-31", &["c"]),
        ("h-32", &[]),
    ] {
        let mut found = ids(&search(&world, &staff, text).await);
        found.sort();
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn an_index_of_an_earlier_version_is_searched_and_the_page_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let lake = directory.path().join("lake");
    for id in ["a", "b"] {
        put(&lake, &patient(id, "Ann", "O'Brien", "1980-03-14"));
    }
    index(&lake);
    let current = lake.join("index/current.json");
    let edited = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&current).expect("an index");
        assert!(text.contains(from), "{text}");
        std::fs::write(&current, text.replace(from, to)).expect("written");
    };
    edited("\"format\": 2", "\"format\": 1");
    let world = World::with("sandbox = true", &lake);
    let staff = world.staff().await;
    let earlier = "An earlier version of the program made the index";
    let page = search(&world, &staff, "brien").await;
    assert!(page.contains(earlier) && ids(&page) == ["a", "b"], "{page}");
    // Renewing a part of it makes all of it again.
    let input = directory.path().join("in.ndjson");
    std::fs::write(&input, patient("c", "Ann", "O'Brien", "1980-03-14").to_string()).expect("written");
    let loaded = run(ehi().arg("load").arg(&input).arg("--into").arg(&lake));
    assert!(loaded.status.success(), "{}", printed(&loaded));
    let page = search(&world, &staff, "brien").await;
    assert!(!page.contains(earlier) && ids(&page) == ["a", "b", "c"], "{page}");
    edited("\"format\": 2", "\"format\": 3");
    let page = search(&world, &staff, "brien").await;
    assert!(page.contains("cannot be read") && page.contains("ehi index"), "{page}");
    index(&lake);
    assert_eq!(ids(&search(&world, &staff, "brien").await), ["a", "b", "c"]);
}

#[tokio::test]
async fn loading_renews_the_index_for_the_patients_it_wrote() {
    let directory = tempfile::tempdir().expect("a directory");
    let (input, lake) = (directory.path().join("in.ndjson"), directory.path().join("lake"));
    let load = |patients: &[Value]| {
        let text = patients.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        std::fs::write(&input, text).expect("written");
        let loaded = run(ehi().arg("load").arg(&input).arg("--into").arg(&lake));
        assert!(loaded.status.success(), "{}", printed(&loaded));
    };
    let versioned = |id: &str, family: &str, at: &str| {
        let mut patient = patient(id, "Ann", family, "1980-03-14");
        patient["meta"] = json!({ "lastUpdated": at });
        patient
    };
    load(&[versioned("a", "Smith", "2024-01-01T00:00:00Z"), versioned("b", "Smith", "2024-01-01T00:00:00Z")]);
    let world = World::with("sandbox = true", &lake);
    let staff = world.staff().await;
    assert_eq!(ids(&search(&world, &staff, "smith").await), ["a", "b"]);
    load(&[versioned("b", "Jones", "2025-01-01T00:00:00Z"), versioned("c", "Smith", "2025-01-01T00:00:00Z")]);
    let page = search(&world, &staff, "smith").await;
    assert!(ids(&page) == ["a", "c"] && !page.contains("left out"), "{page}");
    assert_eq!(ids(&search(&world, &staff, "jones").await), ["b"]);
    // The lake that is loaded into another one has an index, which the loader does not read.
    let copy = directory.path().join("copy");
    let loaded = run(ehi().arg("load").arg(&lake).arg("--into").arg(&copy));
    assert!(loaded.status.success(), "{}", printed(&loaded));
    let rows = |lake: &Path| {
        let entries = std::fs::read_dir(lake.join("index")).expect("an index");
        let rows = entries.filter_map(|entry| std::fs::read(entry.ok()?.path().join("rows")).ok());
        rows.max().expect("rows")
    };
    assert_eq!(rows(&copy).len(), rows(&copy).len());
    index(&lake);
    assert_eq!(rows(&copy), rows(&lake), "renewing makes what indexing makes");
}

#[test]
fn the_sample_patients_have_the_index_that_the_program_makes() {
    let sample = ehi::defaults::sample_records();
    let copy = tempfile::tempdir().expect("a directory");
    for file in tests::lake::files(&sample).iter().filter(|file| !file.starts_with("index/")) {
        let path = copy.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::copy(sample.join(file), path).expect("copied");
    }
    index(copy.path());
    let rows = |lake: &Path| {
        let current = std::fs::read_to_string(lake.join("index/current.json")).expect("an index");
        let current: Value = serde_json::from_str(&current).expect("JSON");
        let generation = current["generation"].as_str().expect("a generation").to_owned();
        let rows = std::fs::read_to_string(lake.join("index").join(generation).join("rows"));
        (current["format"].clone(), rows.expect("rows"))
    };
    assert_eq!(rows(&sample), rows(copy.path()), "run 'ehi index infra/local/sample'");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_stop_the_index_or_the_search() {
    let lake = tempfile::tempdir().expect("a directory");
    for (id, given) in [("a", "Ann"), ("b", "Bea")] {
        put(lake.path(), &patient(id, given, "Smith", "1980-03-14"));
    }
    index(lake.path());
    // The link points to itself, so the file is listed but cannot be opened.
    let file = lake.path().join("Patient/b/records.ndjson");
    std::fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("records.ndjson", &file).expect("a link");
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let page = search(&world, &staff, "smith").await;
    assert!(ids(&page) == ["a"] && page.contains("left out"), "{page}");
    index(lake.path());
    assert_eq!(ids(&search(&world, &staff, "smith").await), ["a"]);
}
