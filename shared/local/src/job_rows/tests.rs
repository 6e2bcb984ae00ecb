use std::sync::Arc;

use rusqlite::StatementStatus;

use super::*;
use crate::jobs::LocalJobs;
use crate::schema::STATE;

/// For every list, SQLite seeks to a position in an index and reads on: it reads no other rows and sorts nothing.
#[test]
fn every_list_reads_an_index_in_its_order() {
    let database = Database::in_memory(STATE).expect("a database");
    let position = || Some(format!("1700000000000.{}", domain::ids::JobId::of_no_job()));
    for index in [
        Index::All,
        Index::State(JobState::InReview),
        Index::Owner("app  ".to_owned()),
        Index::Patient("p".to_owned()),
        Index::Search("name:lin".to_owned()),
    ] {
        for oldest_first in [false, true] {
            for (above, below) in [(None, None), (position(), None), (None, position())] {
                let span = Span { above, below, oldest_first };
                let (statement, values) = select(&index, &span, 26);
                assert_eq!(statement, select(&index, &span, 27).0, "the limit is a parameter");
                let plan: Vec<String> = database
                    .read(|connection| {
                        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
                        explain.query_map(params_from_iter(values), |row| row.get("detail"))?.collect()
                    })
                    .expect("a plan");
                assert!(
                    matches!(&plan[..], [only] if only.starts_with("SEARCH") && only.contains('>') && only.contains('<')),
                    "{index:?}: {plan:?}"
                );
            }
        }
    }
}

/// Returns a database with jobs of one patient and one client, all in one state.
async fn with_jobs(count: i64) -> Arc<Database> {
    use domain::ports::jobs::Jobs as _;

    let database = Arc::new(Database::in_memory(STATE).expect("a database"));
    let jobs = LocalJobs::new(database.clone(), None);
    for seconds in 0..count {
        jobs.create(&contract::job(seconds, "anna")).await.expect("created");
    }
    database
}

/// Check 32 of the pages: a page of any list takes exactly as many steps of SQLite with many jobs as with a few.
#[tokio::test]
async fn a_page_takes_the_same_steps_with_ten_thousand_jobs_as_with_a_hundred() {
    let (few, many) = (with_jobs(100).await, with_jobs(10_000).await);
    let one = contract::job(0, "anna");
    let mut indexes = vec![
        Index::All,
        Index::State(one.state()),
        Index::Owner(one.header().owner.key()),
        Index::Patient("anna".to_owned()),
    ];
    indexes.extend(search::rows(&one).into_iter().map(|row| Index::Search(row.key)));
    let middle = || Some(position(contract::job(50, "anna").header()));
    for index in indexes {
        for (above, below, oldest_first) in
            [(None, None, false), (middle(), None, true), (None, middle(), false)]
        {
            let (statement, values) = select(&index, &Span { above, below, oldest_first }, 26);
            let page = |database: &Database| {
                let read = database.read(|connection| {
                    let mut select = connection.prepare(&statement)?;
                    let rows = select.query_map(params_from_iter(&values), row)?.count();
                    Ok((rows, select.get_status(StatementStatus::VmStep)))
                });
                read.expect("a page")
            };
            let (rows, steps) = page(&few);
            assert!(rows == 26 && steps > 26, "{index:?}: {rows} rows in {steps} steps");
            assert_eq!(page(&many), (rows, steps), "{index:?}");
        }
    }
}

/// Jobs in a database of an earlier version are found like others.
#[tokio::test]
async fn jobs_that_an_earlier_version_stored_are_found() {
    use domain::ports::jobs::{JobQuery, Jobs as _};

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.sqlite");
    let open = || LocalJobs::new(Arc::new(Database::open(&path, STATE).expect("opened")), None);
    let known = contract::job(1, "anna");
    open().create(&known).await.expect("created");
    let old = rusqlite::Connection::open(&path).expect("a database");
    old.execute_batch(
            "ALTER TABLE jobs DROP COLUMN done_at; DROP TABLE mails; DROP TABLE job_search; DROP INDEX jobs_by_state; DROP INDEX jobs_by_patient;
             INSERT INTO jobs (id, version, state, owner, created_at, job) VALUES ('x', 1, 'queued', '', 1, '{}');
             PRAGMA user_version = 3;",
        )
        .expect("an earlier version");
    drop(old);
    let search = search::Search::parse("a na", false);
    let query = JobQuery { search: Some(search), count: 9, ..JobQuery::default() };
    let found = open().list(&query).await.expect("a page").jobs;
    assert_eq!(found.iter().map(|stored| stored.job.id()).collect::<Vec<_>>(), [known.id()]);
}
