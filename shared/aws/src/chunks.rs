//! Chunks and counters of a job, in the table of jobs.
//!
//! - The plan is a log, and the counter `plan_end` is its end. An append is one transaction, on the condition that the
//!   plan still ends there. So an interrupted Plan task, or two concurrent ones, cannot append anything twice.
//! - Finishing a chunk is one transaction. It writes the result, increases the counters, and adds the chunk for the
//!   remaining patients if there is one. The transaction has an idempotency token, and a repeated call finds that its
//!   own attempt is recorded.
//! - A chunk and its result are two items. So recording a result of some kilobytes does not write the ids of 1,000 patients
//!   again, and the end of an export reads only results.
//! - The first [`FIRST`] chunks of a job are in the job's own partition; most jobs have no more. The others are distributed
//!   over [`SHARDS`] partitions by their index, so that each partition gets a small part of the writes, however many workers
//!   finish chunks. Each partition has its own counters, and the progress of a job is the sum of them. A worker that
//!   finishes a chunk reads all counters after it wrote its own, so at least one worker sees that all chunks are done.
//! - Items stay far below 400 kB: a chunk has at most 1,000 patients, and a result has at most one file for each type and
//!   1,000 single files. A larger item is refused with a reason before it is sent.

use std::ops::Range;

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::chunk::{Chunk, ChunkResult, Covered, Progress};
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::ports::jobs::{Append, DoneChunk, Finished, Plan, StoredChunk, StoredResult};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::items::{Item, document, get_document, get_number, get_text, number};
use crate::jobs_table::{AwsJobs, PROGRESS};
use crate::table::{Written, key, put_once, update};

/// The number of chunks in the job's own partition.
const FIRST: u32 = 16;
/// The number of partitions for the other chunks.
const SHARDS: u32 = 48;

/// The counters that are sums over all partitions.
const COUNTERS: [&str; 5] = ["chunks_planned", "chunks_done", "bytes_planned", "bytes_done", "resources"];

/// The two items of a chunk.
#[derive(Clone, Copy)]
enum Kind {
    Chunk,
    Result,
}

impl Kind {
    fn part(self, chunk: ChunkId) -> String {
        format!("{}#{chunk}", self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Chunk => "chunk",
            Self::Result => "done",
        }
    }
}

fn shard(job: &JobId, shard: u32) -> String {
    format!("{job}#{shard:x}")
}

/// Returns the partition of a chunk and of the chunks for its remaining patients.
fn partition(job: &JobId, index: u32) -> String {
    if index < FIRST { job.to_string() } else { shard(job, index % SHARDS) }
}

/// Returns whether a job has chunks outside its own partition.
fn is_spread(progress: &Progress) -> bool {
    progress.plan_end > FIRST
}

/// Returns the counters of the job's own partition, with the end of the plan.
pub(super) fn first_counters(item: &Item) -> Result<Progress> {
    // Earlier versions did not store where the plan ends. All chunk indexes of such a job are below its number of chunks.
    let planned: u32 = get_number(item, "chunks_planned")?;
    let plan_end = if item.contains_key("plan_end") { get_number(item, "plan_end")? } else { planned };
    let plan_sent = if item.contains_key("plan_sent") { get_number(item, "plan_sent")? } else { 0 };
    let progress = Progress {
        plan_complete: item.contains_key("plan_complete"),
        plan_end,
        plan_sent,
        ..Progress::default()
    };
    add(progress, item)
}

fn add(mut progress: Progress, item: &Item) -> Result<Progress> {
    progress.chunks_planned += get_number::<u32>(item, "chunks_planned")?;
    progress.chunks_done += get_number::<u32>(item, "chunks_done")?;
    progress.bytes_planned += get_number::<u64>(item, "bytes_planned")?;
    progress.bytes_done += get_number::<u64>(item, "bytes_done")?;
    progress.resources += get_number::<u64>(item, "resources")?;
    if item.contains_key("done_at_ms") {
        let at = Timestamp::from_millisecond(get_number(item, "done_at_ms")?).map_err(Error::internal)?;
        progress.last_done_at = progress.last_done_at.max(Some(at));
    }
    Ok(progress)
}

/// Reads the result in an item. It is a result's own item, or a chunk's item of an earlier version, which stored both in one.
fn outcome(item: &Item) -> Result<Option<ChunkResult>> {
    item.contains_key("outcome").then(|| get_document(item, "outcome")).transpose()
}

impl AwsJobs {
    /// Returns the item of a partition's counters, all at zero.
    pub(super) fn counters(&self, partition: &str) -> Item {
        let mut item = key(partition, PROGRESS);
        item.extend(COUNTERS.map(|name| (name.to_owned(), number(0))));
        item.insert("expires_at".to_owned(), self.time_to_live());
        item
    }

    /// Returns the progress of a job. `first` is the item of the counters in the job's own partition.
    pub(super) async fn whole_progress(&self, job: &JobId, first: &Item) -> Result<Progress> {
        let progress = first_counters(first)?;
        if !is_spread(&progress) {
            return Ok(progress);
        }
        let keys = (0..SHARDS).map(|number| key(&shard(job, number), PROGRESS)).collect();
        self.table.get_all(keys).await?.iter().try_fold(progress, add)
    }

    async fn progress(&self, job: &JobId) -> Result<Progress> {
        let first = self.table.get(key(job.as_str(), PROGRESS)).await?.ok_or_else(no_such_job)?;
        self.whole_progress(job, &first).await
    }

    fn chunk_item(&self, job: &JobId, chunk: &Chunk) -> Result<Item> {
        let mut item = key(&partition(job, chunk.id.index), &Kind::Chunk.part(chunk.id));
        item.insert("chunk".to_owned(), document(chunk)?);
        item.insert("expires_at".to_owned(), self.time_to_live());
        Ok(item)
    }

    pub(super) async fn append_chunks(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>> {
        let count = u32::try_from(append.chunks.len()).map_err(Error::internal)?;
        let end = append.at + count;
        let mut items = vec![update(self.extend(job, &append, end)?)];
        for chunk in append.chunks {
            items.push(put_once(&self.table, self.chunk_item(job, chunk)?)?);
        }
        if append.at <= FIRST && end > FIRST {
            for number in 0..SHARDS {
                items.push(put_once(&self.table, self.counters(&shard(job, number)))?);
            }
        }
        match self.table.transact(items).await? {
            Written::Done => self.progress(job).await.map(Some),
            // The plan ends at another place, or there is no such job.
            Written::Refused(0) => self.progress(job).await.map(|_| None),
            Written::Refused(_) => Err(Error::internal("a stored chunk is not in the plan")),
        }
    }

    /// Returns the update of the counters for an append.
    fn extend(&self, job: &JobId, append: &Append<'_>, end: u32) -> Result<Update> {
        let bytes: u64 = append.chunks.iter().map(Chunk::planned_bytes).sum();
        let complete = match append.plan {
            Plan::Continues | Plan::HasEnded => "",
            Plan::Ends => ", plan_complete = :yes",
        };
        let expected = match append.plan {
            Plan::Continues | Plan::Ends => "attribute_not_exists(plan_complete)",
            Plan::HasEnded => "attribute_exists(plan_complete)",
        };
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(key(job.as_str(), PROGRESS)))
            .condition_expression(format!("plan_end = :at AND {expected}"))
            .update_expression(format!(
                "SET plan_end = :end, plan_sent = :at{complete} ADD chunks_planned :count, bytes_planned :bytes"
            ))
            .expression_attribute_values(":at", number(append.at))
            .expression_attribute_values(":end", number(end))
            .expression_attribute_values(":count", number(append.chunks.len()))
            .expression_attribute_values(":bytes", number(bytes));
        if append.plan == Plan::Ends {
            update = update
                .expression_attribute_values(":yes", aws_sdk_dynamodb::types::AttributeValue::Bool(true));
        }
        update.build().map_err(Error::internal)
    }

    pub(super) async fn stored_chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        let partition = partition(job, chunk.index);
        let keys = [Kind::Chunk, Kind::Result].map(|kind| key(&partition, &kind.part(chunk)));
        let (mut stored, mut result) = (None, None);
        for item in self.table.get_all(keys.into()).await? {
            result = outcome(&item)?.or(result);
            if item.contains_key("chunk") {
                stored = Some(get_document(&item, "chunk")?);
            }
        }
        Ok(stored.map(|chunk| StoredChunk { chunk, result }))
    }

    pub(super) async fn stored_chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>> {
        // Results are read first: if a chunk has a result, the chunk for its remaining patients is among the chunks
        // that are read afterwards.
        let results = self.items(job, Kind::Result, indexes.clone()).await?;
        let chunks = self.items(job, Kind::Chunk, indexes).await?;
        let mut results = results.into_iter().peekable();
        let mut stored = Vec::with_capacity(chunks.len());
        for (id, item) in chunks {
            while results.next_if(|(other, _)| *other < id).is_some() {}
            let result = match results.next_if(|(other, _)| *other == id) {
                Some((_, item)) => outcome(&item)?,
                None => outcome(&item)?,
            };
            stored.push(StoredChunk { chunk: get_document(&item, "chunk")?, result });
        }
        Ok(stored)
    }

    pub(super) async fn stored_results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>> {
        let items = self.items(job, Kind::Result, indexes).await?;
        let result = |(chunk, item): (ChunkId, Item)| {
            let covered: Covered = get_document(&item, "covered")?;
            Ok(StoredResult { chunk, covered, result: get_document(&item, "outcome")? })
        };
        items.into_iter().map(result).collect()
    }

    /// Returns the items of this kind with these indexes, in the order of their ids. All partitions are read at the same
    /// time.
    async fn items(&self, job: &JobId, kind: Kind, indexes: Range<u32>) -> Result<Vec<(ChunkId, Item)>> {
        let Some(last) = indexes.end.checked_sub(1).filter(|last| indexes.start <= *last) else {
            return Ok(Vec::new());
        };
        let spread = indexes.start.max(FIRST)..indexes.end;
        let first = (indexes.start < FIRST).then(|| job.to_string());
        let partitions =
            first.into_iter().chain(spread.take(SHARDS as usize).map(|index| partition(job, index)));
        let (from, to) =
            (format!("{}#{:06}.", kind.name(), indexes.start), format!("{}#{last:06}.~", kind.name()));
        let (from, to) = (&from, &to);
        let read = partitions.map(|partition| async move { self.table.between(&partition, from, to).await });
        let mut items = Vec::new();
        for item in try_join_all(read).await?.into_iter().flatten() {
            let part = get_text(&item, "part")?;
            let id = part.split_once('#').and_then(|(_, id)| ChunkId::parse(id).ok());
            items.push((id.ok_or_else(|| Error::internal("an item has a wrong chunk id"))?, item));
        }
        items.sort_by_key(|(id, _)| *id);
        Ok(items)
    }

    pub(super) async fn finish(&self, job: &JobId, done: DoneChunk<'_>) -> Result<Finished> {
        let DoneChunk { chunk, result, rest, at } = done;
        let partition = partition(job, chunk.id.index);
        let part = Kind::Result.part(chunk.id);
        let mut done = key(&partition, &part);
        done.insert("covered".to_owned(), document(&chunk.work.covered())?);
        done.insert("outcome".to_owned(), document(result)?);
        done.insert("expires_at".to_owned(), self.time_to_live());
        let mut items = vec![put_once(&self.table, done)?, self.count(&partition, result, rest, at)?];
        if let Some(rest) = rest {
            items.push(put_once(&self.table, self.chunk_item(job, rest)?)?);
        }
        let recorded = match self.table.transact(items).await? {
            Written::Done => true,
            Written::Refused(0) => {
                let known = self.table.get(key(&partition, &part)).await?.ok_or_else(no_such_job)?;
                outcome(&known)?.is_some_and(|known| known.attempt == result.attempt)
            }
            Written::Refused(1) => return Err(no_such_job()),
            Written::Refused(_) => {
                return Err(Error::internal(
                    "the remaining part of a chunk is stored before the chunk is finished",
                ));
            }
        };
        Ok(Finished { recorded, progress: self.progress(job).await? })
    }

    /// Returns the update of the counters for a finished chunk.
    fn count(
        &self,
        partition: &str,
        result: &ChunkResult,
        rest: Option<&Chunk>,
        at: Timestamp,
    ) -> Result<TransactWriteItem> {
        let mut update_expression =
            "SET done_at_ms = :at ADD chunks_done :one, bytes_done :bytes, resources :resources".to_owned();
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(key(partition, PROGRESS)))
            .condition_expression("attribute_exists(job_id)")
            .expression_attribute_values(":at", number(at.as_millisecond()))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":bytes", number(result.bytes_read))
            .expression_attribute_values(":resources", number(result.resources()));
        if let Some(rest) = rest {
            update_expression.push_str(", chunks_planned :one, bytes_planned :planned");
            update = update.expression_attribute_values(":planned", number(rest.planned_bytes()));
        }
        update.update_expression(update_expression).build().map(self::update).map_err(Error::internal)
    }

    /// Removes the items of a job. The item with the sort key `job_part` is removed last.
    pub(super) async fn remove_items(&self, job: &JobId, job_part: &str) -> Result<()> {
        let first = self.table.get(key(job.as_str(), PROGRESS)).await?;
        if first.is_none_or(|first| first_counters(&first).is_ok_and(|progress| is_spread(&progress))) {
            let shards = (0..SHARDS).map(|number| shard(job, number));
            try_join_all(shards.map(|shard| async move { self.table.clear(&shard, |_| false).await }))
                .await?;
        }
        self.table.clear(job.as_str(), |part| part == job_part).await
    }
}

fn no_such_job() -> Error {
    Error::NotFound("there is no such job")
}
