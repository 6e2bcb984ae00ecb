//! Jobs and chunks in the [table of jobs](crate::jobs_table).
//!
//! - Every change of a job is conditional on its revision. Every write stores the id of its call, so that a retry after a
//!   lost response finds that the first attempt succeeded.
//! - The counters are not in the document's item. So counting costs one write unit, however large the document is, and
//!   never conflicts with a change of state. [`super::chunks`] describes how chunks are stored.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::chunk::Progress;
use domain::error::{Error, Result};
use domain::ids::{ChunkId, JobId};
use domain::job::{Job, JobState};
use domain::listing::position;
use domain::ports::jobs::{
    Append, DoneChunk, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob, StoredResult,
};
use domain::search;
use futures_util::future::try_join_all;
use storage::job_list;

use crate::calls::{failed, pause};
use crate::items::{Item, document, get_text, number, text};
use crate::job_rows::{FOUND_BY, LISTING};
use crate::jobs_table::{AwsJobs, JOB, PROGRESS};
use crate::table::{TRIES, Written, key, put_once};

impl AwsJobs {
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

    /// Reads whether a job is running. If the read is not `consistent`, the state may be about a second old.
    async fn reads_as_running(&self, id: &JobId, consistent: bool) -> Result<bool> {
        let get = self
            .table
            .client
            .get_item()
            .table_name(&self.table.name)
            .set_key(Some(key(id.as_str(), JOB)))
            .consistent_read(consistent)
            .projection_expression("job_state");
        let item = get.send().await.map_err(failed("GetItem of a job's state"))?.item;
        Ok(item.is_some_and(|item| {
            get_text(&item, "job_state").is_ok_and(|state| state == JobState::Running.name())
        }))
    }
}

fn lost_race() -> Error {
    Error::conflict("another request changed the job at the same time; read it again")
}

#[async_trait]
impl Jobs for AwsJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        let call = self.table.random.attempt().to_string();
        let mut counters = self.counters(job.id().as_str());
        counters.extend(["plan_end", "plan_sent"].map(|name| (name.to_owned(), number(0))));
        let rows = search::rows(job);
        let mut item = self.job_item(job, &call)?;
        let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
        item.insert(FOUND_BY.to_owned(), text(keys.join("\n")));
        let mut items = vec![put_once(&self.table, item)?, put_once(&self.table, counters)?];
        items.extend(self.search_rows(job, &rows)?);
        match self.table.transact(items).await? {
            Written::Done => Ok(()),
            Written::Refused(_) => Err(Error::conflict("the job already exists")),
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
        // Workers check every few seconds whether their job is still running, and nearly always it is: then half a read
        // unit is enough. The state that was read may be older than the start of the job, so a consistent read confirms
        // the result "not running".
        Ok(self.reads_as_running(id, false).await? || self.reads_as_running(id, true).await?)
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
        // The job's item is removed last. If this is interrupted, the job is still found and removed again.
        self.remove_search_rows(id.as_str()).await?;
        self.remove_items(id, JOB).await
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        job_list::page(self, query).await
    }

    async fn count(&self, states: &[JobState], at_most: usize) -> Result<usize> {
        let counted = try_join_all(states.iter().map(|state| self.counted(*state, at_most))).await?;
        Ok(counted.into_iter().sum::<usize>().min(at_most))
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
