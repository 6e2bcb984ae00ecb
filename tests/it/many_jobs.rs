//! Check 32 (`infra/docs/checks.md`): the cost of a list does not grow with the store. The requests of a list to DynamoDB are counted with
//! the simulated AWS, with 100 jobs and with 5,000. (The tests of `shared/local/src/job_rows.rs` count the steps of
//! SQLite, and `page_costs` counts the calls of a page.)

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::job::JobState;
use domain::ports::jobs::{JobQuery, Jobs};
use domain::search::Search;
use platform::Platform;
use tests::many::{hundred, job};
use tests::simulated::platform::{platform, random};
use tests::simulated::{Client, Simulation, Stage, run};

fn queries() -> BTreeMap<&'static str, JobQuery> {
    let page = |query: JobQuery| JobQuery { count: 25, ..query };
    let search = |text: &str| JobQuery { search: Some(Search::parse(text, false)), ..JobQuery::default() };
    let waiting =
        || JobQuery { states: vec![JobState::AwaitingInput], oldest_first: true, ..JobQuery::default() };
    BTreeMap::from([
        ("all", page(JobQuery::default())),
        ("a state, oldest first", page(waiting())),
        ("lindq", page(search("lindq"))),
        ("anna lindqvist", page(search("anna lindqvist"))),
        ("a letter", page(search("a"))),
        ("a birth date", page(search("1947-08-17"))),
        ("an id", page(search("p7"))),
        ("a name in a state", page(JobQuery { search: search("lindq").search, ..waiting() })),
    ])
}

/// Returns the cost of each query: the number of requests, and read units in halves.
async fn taken(client: &Client, jobs: &dyn Jobs) -> BTreeMap<&'static str, (u64, u64)> {
    let mut taken = BTreeMap::new();
    for (name, query) in queries() {
        let count = || {
            client.simulation().meter(|meter| {
                (meter.calls(&[], &["Query", "BatchGetItem", "GetItem", "Scan"]), meter.capacity().0)
            })
        };
        let before = count();
        jobs.list(&query).await.expect("a page");
        let after = count();
        taken.insert(name, (after.0 - before.0, after.1 - before.1));
    }
    taken
}

/// Returns the costs with these jobs, and the jobs.
async fn costs(numbers: impl Iterator<Item = usize>) -> (BTreeMap<&'static str, (u64, u64)>, Arc<dyn Jobs>) {
    let client = Client::new(&Simulation::new(), Stage::Outside);
    let jobs = platform(&client, "", random(1)).await.jobs().expect("the port");
    for number in numbers {
        jobs.create(&job(number, i64::try_from(number).expect("few"))).await.expect("created");
    }
    (taken(&client, &*jobs).await, jobs)
}

/// A list reads one page of an index and its jobs, and a page may have a few larger jobs. To read an index of all jobs costs 200 half units
/// more, and to read all jobs costs thousands.
#[test]
fn a_list_of_five_thousand_jobs_costs_as_little_as_one_of_a_hundred() {
    run(async {
        let (of_few, _) = costs(hundred()).await;
        let (of_many, jobs) = costs(0..5_000).await;
        for (name, of_many) in of_many {
            let of_few = of_few[name];
            // A few more jobs are read if few of those with the name have the state.
            let (most, units) = if name == "a name in a state" { (4, 150) } else { (0, 30) };
            assert!(
                of_many.0 <= of_few.0 + most && of_many.1 <= of_few.1 + units,
                "{name}: {of_many:?} requests and half units, and {of_few:?} with few jobs"
            );
        }
        let query = &queries()["lindq"];
        let found = jobs.list(query).await.expect("a page");
        assert_eq!(found.jobs.len(), 25);
        assert!(found.jobs.iter().all(|stored| {
            stored.job.header().patient.as_ref().is_some_and(|patient| patient.name == "Anna Lindqvist")
        }));
    });
}
