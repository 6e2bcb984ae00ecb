//! The index of a lake in a bucket.

use std::sync::Arc;

use domain::ports::files::{Files, read_all, write_all};
use domain::ports::records::Records;
use indicatif::ProgressBar;
use platform::Platform;
use storage::patient_index::{PageLimits, PatientIndex};
use tests::simulated::names::LAKE_BUCKET;
use tests::simulated::platform::{platform, random, sdk};
use tests::simulated::{Client, Simulation, Stage, run};

use super::patient;

const LIMITS: PageLimits = PageLimits { patients: 10, bytes: 1_000_000 };

/// Returns the files and the records of the lake in the simulated account.
async fn lake(client: &Client) -> (Arc<dyn Files>, Arc<dyn Records>) {
    let clock = Arc::new(client.simulation().clock());
    let files = aws::files_at(&sdk(client).await, &format!("s3://{LAKE_BUCKET}"), clock).expect("a lake");
    (files, platform(client, "", random(1)).await.records().expect("the port"))
}

#[test]
fn the_index_of_a_bucket_is_made_renewed_and_cleaned() {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let (files, records) = lake(&client).await;
        let lake = ehi::index::Lake::over("the lake", records.clone(), files.clone());
        let put = async |id: &str, family: &str| {
            let text = format!("{}\n", patient(id, "Ann", family, "1980-03-14"));
            write_all(&*files, &format!("Patient/{id}/records.ndjson"), text.into_bytes())
                .await
                .expect("written");
        };
        let found = async |text: &str| {
            let mut index = PatientIndex::open(&*records).await.expect("read").expect("an index");
            let search = domain::patient_search::PatientSearch::parse(text, false);
            let found = index.search(&search, None, LIMITS).await.expect("searched");
            found.patients.into_iter().map(|patient| patient.id.to_string()).collect::<Vec<_>>()
        };
        put("a", "Smith").await;
        put("b", "Smith").await;
        let bar = ProgressBar::hidden();
        let first = lake.index_all(&bar).await.expect("made");
        assert_eq!((first.patients, found("smith").await), (2, vec!["a".to_owned(), "b".to_owned()]));
        put("b", "Jones").await;
        put("c", "Smith").await;
        let changed = ["b", "c"].map(|id| domain::ids::PatientId::parse(id).expect("an id"));
        lake.renew(Some(changed.into()), &bar).await.expect("renewed");
        assert_eq!(found("smith").await, ["a", "c"]);
        // Only some of the records were read again.
        let complete = async || {
            let index = PatientIndex::open(&*records).await.expect("read").expect("an index");
            index.current().complete()
        };
        assert_eq!(complete().await, first.made);
        assert_eq!(found("jones").await, ["b"]);
        // The previous generation stays for searches that have begun; earlier ones are removed.
        let again = lake.index_all(&bar).await.expect("made");
        assert_eq!(complete().await, again.made);
        let mut left = files.list("index/").await.expect("listed");
        left.sort();
        assert_eq!((left.len(), left.last().map(String::as_str)), (3, Some("current.json")), "{left:?}");
        assert!(!left.contains(&format!("{}/", first.generation)));
        let current = read_all(&*files, "index/current.json", 10_000).await.expect("read");
        assert!(String::from_utf8_lossy(&current).contains("\"patients\": 3"));
    });
}

/// A bucket has no lock: the store decides which of two renewals came first, and the other one begins again.
#[test]
fn renewals_of_a_bucket_at_the_same_time_lose_no_patient() {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let (files, records) = lake(&client).await;
        let bar = ProgressBar::hidden();
        let renewed = async |id: String| {
            let text = format!("{}\n", patient(&id, "Ann", "Smith", "1980-03-14"));
            let key = format!("Patient/{id}/records.ndjson");
            write_all(&*files, &key, text.into_bytes()).await.expect("written");
            let lake = ehi::index::Lake::over("the lake", records.clone(), files.clone());
            let changed = domain::ids::PatientId::parse(&id).expect("an id");
            lake.renew(Some([changed].into()), &bar).await.expect("renewed");
        };
        for round in 0..12_u64 {
            let [a, b, c] = ["a", "b", "c"].map(|part| renewed(format!("{part}{round}")));
            tokio::join!(a, b, c);
            let index = PatientIndex::open(&*records).await.expect("read").expect("an index");
            assert_eq!(index.current().patients, 3 * (round + 1));
        }
    });
}

#[tokio::test]
async fn renewals_at_the_same_time_lose_no_patient() {
    let directory = tempfile::tempdir().expect("a directory");
    let (root, bar) = (directory.path(), ProgressBar::hidden());
    let put = |id: &str| super::put(root, &patient(id, "Ann", "Smith", "1980-03-14"));
    let lake = ehi::index::Lake::open(&root.to_string_lossy()).await.expect("a lake");
    let renew = async |id: &str| {
        let changed = domain::ids::PatientId::parse(id).expect("an id");
        lake.renew(Some([changed].into()), &bar).await.expect("renewed");
    };
    let patients = async || {
        let records = local::records_at(root).expect("a lake");
        let index = PatientIndex::open(&*records).await.expect("read").expect("an index");
        index.current().patients
    };
    // At first there is no index, so both scan all records.
    for round in 0..8_u64 {
        let [first, second] = ["a", "b"].map(|half| format!("{half}{round}"));
        put(&first);
        let begun = renew(&first);
        put(&second);
        tokio::join!(begun, renew(&second));
        assert_eq!(patients().await, 2 * (round + 1));
    }
    // A scan is not published if it lacks patients that were added during the scan.
    let mut refused = 0;
    for round in 16..24_u64 {
        let id = format!("c{round}");
        let scan = async { lake.index_all(&bar).await.map_err(|failure| failure.to_string()) };
        let added = async {
            put(&id);
            renew(&id).await;
        };
        if let (Err(text), ()) = tokio::join!(scan, added) {
            assert!(text.contains("run 'ehi index' again"), "{text}");
            refused += 1;
        }
        assert_eq!(patients().await, round + 1);
    }
    assert!(refused > 0, "no scan was overtaken");
}
