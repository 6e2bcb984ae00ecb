use super::*;
use crate::database::sql;
use crate::schema::STATE;

/// A row that is damaged, or that another version wrote, does not hide other rows or stop a page.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_of_lists() {
    let database = Arc::new(Database::in_memory(STATE).expect("a database"));
    let jobs = LocalJobs::new(database.clone(), None);
    let mut ids = Vec::new();
    for second in 1..=6 {
        let job = contract::job(second, "a");
        jobs.create(&job).await.expect("created");
        ids.push(job.id().to_string());
    }
    let (text, number) = (ids[2].clone(), ids[4].clone());
    database
        .write(move |transaction| {
            transaction
                .execute("UPDATE jobs SET job = '{\"future\":{}}' WHERE id = ?", [text])
                .map_err(sql)?;
            let statement = "UPDATE jobs SET chunks_done = 'many' WHERE id = ?";
            transaction.execute(statement, [number]).map_err(sql)?;
            Ok(())
        })
        .await
        .expect("damaged");
    let (mut seen, mut query) = (Vec::new(), JobQuery { count: 1, ..JobQuery::default() });
    loop {
        let page = jobs.list(&query).await.expect("a page");
        seen.extend(page.jobs.iter().map(|stored| stored.job.id().to_string()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let expected = [ids[5].clone(), ids[3].clone(), ids[1].clone(), ids[0].clone()];
    assert_eq!(seen, expected);
    let newer = JobId::parse(&ids[2]).expect("an id");
    assert_eq!(
        jobs.get(&newer).await.expect_err("a state of a newer version").kind(),
        domain::error::Kind::Newer
    );
}

/// A new state must be added here: may a client see it before it is on the disk?
#[test]
fn states_that_clients_see_are_durable() {
    let relaxed: Vec<_> = JobState::ALL.into_iter().filter(|state| !lasts(*state)).collect();
    assert_eq!(relaxed, [JobState::Running]);
}

/// A newer version can be replaced by this one while an export runs.
#[tokio::test]
async fn a_chunk_of_a_newer_version_is_no_defect() {
    let database = Arc::new(Database::in_memory(STATE).expect("a database"));
    let jobs = LocalJobs::new(database.clone(), None);
    let job = contract::job(1, "a");
    jobs.create(&job).await.expect("created");
    let chunk = Chunk::new(ChunkId::first(0), domain::chunk::Work::Supporting, 0);
    let append = Append { at: 0, chunks: std::slice::from_ref(&chunk), plan: Plan::Ends };
    jobs.append(job.id(), append).await.expect("appended");
    database
        .write(|transaction| {
            let statement = "UPDATE chunks SET chunk = replace(chunk, 'supporting', 'teleport')";
            transaction.execute(statement, []).map_err(sql)?;
            Ok(())
        })
        .await
        .expect("changed");
    let error = jobs.chunk(job.id(), chunk.id).await.expect_err("unknown work");
    assert_eq!(error.kind(), domain::error::Kind::Newer);
    assert_eq!(
        jobs.chunks(job.id(), 0..1).await.expect_err("unknown work").kind(),
        domain::error::Kind::Newer
    );
}
