//! Jobs and chunks in one DynamoDB table.
//!
//! | `job_id` | `part` | holds |
//! |---|---|---|
//! | id | `chunk#000000.0` | a chunk and, once it is finished, its result |
//! | id | `job` | the job's document, its revision, and what the indexes need |
//! | id | `progress` | the counters |
//!
//! - Every change of a job is a condition on its revision. Every write carries the name of its call, so that a try
//!   whose answer was lost is known again as having succeeded.
//! - Finishing a chunk is one transaction: the chunk from open to done, the counters up, the rest added. It carries
//!   an idempotency token, and a call that is made again finds its own attempt recorded.
//! - No key is hot: a job's items share a partition of their own, and a chunk that takes seconds to minutes
//!   touches the counters once. The counters are apart from the document, so that counting costs one write unit
//!   however large the document is, and never conflicts with a change of state.
//! - No item comes near 400 kB: a chunk has at most 2,000 patients and a result one file a type and at most 500
//!   single documents; what is larger is refused with a reason before it is sent.
//! - The indexes are sparse (only `job` items have their keys) and hold keys and the state; a list reads a page of
//!   one and then the jobs. Nothing scans. All jobs share one partition of the listing index, which is written at
//!   creation and at changes of state only: a thousand a second.
//! - `expires_at` is the table's time to live, long after cleanup should have removed the job.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update, WriteRequest,
};
use jiff::SignedDuration;

use super::calls::{failed, pause};
use super::items::{Item, document, get_document, get_number, get_text, number, text};
use crate::clock::{Clock, Ids};
use crate::domain::chunk::{Chunk, ChunkResult, Progress};
use crate::domain::ids::{ChunkId, JobId};
use crate::domain::job::{Core, Job, Owner};
use crate::domain::retention::Retention;
use crate::error::{Error, Result};
use crate::ports::jobs::{ChunkPage, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob, unreadable};

pub(super) struct AwsJobs {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
}

const JOB: &str = "job";
const PROGRESS: &str = "progress";
/// The one value of the listing index's key.
const LISTING: &str = "jobs";
/// Tries at a transaction that meets another one.
const TRIES: u32 = 30;
/// Jobs whose two items fit one BatchGetItem (at most 100 keys).
const BATCH: usize = 50;
/// Time to live beyond every retention: cleanup comes first.
const BACKSTOP: SignedDuration = SignedDuration::from_hours(24 * 7);

/// What became of a transaction.
enum Written {
    Done,
    /// The condition of the item at this place did not hold.
    Refused(usize),
}

impl AwsJobs {
    fn key(job: &JobId, part: &str) -> HashMap<String, AttributeValue> {
        HashMap::from([("job_id".to_owned(), text(job.as_str())), ("part".to_owned(), text(part))])
    }

    fn chunk_part(chunk: ChunkId) -> String {
        format!("chunk#{chunk}")
    }

    fn time_to_live(&self) -> AttributeValue {
        let kept = [self.retention.finished, self.retention.unfinished, self.retention.gone, BACKSTOP]
            .into_iter()
            .fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        number(self.clock.now().as_second().saturating_add(kept.as_secs()))
    }

    fn job_item(&self, job: &Job, call: &str) -> Result<Item> {
        let core = job.core();
        let mut item = Self::key(&core.id, JOB);
        item.insert("document".to_owned(), document(job)?);
        item.insert("revision".to_owned(), number(1));
        item.insert("job_state".to_owned(), text(job.state().name()));
        item.insert("listing".to_owned(), text(LISTING));
        item.insert("listed_at".to_owned(), text(position(core)));
        item.insert("job_owner".to_owned(), text(core.owner.key()));
        if let Some(patient) = &core.patient {
            item.insert("patient_id".to_owned(), text(patient.id.as_str()));
        }
        item.insert("written_by".to_owned(), text(call));
        item.insert("expires_at".to_owned(), self.time_to_live());
        Ok(item)
    }

    fn chunk_put(&self, job: &JobId, chunk: &Chunk) -> Result<Put> {
        let mut item = Self::key(job, &Self::chunk_part(chunk.id));
        item.insert("chunk".to_owned(), document(chunk)?);
        item.insert("expires_at".to_owned(), self.time_to_live());
        self.put(item, "attribute_not_exists(job_id)")
    }

    fn put(&self, item: Item, condition: &str) -> Result<Put> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(condition);
        put.build().map_err(Error::internal)
    }

    /// An update of the counters, which must be there.
    fn count(&self, job: &JobId, added: &[(&str, u64)]) -> Result<Update> {
        let adds: Vec<_> = added.iter().map(|(name, _)| format!("{name} :{name}")).collect();
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Self::key(job, PROGRESS)))
            .condition_expression("attribute_exists(job_id)")
            .update_expression(format!("ADD {}", adds.join(", ")));
        for (name, by) in added {
            update = update.expression_attribute_values(format!(":{name}"), number(by));
        }
        update.build().map_err(Error::internal)
    }

    /// Writes all or nothing. The token makes every try of this call the same transaction.
    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Written> {
        let token = format!("{}{}", self.ids.attempt(), self.ids.attempt());
        for tries in 0..TRIES {
            let transact = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(items.clone()));
            let Err(error) = transact.send().await else { return Ok(Written::Done) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let codes: Vec<_> = cancelled
                        .cancellation_reasons()
                        .iter()
                        .map(|reason| reason.code().unwrap_or_default())
                        .collect();
                    if let Some(place) = codes.iter().position(|code| *code == "ConditionalCheckFailed") {
                        return Ok(Written::Refused(place));
                    }
                    let passes =
                        ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
                    if !codes.iter().all(|code| passes.contains(code)) {
                        return Err(failed("TransactWriteItems")(error));
                    }
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(failed("TransactWriteItems")(error)),
            }
            pause(&*self.ids, tries).await;
        }
        Err(Error::unavailable("TransactWriteItems: lost every race"))
    }

    async fn progress(&self, job: &JobId) -> Result<Option<Progress>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(job, PROGRESS)))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem of a job's progress"))?;
        found.item.as_ref().map(progress).transpose()
    }

    /// The jobs of these ids, in their order; those that are gone by now are left out.
    async fn fetch(&self, ids: &[String]) -> Result<Vec<StoredJob>> {
        let mut found: HashMap<String, (Option<Item>, Option<Item>)> = HashMap::new();
        for batch in ids.chunks(BATCH) {
            let keys = batch.iter().flat_map(|id| {
                [JOB, PROGRESS].map(|part| {
                    HashMap::from([("job_id".to_owned(), text(id)), ("part".to_owned(), text(part))])
                })
            });
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys.collect()))
                .consistent_read(true)
                .build()
                .map_err(Error::internal)?;
            let mut wanted = HashMap::from([(self.table.clone(), keys)]);
            let mut tries = 0;
            while !wanted.is_empty() {
                let get = self.client.batch_get_item().set_request_items(Some(wanted));
                let mut got = get.send().await.map_err(failed("BatchGetItem of jobs"))?;
                for item in
                    got.responses.as_mut().and_then(|tables| tables.remove(&self.table)).unwrap_or_default()
                {
                    let entry = found.entry(get_text(&item, "job_id")?.to_owned()).or_default();
                    match get_text(&item, "part")? {
                        JOB => entry.0 = Some(item),
                        _ => entry.1 = Some(item),
                    }
                }
                wanted = got.unprocessed_keys.unwrap_or_default();
                if !wanted.is_empty() {
                    if tries == TRIES {
                        return Err(Error::unavailable("BatchGetItem left keys"));
                    }
                    pause(&*self.ids, tries).await;
                    tries += 1;
                }
            }
        }
        let both = |id: &String| match found.remove(id) {
            Some((Some(job), Some(progress))) => {
                stored(&job, &progress).inspect_err(|error| unreadable(id, error)).ok()
            }
            _ => None,
        };
        Ok(ids.iter().filter_map(both).collect())
    }

    /// Deletes these keys, as often as DynamoDB leaves some.
    async fn delete(&self, keys: &[Item]) -> Result<()> {
        for batch in keys.chunks(25) {
            let request = |key: &Item| {
                let delete =
                    DeleteRequest::builder().set_key(Some(key.clone())).build().map_err(Error::internal)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            };
            let requests = batch.iter().map(request).collect::<Result<Vec<_>>>()?;
            let mut left = HashMap::from([(self.table.clone(), requests)]);
            let mut tries = 0;
            while !left.is_empty() {
                let write = self.client.batch_write_item().set_request_items(Some(left));
                let written = write.send().await.map_err(failed("BatchWriteItem of a job"))?;
                left = written.unprocessed_items.unwrap_or_default();
                if !left.is_empty() {
                    if tries == TRIES {
                        return Err(Error::unavailable("BatchWriteItem left items"));
                    }
                    pause(&*self.ids, tries).await;
                    tries += 1;
                }
            }
        }
        Ok(())
    }
}

fn lost_race() -> Error {
    Error::conflict("the job was changed by somebody else at the same time; look at it again")
}

/// Sorts by creation; the id makes it unique.
fn position(core: &Core) -> String {
    format!("{:013}.{}", core.created_at.as_millisecond(), core.id)
}

fn progress(item: &Item) -> Result<Progress> {
    Ok(Progress {
        chunks_planned: get_number(item, "chunks_planned")?,
        chunks_done: get_number(item, "chunks_done")?,
        plan_complete: item.contains_key("plan_complete"),
        bytes_planned: get_number(item, "bytes_planned")?,
        bytes_done: get_number(item, "bytes_done")?,
        resources: get_number(item, "resources")?,
    })
}

fn stored(job: &Item, counters: &Item) -> Result<StoredJob> {
    Ok(StoredJob {
        job: get_document(job, "document")?,
        version: get_number(job, "revision")?,
        progress: progress(counters)?,
    })
}

fn stored_chunk(item: &Item) -> Result<StoredChunk> {
    let result = item.contains_key("outcome").then(|| get_document(item, "outcome")).transpose()?;
    Ok(StoredChunk { chunk: get_document(item, "chunk")?, result })
}

fn put(put: Put) -> TransactWriteItem {
    TransactWriteItem::builder().put(put).build()
}

fn update(update: Update) -> TransactWriteItem {
    TransactWriteItem::builder().update(update).build()
}

#[async_trait]
impl Jobs for AwsJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        let call = self.ids.attempt().to_string();
        let mut counters = Self::key(job.id(), PROGRESS);
        for name in ["chunks_planned", "chunks_done", "bytes_planned", "bytes_done", "resources"] {
            counters.insert(name.to_owned(), number(0));
        }
        counters.insert("expires_at".to_owned(), self.time_to_live());
        let absent = "attribute_not_exists(job_id)";
        let items =
            vec![put(self.put(self.job_item(job, &call)?, absent)?), put(self.put(counters, absent)?)];
        match self.transact(items).await? {
            Written::Done => Ok(()),
            Written::Refused(_) => Err(Error::conflict("there is such a job already")),
        }
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        // Both items in one read; the chunks sort before them.
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("job_id = :job AND part BETWEEN :first AND :last")
            .expression_attribute_values(":job", text(id.as_str()))
            .expression_attribute_values(":first", text(JOB))
            .expression_attribute_values(":last", text(PROGRESS))
            .send()
            .await
            .map_err(failed("Query of a job"))?;
        match found.items() {
            [job, progress] => stored(job, progress).map(Some),
            _ => Ok(None),
        }
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        let call = self.ids.attempt().to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(job.id(), JOB)))
            .update_expression(
                "SET #document = :document, revision = :next, job_state = :state, job_owner = :owner, written_by = :call, expires_at = :expires",
            )
            .condition_expression("revision = :revision")
            .expression_attribute_names("#document", "document")
            .expression_attribute_values(":document", document(job)?)
            .expression_attribute_values(":next", number(version + 1))
            .expression_attribute_values(":revision", number(version))
            .expression_attribute_values(":state", text(job.state().name()))
            .expression_attribute_values(":owner", text(job.core().owner.key()))
            .expression_attribute_values(":call", text(&call))
            .expression_attribute_values(":expires", self.time_to_live())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for tries in 0..TRIES {
            let Err(error) = update.clone().send().await else { return Ok(version + 1) };
            match &error {
                SdkError::ServiceError(service) => match service.err() {
                    UpdateItemError::ConditionalCheckFailedException(refused) => {
                        let own = refused.item().is_some_and(|item| {
                            get_text(item, "written_by").is_ok_and(|writer| writer == call)
                        });
                        return if own { Ok(version + 1) } else { Err(lost_race()) };
                    }
                    UpdateItemError::TransactionConflictException(_) => {}
                    _ => return Err(failed("UpdateItem of a job")(error)),
                },
                _ => return Err(failed("UpdateItem of a job")(error)),
            }
            pause(&*self.ids, tries).await;
        }
        Err(lost_race())
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        // The job goes last: what is cut off here is found and removed again.
        loop {
            let found = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("job_id = :job")
                .projection_expression("job_id, part")
                .expression_attribute_values(":job", text(id.as_str()))
                .limit(1_000)
                .send()
                .await
                .map_err(failed("Query of a job's items"))?;
            let mut keys = found.items().to_vec();
            keys.sort_by_key(|key| get_text(key, "part").is_ok_and(|part| part == JOB));
            self.delete(&keys).await?;
            if found.last_evaluated_key().is_none() {
                return Ok(());
            }
        }
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        let after = query.after.as_deref().map(checked_position).transpose()?;
        let owner = query.owner.as_ref().map(Owner::key);
        let (index, name, value) = match (&owner, &query.patient) {
            (Some(owner), _) => ("by-owner", "job_owner", owner.as_str()),
            (None, Some(patient)) => ("by-patient", "patient_id", patient.as_str()),
            (None, None) => ("by-listing", "listing", LISTING),
        };
        let mut select = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .scan_index_forward(false)
            .expression_attribute_values(":value", text(value))
            .limit(i32::try_from(query.count + 1).unwrap_or(i32::MAX));
        let mut condition = format!("{name} = :value");
        if let Some(after) = after {
            condition.push_str(" AND listed_at < :after");
            select = select.expression_attribute_values(":after", text(after));
        }
        let mut filters = Vec::new();
        if !query.states.is_empty() {
            let names: Vec<_> = (0..query.states.len()).map(|index| format!(":state{index}")).collect();
            for (name, state) in names.iter().zip(&query.states) {
                select = select.expression_attribute_values(name, text(state.name()));
            }
            filters.push(format!("job_state IN ({})", names.join(", ")));
        }
        if let (Some(_), Some(patient)) = (&owner, &query.patient) {
            filters.push("patient_id = :patient".to_owned());
            select = select.expression_attribute_values(":patient", text(patient.as_str()));
        }
        select = select.key_condition_expression(condition);
        if !filters.is_empty() {
            select = select.filter_expression(filters.join(" AND "));
        }
        let (mut ids, mut positions, mut start) = (Vec::new(), Vec::new(), None);
        while ids.len() <= query.count {
            let page = select
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed("Query of jobs"))?;
            for item in page.items() {
                ids.push(get_text(item, "job_id")?.to_owned());
                positions.push(get_text(item, "listed_at")?.to_owned());
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        let more = ids.len() > query.count;
        ids.truncate(query.count);
        let next = positions.into_iter().nth(query.count.saturating_sub(1)).filter(|_| more);
        let mut jobs = self.fetch(&ids).await?;
        // The index may be behind the table.
        jobs.retain(|stored| query.states.is_empty() || query.states.contains(&stored.job.state()));
        Ok(JobPage { jobs, next })
    }

    async fn add_chunks(&self, job: &JobId, chunks: &[Chunk], last: bool) -> Result<Progress> {
        for chunk in chunks {
            let added =
                self.count(job, &[("chunks_planned", 1), ("bytes_planned", chunk.planned_bytes())])?;
            let items = vec![put(self.chunk_put(job, chunk)?), update(added)];
            match self.transact(items).await? {
                // It is there already, and was counted when it came.
                Written::Done | Written::Refused(0) => {}
                Written::Refused(_) => return Err(gone()),
            }
        }
        if last {
            let complete = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(Self::key(job, PROGRESS)))
                .update_expression("SET plan_complete = :yes")
                .condition_expression("attribute_exists(job_id)")
                .expression_attribute_values(":yes", AttributeValue::Bool(true));
            self.retried_update(complete).await?;
        }
        self.progress(job).await?.ok_or_else(gone)
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Self::key(job, &Self::chunk_part(chunk))))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem of a chunk"))?;
        found.item.as_ref().map(stored_chunk).transpose()
    }

    async fn chunks(&self, job: &JobId, after: Option<ChunkId>, count: usize) -> Result<ChunkPage> {
        let first = after.map_or("chunk#".to_owned(), |after| format!("{}\u{1}", Self::chunk_part(after)));
        let select = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("job_id = :job AND part BETWEEN :first AND :last")
            .expression_attribute_values(":job", text(job.as_str()))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text("chunk#~"))
            .limit(i32::try_from(count + 1).unwrap_or(i32::MAX));
        let (mut chunks, mut start) = (Vec::new(), None);
        // A page ends at a megabyte, however many were asked for.
        while chunks.len() <= count {
            let page = select
                .clone()
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed("Query of chunks"))?;
            for item in page.items() {
                chunks.push(stored_chunk(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        let more = chunks.len() > count;
        chunks.truncate(count);
        let next = chunks.last().filter(|_| more).map(|stored| stored.chunk.id);
        Ok(ChunkPage { chunks, next })
    }

    async fn finish_chunk(
        &self,
        job: &JobId,
        chunk: ChunkId,
        result: &ChunkResult,
        rest: Option<&Chunk>,
    ) -> Result<Finished> {
        let resources: u64 =
            result.files.iter().filter(|file| file.purpose.is_data()).map(|file| file.count).sum();
        let done = Update::builder()
            .table_name(&self.table)
            .set_key(Some(Self::key(job, &Self::chunk_part(chunk))))
            .update_expression("SET outcome = :outcome")
            .condition_expression("attribute_exists(job_id) AND attribute_not_exists(outcome)")
            .expression_attribute_values(":outcome", document(result)?)
            .build()
            .map_err(Error::internal)?;
        let mut added = vec![("chunks_done", 1), ("bytes_done", result.bytes_read), ("resources", resources)];
        if let Some(rest) = rest {
            added.extend([("chunks_planned", 1), ("bytes_planned", rest.planned_bytes())]);
        }
        let mut items = vec![update(done), update(self.count(job, &added)?)];
        if let Some(rest) = rest {
            items.push(put(self.chunk_put(job, rest)?));
        }
        let recorded = match self.transact(items).await? {
            Written::Done => true,
            Written::Refused(_) => {
                let known = self.chunk(job, chunk).await?.ok_or(Error::NotFound("there is no such chunk"))?;
                known.result.is_some_and(|known| known.attempt == result.attempt)
            }
        };
        Ok(Finished { recorded, progress: self.progress(job).await?.ok_or_else(gone)? })
    }
}

impl AwsJobs {
    async fn retried_update(
        &self,
        update: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
    ) -> Result<()> {
        for tries in 0..TRIES {
            let Err(error) = update.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Err(gone()),
                Some(UpdateItemError::TransactionConflictException(_)) => pause(&*self.ids, tries).await,
                _ => return Err(failed("UpdateItem of a job's progress")(error)),
            }
        }
        Err(Error::unavailable("UpdateItem of a job's progress: lost every race"))
    }
}

fn gone() -> Error {
    Error::NotFound("there is no such job")
}

/// A position of a list as it came back from a client.
fn checked_position(after: &str) -> Result<&str> {
    let parts = after
        .split_once('.')
        .filter(|(at, id)| at.len() == 13 && at.parse::<u64>().is_ok() && JobId::parse(id).is_ok());
    parts.map(|_| after).ok_or_else(|| Error::invalid("'page' is not a page of this list"))
}
