//! The auditors' page on AWS, where a store looks at a limited number of entries for one page.

use domain::audit::{Action, Actor, Event};
use domain::ids::PatientId;
use http::StatusCode;
use platform::Platform;
use tests::simulated::account::Setup;
use tests::simulated::platform::{platform, random};
use tests::simulated::{Client, Record, Stage, run_with_large_stack};
use tests::{ANNA, World};

/// The number of entries that are newer than the one that is searched for: more than the store looks at for one page.
const NEWER: usize = 520;

/// Records one decision, and then many views of the same record.
async fn decided_long_ago(world: &World) {
    let client = Client::new(world.account().simulation(), Stage::Outside);
    let log = platform(&client, "", random(1)).await.audit().expect("the port");
    let anna = PatientId::parse(ANNA).expect("an id");
    let event = |action| Event::new(Actor::staff("ann"), action).of_patient(&anna);
    log.append(&event(Action::Approved)).await.expect("appended");
    for _ in 0..NEWER {
        log.append(&event(Action::RecordViewed)).await.expect("appended");
    }
}

async fn a_filter_finds_an_older_entry() {
    let world = World::simulated(Setup::default(), &Record::default());
    decided_long_ago(&world).await;
    let auditor = world.staff().await;
    let mut address = Some(format!("/staff/audit?patient={ANNA}&action=approved"));
    let mut pages = 0;
    while let Some(here) = address {
        let page = world.get(&here).cookie(&auditor).send().await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let page = page.text();
        let older = page.split("href=\"/staff/audit?").skip(1).find(|link| link.contains("Older entries"));
        address = older.and_then(|link| Some(format!("/staff/audit?{}", link.split_once('"')?.0)));
        address = address.map(|link| link.replace("&#38;", "&").replace("&amp;", "&"));
        pages += 1;
        if page.contains("data-label=\"Who\"") {
            assert!(pages > 1, "the entry is older than those of the first page: {page}");
            return;
        }
        assert!(!page.contains("There are no entries here."), "{page}");
        assert!(page.contains("Nothing was found among the newer entries."), "{page}");
        assert!(pages < 10, "the pages have an end");
    }
    panic!("the entry was not found on {pages} pages");
}

#[test]
fn a_page_without_entries_says_that_older_ones_are_not_looked_through() {
    run_with_large_stack(a_filter_finds_an_older_entry);
}
