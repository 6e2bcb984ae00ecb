//! Check 32 (`infra/docs/checks.md`): the cost of a list does not grow with the store. The requests of a list to DynamoDB are counted with
//! the simulated AWS, with a few jobs and with 10,000. (The tests of `shared/local/src/job_rows.rs` count the steps of
//! SQLite, and `page_costs` counts the calls of a page.)

use std::collections::BTreeMap;

use domain::ids::PatientId;
use domain::job::{Job, JobState};
use domain::patient_summary::PatientSummary;
use domain::ports::jobs::{JobQuery, Jobs};
use domain::search::Search;
use domain::states::{AwaitingInput, Queued};
use platform::Platform;
use tests::simulated::platform::{platform, random};
use tests::simulated::{Client, Simulation, Stage, run};

/// The jobs of a hospital: one in a hundred is Anna's, and the other names begin with many different letters. `seconds` decides the time
/// of creation.
pub(crate) fn job(number: usize, seconds: i64) -> Job {
    let Job::Queued(Queued { mut header }) = contract::job(seconds, "p") else {
        unreachable!("it is queued")
    };
    let id = PatientId::parse(&format!("p{number}")).expect("an id");
    let letter = |place: usize| char::from(b'a' + u8::try_from(number / place % 26).expect("a letter"));
    let name = match number % 100 {
        7 => "Anna Lindqvist".to_owned(),
        _ => format!("{0}{1}{2}ia {1}{0}{2}son", letter(1), letter(26), letter(676)),
    };
    let mut summary = PatientSummary::new(id, name);
    summary.birth_date = Some(format!("{}-0{}-1{}", 1940 + number % 70, 1 + number % 9, number % 10));
    header.patient = Some(summary);
    match number % 50 {
        // Only a few wait for the patient's form.
        0 => Job::AwaitingInput(AwaitingInput { header }),
        _ => Job::Queued(Queued { header }),
    }
}

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

#[test]
fn a_list_of_ten_thousand_jobs_costs_as_little_as_one_of_a_hundred() {
    run(async {
        let client = Client::new(&Simulation::new(), Stage::Outside);
        let jobs = platform(&client, "", random(1)).await.jobs().expect("the port");
        for number in 0..10_000 {
            jobs.create(&job(number, i64::try_from(number).expect("few"))).await.expect("created");
        }
        for (name, (requests, half_units)) in taken(&client, &*jobs).await {
            // A list reads one page of an index. It reads a few more if few of the jobs with the name have the state.
            let (most, units) = if name == "a name in a state" { (8, 420) } else { (4, 200) };
            assert!(
                requests <= most && half_units <= units,
                "{name}: {requests} requests, {half_units} half units"
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
