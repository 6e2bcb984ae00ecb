//! Tests the chunks of [`Jobs`]: the plan grows only at its end, and each result is counted once.

use std::sync::Arc;

use domain::chunk::{Chunk, ChunkResult, Covered, OutputFile, Purpose, Work};
use domain::dated::DaysByType;
use domain::error::Error;
use domain::ids::{Attempt, ChunkId, JobId, PatientId};
use domain::ledger::{Ledger, Patients, Reason};
use domain::pack::{IndexPlace, Location, PackRange};
use domain::ports::jobs::{Append, DoneChunk, Jobs, MAX_APPENDED, Plan};
use domain::sensitive::Sensitive;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::job;

/// The time at which the chunks of the tests are finished.
const DONE_AT: Timestamp = Timestamp::UNIX_EPOCH;

fn chunk(index: u32, bytes: u64) -> Chunk {
    let patient = PatientId::parse(&format!("p{index}")).expect("an id");
    Chunk::new(ChunkId::first(index), Work::Patients(vec![patient]), bytes)
}

fn result(attempt: u8) -> ChunkResult {
    let patients = Patients { planned: 1, exported: 1, absent: 0, failed: 0 };
    let mut ledger = Ledger { patients, ..Ledger::default() };
    (ledger.resources.read, ledger.resources.written) = (u64::MAX, 7);
    for reason in Reason::ALL {
        ledger.resources.left_out.add(reason, 3);
    }
    ledger.resources.withheld = Sensitive::ALL.into_iter().map(|category| (category, 2)).collect();
    ChunkResult {
        attempt: Attempt::from_bytes([attempt; 8]),
        files: vec![OutputFile {
            purpose: Purpose::Output,
            resource_type: "Patient".to_owned(),
            key: "k".to_owned(),
            place: Some(PackRange { offset: 5, length: 60, gzip: true }),
            count: 7,
            size: 70,
            sha256: "00".to_owned(),
        }],
        ledger: Some(ledger),
        references: Some(Location::object("r".to_owned())),
        existing: None,
        attachments: Some(IndexPlace { offset: 65, length: 9, sha256: "11".to_owned() }),
        days: DaysByType::default(),
        bytes_read: 10,
    }
}

async fn append(jobs: &dyn Jobs, id: &JobId, chunks: &[Chunk], at: u32, plan: Plan) -> Option<u32> {
    let progress = jobs.append(id, Append { at, chunks, plan }).await.expect("a result")?;
    let (end, sent) = (progress.plan_end, progress.plan_sent);
    assert_eq!((end as usize, sent), (at as usize + chunks.len(), at));
    assert_eq!(progress.plan_complete, plan != Plan::Continues);
    Some(end)
}

pub(super) async fn chunks(jobs: Arc<dyn Jobs>) {
    plan(&*jobs).await;
    results(jobs.clone()).await;
    many(jobs).await;
}

/// Checks that, if two appends start at the same place, the second one is refused, even if its chunks differ.
async fn plan(jobs: &dyn Jobs) {
    let job = job(50, "c");
    let id = job.id().clone();
    jobs.create(&job).await.expect("created");
    let first = [chunk(0, 10), chunk(1, 20)];
    assert_eq!(append(jobs, &id, &first, 0, Plan::HasEnded).await, None, "the plan has not ended");
    assert_eq!(append(jobs, &id, &first, 1, Plan::Continues).await, None, "the plan ends at 0");
    assert_eq!(append(jobs, &id, &first, 0, Plan::Continues).await, Some(2));
    assert_eq!(
        append(jobs, &id, &[chunk(0, 7)], 0, Plan::Continues).await,
        None,
        "nothing is appended twice"
    );
    assert_eq!(append(jobs, &id, &[chunk(2, 5)], 2, Plan::Ends).await, Some(3));
    for plan in [Plan::Continues, Plan::Ends] {
        assert_eq!(append(jobs, &id, &[chunk(3, 5)], 3, plan).await, None, "the plan has ended");
    }
    let progress = jobs.get(&id).await.expect("a result").expect("a job").progress;
    assert_eq!((progress.chunks_planned, progress.bytes_planned, progress.plan_complete), (3, 35, true));
    let kept = jobs.chunk(&id, ChunkId::first(1)).await.expect("a result").expect("a chunk");
    assert_eq!((kept.chunk, kept.result), (chunk(1, 20), None));
    assert_eq!(jobs.chunk(&id, ChunkId::first(3)).await.expect("a result"), None);
    assert_eq!(append(jobs, &id, &[chunk(3, 0)], 3, Plan::HasEnded).await, Some(4));
    jobs.remove(&id).await.expect("removed");
    for plan in [Plan::Continues, Plan::Ends, Plan::HasEnded] {
        let append = jobs.append(&id, Append { at: 0, chunks: &first, plan }).await;
        assert!(matches!(append, Err(Error::NotFound(_))), "no chunk is added to a removed job");
    }
    assert_eq!(jobs.chunk(&id, ChunkId::first(0)).await.expect("a result"), None);
}

async fn results(jobs: Arc<dyn Jobs>) {
    let job = job(51, "c");
    let id = job.id().clone();
    jobs.create(&job).await.expect("created");
    let planned = [chunk(0, 10), chunk(1, 20), chunk(2, 5)];
    append(&*jobs, &id, &planned, 0, Plan::Ends).await.expect("appended");

    // If many deliveries finish one chunk at once, one of them is recorded and counted.
    let racing = (0..20).map(|attempt| {
        let (jobs, id) = (jobs.clone(), id.clone());
        tokio::spawn(async move {
            jobs.finish_chunk(&id, done(&chunk(0, 10), &result(attempt), None)).await.expect("a result")
        })
    });
    let finished = join_all(racing).await;
    let recorded = finished.iter().flatten().filter(|finished| finished.recorded).count();
    assert_eq!(recorded, 1);
    let stored = jobs.get(&id).await.expect("a result").expect("a job");
    assert_eq!(
        (stored.progress.chunks_done, stored.progress.bytes_done, stored.progress.resources),
        (1, 10, 7)
    );
    assert_eq!(stored.progress.last_done_at, Some(DONE_AT));
    assert_eq!(stored.version, 1, "counting does not change the version");
    let peeked = jobs.peek(&id).await.expect("a result").expect("a job");
    assert_eq!(*peeked, stored, "peek returns the counters");

    // The chunk for the remaining patients is added when the chunk is finished. Its bytes were planned with that chunk.
    let rest = Chunk::new(ChunkId::first(1).rest(), Work::Supporting, 13);
    for _ in 0..2 {
        let finished =
            jobs.finish_chunk(&id, done(&planned[1], &result(1), Some(&rest))).await.expect("finished");
        assert_eq!((finished.progress.chunks_planned, finished.progress.bytes_planned), (4, 35));
        assert!(finished.recorded, "a repeated call finds its own attempt");
    }
    let stored = jobs.chunk(&id, ChunkId::first(1)).await.expect("a result").expect("a chunk");
    assert_eq!(stored.result, Some(result(1)), "the stored result is complete, with its ledger");
    for open in [&rest, &planned[2]] {
        jobs.finish_chunk(&id, done(open, &result(2), None)).await.expect("finished");
    }
    assert!(jobs.get(&id).await.expect("a result").expect("a job").progress.all_done());
    let results = jobs.results(&id, 1..3).await.expect("results");
    let results: Vec<_> = results.into_iter().map(|stored| (stored.chunk, stored.covered)).collect();
    let (one, supporting) = (Covered::Patients(1), Covered::Supporting);
    assert_eq!(results, [(planned[1].id, one.clone()), (rest.id, supporting), (planned[2].id, one)]);
    for _ in 0..2 {
        jobs.remove(&id).await.expect("removed");
    }
    assert_eq!(jobs.get(&id).await.expect("a result"), None);
    assert_eq!(jobs.peek(&id).await.expect("a result"), None);
    assert!(!jobs.is_running(&id).await.expect("a result"));
    assert_eq!(jobs.chunk(&id, ChunkId::first(0)).await.expect("a result"), None);
    let late = jobs.finish_chunk(&id, done(&planned[0], &result(1), None)).await;
    assert!(matches!(late, Err(Error::NotFound(_))));
}

/// Returns the end of an attempt at a chunk.
fn done<'c>(chunk: &'c Chunk, result: &'c ChunkResult, rest: Option<&'c Chunk>) -> DoneChunk<'c> {
    DoneChunk { chunk, result, rest, at: DONE_AT }
}

/// Tests more chunks than fit into one part of a store: all are returned in order and counted together.
async fn many(jobs: Arc<dyn Jobs>) {
    const MANY: u32 = 75;
    let job = job(52, "c");
    let id = job.id().clone();
    jobs.create(&job).await.expect("created");
    let all: Vec<_> = (0..MANY).map(|index| chunk(index, 10)).collect();
    for chunks in all.chunks(MAX_APPENDED) {
        let at = chunks[0].id.index;
        let plan = if at + 20 < MANY { Plan::Continues } else { Plan::Ends };
        append(&*jobs, &id, chunks, at, plan).await.expect("appended");
    }
    // One chunk has twelve further parts. Their ids as texts are not in order.
    let mut rest = all[30].clone();
    for _ in 0..12 {
        let next = Chunk::new(rest.id.rest(), Work::Groups, 0);
        jobs.finish_chunk(&id, done(&rest, &result(1), Some(&next))).await.expect("finished");
        rest = next;
    }
    let ids = |from, to| (from..to).map(ChunkId::first);
    let parts = (0..=12).map(|part| ChunkId { index: 30, part });
    let expected: Vec<_> = ids(10, 30).chain(parts.clone()).chain(ids(31, 45)).collect();
    let stored = jobs.chunks(&id, 10..45).await.expect("chunks");
    assert_eq!(stored.iter().map(|stored| stored.chunk.id).collect::<Vec<_>>(), expected);
    let with_result = stored.iter().filter(|stored| stored.result.is_some()).map(|stored| stored.chunk.id);
    assert_eq!(with_result.collect::<Vec<_>>(), parts.clone().take(12).collect::<Vec<_>>());
    let results = jobs.results(&id, 0..MANY).await.expect("results");
    assert_eq!(
        results.iter().map(|stored| stored.chunk).collect::<Vec<_>>(),
        parts.take(12).collect::<Vec<_>>()
    );
    assert_eq!(jobs.chunks(&id, 5..5).await.expect("chunks"), []);

    // If workers finish at the same time, at least one of them sees that all chunks are done.
    let open = all.iter().filter(|chunk| chunk.id.index != 30).chain([&rest]);
    let racing = open.cloned().map(|chunk| {
        let (jobs, id) = (jobs.clone(), id.clone());
        tokio::spawn(async move {
            jobs.finish_chunk(&id, done(&chunk, &result(2), None)).await.expect("finished")
        })
    });
    let finished = join_all(racing).await;
    assert!(finished.iter().flatten().all(|finished| finished.recorded));
    assert!(finished.iter().flatten().any(|finished| finished.progress.all_done()));
    let progress = jobs.get(&id).await.expect("a result").expect("a job").progress;
    assert_eq!((progress.chunks_planned, progress.chunks_done), (MANY + 12, MANY + 12));
    assert_eq!((progress.bytes_planned, progress.bytes_done), (750, u64::from(MANY + 12) * 10));
    assert_eq!(jobs.results(&id, 0..MANY).await.expect("results").len(), MANY as usize + 12);
    jobs.remove(&id).await.expect("removed");
    assert_eq!(jobs.chunks(&id, 0..MANY).await.expect("chunks"), []);
    assert_eq!(jobs.results(&id, 0..MANY).await.expect("results"), []);
}
