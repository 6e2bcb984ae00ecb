//! Listing the patients of a lake: the patients that are found, and the number of LIST requests.

use std::collections::BTreeSet;

use domain::ids::PatientId;
use domain::ports::records::{Entry, Member};
use futures_util::FutureExt;
use platform::Platform;
use proptest::prelude::*;
use tests::simulated::platform::{platform, random};
use tests::simulated::{Client, Simulation, Stage, run};

/// Returns the patients after the given one, and the number of LIST requests.
fn walked(patients: &[String], page: usize, holes: bool, after: Option<&PatientId>) -> (Vec<String>, u64) {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        for patient in patients {
            client.simulation().store(&format!("Patient/{patient}/records.ndjson"), "{}");
        }
        client.simulation().page(page);
        if holes {
            client.simulation().holes();
        }
        let records = platform(&client, "", random(1)).await.records().expect("the port");
        let (mut walk, mut found) = (records.entries(after), Vec::new());
        while let Some(entry) = walk.next().await.expect("an entry") {
            let Entry::Patient(Member { patient, .. }) = entry else { panic!("a stray") };
            found.push(patient.to_string());
        }
        (found, client.simulation().meter(|meter| meter.calls(&[], &["ListObjectsV2"])))
    }
    .boxed_local())
}

fn ids_of(shape: &str) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(prop::string::string_regex(shape).expect("a pattern"), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_patient_is_found_once_and_in_order(
        patients in prop_oneof![
            ids_of("[0-9a-f]{8}-[0-9a-f]{4}"), ids_of("[0-9]{1,3}"), ids_of("(clinic|ward)-00[0-9]{3}"),
            ids_of("[A-Za-z0-9.-]{1,4}"), ids_of("(0{12}|z)[a-c]{0,5}"),
        ],
        page in 1_usize..20,
        after in any::<prop::sample::Index>(),
        holes in any::<bool>(),
    ) {
        // S3 lists the keys in this order.
        let mut patients: Vec<_> = patients.into_iter().filter(|id| PatientId::parse(id).is_ok()).collect();
        patients.sort_by_key(|id| format!("{id}/"));
        prop_assume!(!patients.is_empty());
        let pages = patients.len() as u64 / page as u64;
        let (found, lists) = walked(&patients, page, false, None);
        prop_assert_eq!(&found, &patients);
        prop_assert_eq!(&walked(&patients, page, true, None).0, &patients);
        prop_assert!(lists <= pages + pages / 4 + 24, "{} LIST for {} pages", lists, pages);
        let after = after.index(patients.len());
        let (found, _) = walked(&patients, page, holes, Some(&PatientId::parse(&patients[after]).expect("an id")));
        prop_assert_eq!(&found[..], &patients[after + 1..]);
    }
}

#[test]
fn most_list_requests_return_full_pages() {
    let patients: Vec<_> = (0..5_000).map(|number| format!("p{number:05}")).collect();
    let (found, lists) = walked(&patients, 100, false, None);
    assert_eq!(found, patients);
    assert!(lists <= 58, "{lists} LIST for 50 pages");
    assert_eq!(walked(&patients[..99], 100, false, None).1, 1, "a small lake");
}
