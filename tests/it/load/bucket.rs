//! Loads into a bucket. Most of them use a directory as a store of objects, and one uses the simulated S3.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use domain::clock::SystemClock;
use domain::ports::files::{Files, read_all};
use ehi::Failure;
use ehi::index::Lake;
use ehi::load::{Bucket, Lease, Sizes, Times, load_into_bucket};
use tests::faults::{Faults, Strike};
use tests::hooked;

use super::many::SMALL;
use super::*;

/// Loads inputs into a directory that is the store of the objects of a bucket.
pub(super) fn load_into(root: &Path, inputs: &[PathBuf], sizes: Sizes) -> Result<Loaded, Failure> {
    load_with(local::files_at(root)?, root, inputs, sizes)
}

fn load_with(
    files: Arc<dyn Files>,
    root: &Path,
    inputs: &[PathBuf],
    sizes: Sizes,
) -> Result<Loaded, Failure> {
    let bucket = Bucket { files, records: local::records_at(root)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (bar, stop) = (ProgressBar::hidden(), Arc::new(AtomicBool::new(false)));
    runtime.block_on(async {
        let lease = Lease::acquire(bucket.files.clone(), expired(), &bar).await?;
        let loaded = load_into_bucket(inputs, (&bucket, &lease), &bar, &stop, sizes).await;
        lease.release().await;
        loaded
    })
}

/// Returns times by which the lock of a load that was stopped has expired when the next load begins, and that make no renewals.
pub(super) fn expired() -> Times {
    Times {
        clock: Arc::new(SystemClock),
        renewal: Duration::from_hours(1),
        lifetime: Duration::ZERO,
        watch: Duration::from_millis(1),
    }
}

fn document(patient: &str, day: u32) -> Value {
    let mut document = observation("d", patient, day);
    document["resourceType"] = json!("DocumentReference");
    document["content"] = json!([{ "attachment": { "url": "Binary/b" } }]);
    document
}

/// Returns the resources of three loads: the lake, changes of it, and resources of another patient.
fn loads() -> [Vec<Value>; 3] {
    let first = vec![
        json!({"resourceType":"Patient","id":"p1"}),
        json!({"resourceType":"Patient","id":"p2"}),
        observation("1", "p1", 1),
        observation("2", "p2", 1),
        observation("3", "p3", 1),
        document("p1", 1),
        json!({"resourceType":"Binary","id":"b"}),
        json!({"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/1"}]}),
        json!({"resourceType":"Organization","id":"same"}),
        json!({"resourceType":"Group","id":"g"}),
    ];
    // Two resources change places, one goes to a new patient, and one leaves a record empty.
    let second = vec![
        observation("1", "p2", 2),
        observation("2", "p1", 2),
        document("p4", 2),
        observation("3", "p1", 2),
        json!({"resourceType":"Group","id":"g","meta":{"lastUpdated":"2026-01-02T00:00:00Z"}}),
    ];
    [first, second, vec![json!({"resourceType":"Patient","id":"z"}), observation("z", "z", 1)]]
}

/// Writes each load to a file.
fn written(directory: &Path) -> [[PathBuf; 1]; 3] {
    let mut number = 0;
    loads().map(|resources| {
        number += 1;
        let path = directory.join(format!("{number}.ndjson"));
        std::fs::write(&path, lines(&resources)).expect("written");
        [path]
    })
}

/// Returns the lake that these loads make in a directory.
fn in_directory(loads: &[&[PathBuf; 1]]) -> BTreeMap<String, Vec<Value>> {
    let lake = tempfile::tempdir().expect("a directory");
    for inputs in loads {
        load(*inputs, lake.path(), &ProgressBar::hidden()).expect("loaded");
    }
    obvious::lake(lake.path())
}

/// Returns whether a load has left a complete list of changes.
fn has_list(root: &Path) -> bool {
    let entries = std::fs::read_dir(root.join("index/loads")).into_iter().flatten();
    entries.into_iter().any(|entry| entry.expect("an entry").path().join("changes").exists())
}

fn keys(lake: &BTreeMap<String, Vec<Value>>) -> BTreeSet<String> {
    lake.values().flatten().map(reference).collect()
}

/// Stops the second load at each of its calls to the bucket. Then loads something else, and then the second input again.
#[test]
fn the_next_load_completes_an_upload_that_was_stopped() -> tests::Result {
    let inputs = tempfile::tempdir()?;
    let [first, second, other] = written(inputs.path());
    let (complete, changed) = (in_directory(&[&first, &second]), in_directory(&[&first, &second, &other]));
    let (mut unchanged_stops, mut completed_stops) = (0, 0);
    for (strike, begin) in [(Strike::Before, 0), (Strike::After, 1)] {
        for call in (begin..).step_by(2) {
            let bucket = tempfile::tempdir()?;
            load_into(bucket.path(), &first, Sizes::default())?;
            let before = obvious::lake(bucket.path());
            let faults = Faults::at(call, strike);
            let files = hooked::files(local::files_at(bucket.path())?, faults.clone());
            let stopped = load_with(files, bucket.path(), &second, Sizes::default());
            if !faults.has_struck() {
                stopped?;
                break;
            }
            let failure = stopped.err().map(|failure| failure.to_string()).unwrap_or_default();
            let found = obvious::lake(bucket.path());
            let is_listed = has_list(bucket.path());
            if is_listed {
                completed_stops += 1;
                // The response about the list may be lost, and then nothing was replaced.
                let is_unchanged = before.iter().all(|(name, resources)| found.get(name) == Some(resources));
                assert!(
                    failure.contains("the next load into this bucket")
                        || (is_unchanged && failure.contains("no existing record was changed")),
                    "{call} {strike:?}: {failure}"
                );
            } else if found != complete {
                unchanged_stops += 1;
                assert!(
                    !failure.is_empty() && !failure.contains("the next load"),
                    "{call} {strike:?}: {failure}"
                );
                for (name, resources) in &before {
                    assert_eq!(found.get(name), Some(resources), "{call} {strike:?}: {failure}");
                }
            }
            // Between two changes, only the list and its files may have a resource.
            let has_all = keys(&found).is_superset(&keys(&before));
            assert!(is_listed || has_all, "{call} {strike:?}: a resource is lost");
            load_into(bucket.path(), &other, Sizes::default())?;
            assert!(!has_list(bucket.path()), "{call} {strike:?}");
            if is_listed {
                assert_eq!(obvious::lake(bucket.path()), changed, "{call} {strike:?}");
            }
            load_into(bucket.path(), &second, Sizes::default())?;
            assert_eq!(obvious::lake(bucket.path()), changed, "{call} {strike:?}");
        }
    }
    assert!(unchanged_stops > 10 && completed_stops >= 5, "{unchanged_stops} {completed_stops}");
    Ok(())
}

/// Loads the first input into a bucket, renews the index, and stops the second load at this call. Returns whether it was stopped.
fn stopped_at(call: i64, bucket: &Path, [first, second]: [&[PathBuf; 1]; 2]) -> Result<bool, Failure> {
    let loaded = load_into(bucket, first, Sizes::default())?;
    renew(bucket, loaded)?;
    assert!(!bucket.join("index/renewal/needed").exists());
    let faults = Faults::at(call, Strike::Before);
    let files = hooked::files(local::files_at(bucket)?, faults.clone());
    match load_with(files, bucket, second, Sizes::default()) {
        Err(failure) if !faults.has_struck() => Err(failure),
        _ => Ok(faults.has_struck()),
    }
}

/// Renews the index of patients after a load.
fn renew(bucket: &Path, loaded: Loaded) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lake = Lake::over("the bucket", local::records_at(bucket)?, local::files_at(bucket)?);
    runtime.block_on(lake.renew(loaded.changed.patients(), &ProgressBar::hidden()))
}

#[test]
fn the_next_load_renews_the_whole_index_after_one_that_was_stopped() -> tests::Result {
    let inputs = tempfile::tempdir()?;
    let [first, second, other] = written(inputs.path());
    let before = in_directory(&[&first]);
    let mut stops = 0;
    for call in (0..).step_by(2) {
        let bucket = tempfile::tempdir()?;
        if !stopped_at(call, bucket.path(), [&first, &second])? {
            break;
        }
        let is_changed = obvious::lake(bucket.path()) != before;
        stops += usize::from(is_changed);
        let next = load_into(bucket.path(), &other, Sizes::default())?;
        let is_marked = bucket.path().join("index/renewal/needed").exists();
        let again = load_into(bucket.path(), &other, Sizes::default())?;
        assert!(!is_changed || next.changed == again.changed, "{call}");
        assert!(is_marked && again.changed.patients().is_none(), "{call}: the index was not renewed");
        renew(bucket.path(), next)?;
        let last = load_into(bucket.path(), &other, Sizes::default())?;
        assert_eq!(last.changed.patients().map(|patients| patients.len()), Some(1), "{call}");
    }
    assert!(stops > 5, "{stops}");
    Ok(())
}

/// After a load was stopped, another program gives an object a newer content, which the next load must not overwrite.
#[test]
fn an_object_that_changed_after_a_load_was_stopped_is_not_overwritten() -> tests::Result {
    let inputs = tempfile::tempdir()?;
    let [first, second, other] = written(inputs.path());
    let expected = keys(&in_directory(&[&first, &second]));
    let mut stops = 0;
    for call in (0..).step_by(2) {
        let bucket = tempfile::tempdir()?;
        if !stopped_at(call, bucket.path(), [&first, &second])? {
            break;
        }
        if !has_list(bucket.path()) {
            continue;
        }
        stops += 1;
        let record = bucket.path().join("Patient/p2/records.ndjson");
        let newer = std::fs::read_to_string(&record)? + &lines(&[observation("newer", "p2", 3)]);
        std::fs::write(&record, &newer)?;
        let failure =
            load_into(bucket.path(), &other, Sizes::default()).err().map(|failure| failure.to_string());
        let failure = failure.unwrap_or_default();
        assert!(failure.starts_with("Patient/p2/records.ndjson was changed"), "{call}: {failure}");
        assert_eq!(std::fs::read_to_string(&record)?, newer, "{call}");
        assert!(has_list(bucket.path()) && !bucket.path().join("Patient/z").exists(), "{call}");
        // What the message says.
        let loads = bucket.path().join("index/loads");
        let journal = std::fs::read_dir(&loads)?.next().expect("a journal")?.path();
        std::fs::remove_file(journal.join("changes"))?;
        let copy = ["Patient", "shared", "Group"].map(|name| journal.join("new").join(name));
        let copy: Vec<_> = copy.into_iter().filter(|directory| directory.is_dir()).collect();
        load_into(bucket.path(), &copy, Sizes::default())?;
        let mut found = keys(&obvious::lake(bucket.path()));
        assert!(found.remove("Observation/newer") && found == expected, "{call}: {found:?}");
    }
    assert!(stops >= 3, "{stops}");
    Ok(())
}

#[test]
fn a_load_uploads_only_what_it_changes() -> tests::Result {
    let (inputs, bucket) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let [first, second, _] = written(inputs.path());
    load_into(bucket.path(), &first, SMALL)?;
    let modified =
        |name: &str| std::fs::metadata(bucket.path().join(name)).and_then(|found| found.modified());
    let before = modified("shared/Organization.ndjson")?;
    let moved = load_into(bucket.path(), &second, SMALL)?;
    assert_eq!((moved.scanned, moved.moved.count), (None, 4), "{:?}", moved.moved);
    assert_eq!(modified("shared/Organization.ndjson")?, before);
    assert!(!bucket.path().join("Patient/p3/records.ndjson").exists());
    assert_eq!(obvious::lake(bucket.path()), in_directory(&[&first, &second]));
    let names = std::fs::read_dir(bucket.path().join("index/homes"))?;
    let names: Vec<_> =
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for kind in ["complete-", "sorted-"] {
        assert!(names.iter().any(|name| name.starts_with(kind)), "{names:?}");
    }
    Ok(())
}

/// Returns the resources of each object of a lake.
async fn objects(files: &dyn Files) -> BTreeMap<String, Vec<Value>> {
    let mut found = BTreeMap::new();
    let mut open: Vec<_> = ["Patient/", "Group/", "shared/"].map(str::to_owned).into();
    while let Some(prefix) = open.pop() {
        for name in files.list(&prefix).await.expect("listed") {
            let key = format!("{prefix}{name}");
            if name.ends_with('/') {
                open.push(key);
                continue;
            }
            let bytes = read_all(files, &key, 1_000_000).await.expect("read");
            let text = String::from_utf8(bytes).expect("text");
            found.insert(key, text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect());
        }
    }
    found
}

/// The simulated S3 responds as slowly as the real one, so this is one story.
#[test]
fn several_loads_into_s3_make_the_lake_of_a_directory() -> tests::Result {
    use tests::simulated::names::LAKE_BUCKET;
    use tests::simulated::{Client, Simulation, Stage, platform::sdk};

    let inputs = tempfile::tempdir()?;
    let [first, second, other] = written(inputs.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let (sdk, url) = (sdk(&client).await, format!("s3://{LAKE_BUCKET}/records"));
        let files = aws::files_at(&sdk, &url, Arc::new(client.simulation().clock())).expect("a bucket");
        let bucket = Bucket { files: files.clone(), records: aws::records_at(&sdk, &url).expect("a bucket") };
        let (bar, stop) = (ProgressBar::hidden(), Arc::new(AtomicBool::new(false)));
        for (number, inputs) in [&first, &second, &other].into_iter().enumerate() {
            let lease = Lease::acquire(files.clone(), Times::default(), &bar).await.expect("no other load");
            let loaded = load_into_bucket(inputs, (&bucket, &lease), &bar, &stop, Sizes::default()).await;
            let loaded = loaded.expect("loaded");
            lease.release().await;
            assert_eq!((loaded.problem_count(), loaded.scanned), (0, None), "{number}");
        }
        assert_eq!(objects(&*files).await, in_directory(&[&first, &second, &other]));
        assert_eq!(files.list("index/loads/").await.expect("listed"), Vec::<String>::new());
        assert!(files.list("index/homes/").await.expect("listed").len() >= 2);
    });
    Ok(())
}
