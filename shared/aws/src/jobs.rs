//! Jobs and chunks in one DynamoDB table.
//!
//! | `job_id` | `part` | contents |
//! |---|---|---|
//! | id | `job` | the job's document, its revision, and the keys of the indexes |
//! | id | `progress` | the counters, and the end of the plan |
//! | id, or id`#`shard | `chunk#000000.0` | a chunk |
//! | id, or id`#`shard | `done#000000.0` | the result of a chunk |
//! | id`#`shard | `progress` | the counters of the chunks there |
//!
//! - Every change of a job is conditional on its revision. Every write stores the id of its call, so that a retry after a
//!   lost response finds that the first attempt succeeded.
//! - The counters are not in the document's item. So counting costs one write unit, however large the document is, and
//!   never conflicts with a change of state. [`super::chunks`] describes how chunks are stored.
//! - The indexes are sparse (only `job` items have their keys) and have only keys and the state. A list reads a page of an
//!   index and then the jobs. No request scans the table. All jobs share one partition of the listing index, which allows
//!   a thousand writes a second; it is written only when a job is created or changes its state.
//! - `expires_at` is the table's time to live. It is long after the time at which cleanup removes the job.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::chunk::Progress;
use domain::clock::Clock;
use domain::error::{Error, Kind, Result};
use domain::ids::{ChunkId, JobId};
use domain::job::{Job, JobHeader, JobState, Owner};
use domain::ports::jobs::{
    Append, DoneChunk, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob, StoredResult, unreadable,
};
use domain::retention::Retention;
use futures_util::future::try_join_all;
use jiff::SignedDuration;

use crate::calls::{failed, pause};
use crate::chunks::PROGRESS;
use crate::items::{Item, document, get_document, get_number, get_text, number, text};
use crate::table::{TRIES, Table, Written, key, put_once};

pub(super) struct AwsJobs {
    pub(super) table: Table,
    pub(super) retention: Retention,
    pub(super) clock: Arc<dyn Clock>,
}

const JOB: &str = "job";
/// The partition key of the listing index, the same for all jobs.
const LISTING: &str = "jobs";
/// How much longer than all retention times an item lives, so that cleanup removes it first.
const BACKSTOP: SignedDuration = SignedDuration::from_hours(24 * 7);

impl AwsJobs {
    pub(super) fn time_to_live(&self) -> AttributeValue {
        let kept = [self.retention.finished, self.retention.unfinished, self.retention.gone, BACKSTOP]
            .into_iter()
            .fold(SignedDuration::ZERO, SignedDuration::saturating_add);
        number(self.clock.now().as_second().saturating_add(kept.as_secs()))
    }

    fn job_item(&self, job: &Job, call: &str) -> Result<Item> {
        let header = job.header();
        let mut item = key(header.id.as_str(), JOB);
        item.insert("document".to_owned(), document(job)?);
        item.insert("revision".to_owned(), number(1));
        item.insert("job_state".to_owned(), text(job.state().name()));
        item.insert("listing".to_owned(), text(LISTING));
        item.insert("listed_at".to_owned(), text(position(header)));
        item.insert("job_owner".to_owned(), text(header.owner.key()));
        if let Some(patient) = &header.patient {
            item.insert("patient_id".to_owned(), text(patient.id.as_str()));
        }
        item.insert("written_by".to_owned(), text(call));
        item.insert("expires_at".to_owned(), self.time_to_live());
        Ok(item)
    }

    /// Returns the jobs of these ids, in the same order. Jobs that were removed meanwhile are left out.
    async fn fetch(&self, ids: &[String]) -> Result<Vec<StoredJob>> {
        let keys = ids.iter().flat_map(|id| [JOB, PROGRESS].map(|part| key(id, part))).collect();
        let mut found: HashMap<String, (Option<Item>, Option<Item>)> = HashMap::new();
        for item in self.table.get_all(keys).await? {
            let entry = found.entry(get_text(&item, "job_id")?.to_owned()).or_default();
            match get_text(&item, "part")? {
                JOB => entry.0 = Some(item),
                _ => entry.1 = Some(item),
            }
        }
        let both = ids.iter().filter_map(|id| match found.remove(id) {
            Some((Some(job), Some(counters))) => Some((id, job, counters)),
            _ => None,
        });
        let stored = both.map(|(id, job, counters)| async move {
            let stored = self.stored(&job, &counters).await;
            match stored {
                // The store failed, so nothing is known about the row.
                Err(error) if error.kind() != Kind::Defect => Err(error),
                stored => Ok(stored.inspect_err(|error| unreadable(id, error)).ok()),
            }
        });
        Ok(try_join_all(stored).await?.into_iter().flatten().collect())
    }

    async fn stored(&self, job: &Item, counters: &Item) -> Result<StoredJob> {
        let document: Job = get_document(job, "document")?;
        let progress = self.whole_progress(document.id(), counters).await?;
        Ok(StoredJob { job: document, version: get_number(job, "revision")?, progress })
    }
}

fn lost_race() -> Error {
    Error::conflict("the job was changed by somebody else at the same time; look at it again")
}

/// The sort key of the indexes: the time of creation, and the id, which makes it unique.
fn position(header: &JobHeader) -> String {
    format!("{:013}.{}", header.created_at.as_millisecond(), header.id)
}

#[async_trait]
impl Jobs for AwsJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        let call = self.table.random.attempt().to_string();
        let mut counters = self.counters(job.id().as_str());
        counters.extend(["plan_end", "plan_sent"].map(|name| (name.to_owned(), number(0))));
        let items =
            vec![put_once(&self.table, self.job_item(job, &call)?)?, put_once(&self.table, counters)?];
        match self.table.transact(items).await? {
            Written::Done => Ok(()),
            Written::Refused(_) => Err(Error::conflict("there is such a job already")),
        }
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        // One query reads both items: no other sort key is between `job` and `progress`.
        match self.table.between(id.as_str(), JOB, PROGRESS).await?.as_slice() {
            [job, counters] => self.stored(job, counters).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn is_running(&self, id: &JobId) -> Result<bool> {
        let get = self
            .table
            .client
            .get_item()
            .table_name(&self.table.name)
            .set_key(Some(key(id.as_str(), JOB)))
            // Without a consistent read, a job that has just begun could seem not to run.
            .consistent_read(true)
            .projection_expression("job_state");
        let item = get.send().await.map_err(failed("GetItem of a job's state"))?.item;
        Ok(item.is_some_and(|item| {
            get_text(&item, "job_state").is_ok_and(|state| state == JobState::Running.name())
        }))
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        let call = self.table.random.attempt().to_string();
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(job.id().as_str(), JOB)))
            .update_expression(
                "SET #document = :document, revision = :next, job_state = :state, job_owner = :owner, written_by = :call, expires_at = :expires",
            )
            .condition_expression("revision = :revision")
            .expression_attribute_names("#document", "document")
            .expression_attribute_values(":document", document(job)?)
            .expression_attribute_values(":next", number(version + 1))
            .expression_attribute_values(":revision", number(version))
            .expression_attribute_values(":state", text(job.state().name()))
            .expression_attribute_values(":owner", text(job.header().owner.key()))
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
            pause(&*self.table.random, tries).await;
        }
        Err(lost_race())
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        // The job's item is removed last. If this is cut off, the job is still found and is removed again.
        self.remove_items(id, JOB).await
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
            .table
            .client
            .query()
            .table_name(&self.table.name)
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
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        let mut rows = select.into_paginator().items().send();
        while ids.len() <= query.count
            && let Some(row) = rows.try_next().await.map_err(failed("Query of jobs"))?
        {
            ids.push(get_text(&row, "job_id")?.to_owned());
            positions.push(get_text(&row, "listed_at")?.to_owned());
        }
        let more = ids.len() > query.count;
        ids.truncate(query.count);
        let next = positions.into_iter().nth(query.count.saturating_sub(1)).filter(|_| more);
        let mut jobs = self.fetch(&ids).await?;
        // The index may be older than the table.
        jobs.retain(|stored| query.states.is_empty() || query.states.contains(&stored.job.state()));
        Ok(JobPage { jobs, next })
    }

    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>> {
        self.append_chunks(job, append).await
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        self.stored_chunk(job, chunk).await
    }

    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>> {
        self.stored_chunks(job, indexes).await
    }

    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>> {
        self.stored_results(job, indexes).await
    }

    async fn finish_chunk(&self, job: &JobId, done: DoneChunk<'_>) -> Result<Finished> {
        self.finish(job, done).await
    }
}

/// Checks the position of a list that a client sent.
fn checked_position(after: &str) -> Result<&str> {
    let parts = after
        .split_once('.')
        .filter(|(at, id)| at.len() == 13 && at.parse::<u64>().is_ok() && JobId::parse(id).is_ok());
    parts.map(|_| after).ok_or_else(|| Error::invalid("'page' is not a page of this list"))
}
