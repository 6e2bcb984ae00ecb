//! The list of groups for staff on AWS: its requests do not grow with the groups and their members.

use http::StatusCode;
use tests::World;
use tests::simulated::account::Setup;
use tests::simulated::{Record, run_with_large_stack};

use crate::review::link_named;

/// The number of keys on a page of a listing of S3.
const KEYS: usize = 1_000;

async fn the_list_of_many_groups() {
    let world = World::simulated(Setup::default(), &Record::default());
    let simulation = world.account().simulation();
    let members = "{\"entity\":{\"reference\":\"Patient/a\"}},".repeat(20_000);
    let large = format!("{{\"name\":\"Large\",\"member\":[{members}{{}}]}}");
    for number in 0..2 * KEYS {
        let text = if number < 30 { large.clone() } else { "{\"name\":\"Small\"}".to_owned() };
        simulation.store(&format!("lake/Group/a{number:05}.json"), text);
    }
    let staff = world.staff().await;
    // The first request of the function reads its settings and keys.
    world.get("/staff/groups").cookie(&staff).send().await;
    let mut path = "/staff/groups".to_owned();
    for shown in ["Large", "Large", "Small"] {
        let count = |operation| simulation.meter(|meter| meter.calls(&[], &[operation]));
        let counts = || (count("ListObjectsV2"), count("GetObject"));
        let before = counts();
        let page = world.get(&path).cookie(&staff).send().await;
        let after = counts();
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 25), "{path}");
        let page = page.text();
        assert_eq!(page.matches("/export\"").count(), 25, "{page}");
        assert!(page.contains(shown), "{page}");
        path = link_named(&page, "Next page").expect("another page");
    }
}

#[test]
fn the_list_of_groups_costs_one_listing_and_25_reads() {
    run_with_large_stack(the_list_of_many_groups);
}
