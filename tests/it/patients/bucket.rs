//! The index of a lake in a bucket.

use std::sync::Arc;

use domain::ports::files::{read_all, write_all};
use indicatif::ProgressBar;
use platform::Platform;
use storage::patient_index::{PageLimits, PatientIndex};
use tests::simulated::platform::{LAKE_BUCKET, platform, random, sdk};
use tests::simulated::{Client, Simulation, Stage, run};

use super::patient;

const LIMITS: PageLimits = PageLimits { patients: 10, bytes: 1_000_000 };

#[test]
fn the_index_of_a_bucket_is_made_renewed_and_cleaned() {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let clock = Arc::new(client.simulation().clock());
        let files =
            aws::files_at(&sdk(&client).await, &format!("s3://{LAKE_BUCKET}"), clock).expect("a lake");
        let records = platform(&client, "", random(1)).await.records().expect("the port");
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
        assert_eq!(found("jones").await, ["b"]);
        // The generation before stays for searches that have begun; earlier ones go.
        lake.index_all(&bar).await.expect("made");
        let mut left = files.list("index/").await.expect("listed");
        left.sort();
        assert_eq!((left.len(), left.last().map(String::as_str)), (3, Some("current.json")), "{left:?}");
        assert!(!left.contains(&format!("{}/", first.generation)));
        let current = read_all(&*files, "index/current.json", 10_000).await.expect("read");
        assert!(String::from_utf8_lossy(&current).contains("\"patients\": 3"));
    });
}
