//! The indexes of jobs in DynamoDB: the reads of lists, and the search rows in the table of jobs.
//!
//! Each key of the search has a partition, which is sorted by the positions of the jobs. The rows are written in the
//! transaction that creates the job and never change: a list reads the state from the job itself. A name has a
//! partition for each prefix of its words up to three letters, so that the rows of different people are spread.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Select, TransactWriteItem};
use domain::error::{Kind, Result};
use domain::job::{Job, JobState};
use domain::listing::{Index, Span, position};
use domain::ports::jobs::{StoredJob, unreadable};
use domain::search;
use futures_util::future::try_join_all;
use storage::job_list::{Row, Rows};

use crate::calls::failed;
use crate::items::{Item, get_document, get_number, get_text, text};
use crate::jobs_table::{AwsJobs, JOB, PROGRESS};
use crate::table::{key, put};

/// The partition key of the listing index, the same for all jobs.
pub(super) const LISTING: &str = "jobs";
/// The attribute of a job's item with the keys of its search rows, one per line.
pub(super) const FOUND_BY: &str = "found_by";
/// The index of the jobs in a state.
const BY_STATE: &str = "by-state";

/// The location of an index's rows.
struct Place {
    /// `None` for the table itself.
    index: Option<&'static str>,
    partition_name: &'static str,
    partition: String,
    sort_name: &'static str,
}

impl Place {
    fn of(index: &Index) -> Self {
        let (index, partition_name, partition) = match index {
            Index::All => ("by-listing", "listing", LISTING.to_owned()),
            Index::State(state) => (BY_STATE, "job_state", state.name().to_owned()),
            Index::Owner(owner) => ("by-owner", "job_owner", owner.clone()),
            Index::Patient(patient) => ("by-patient", "patient_id", patient.clone()),
            Index::Search(key) => {
                return Self {
                    index: None,
                    partition_name: "job_id",
                    partition: partition(key),
                    sort_name: "part",
                };
            }
        };
        Self { index: Some(index), partition_name, partition, sort_name: "listed_at" }
    }
}

/// Returns the partition of search rows. No job id contains `#`, and no shard of a job has this prefix.
fn partition(key: &str) -> String {
    format!("find#{key}")
}

fn row(item: &Item, sort_name: &str) -> Result<Row> {
    let optional = |name| item.contains_key(name).then(|| get_text(item, name)).transpose();
    // The client is the first part of the owner's key, and has no spaces.
    let client = optional("job_owner")?.and_then(|owner| owner.split(' ').next());
    Ok(Row {
        position: get_text(item, sort_name)?.to_owned(),
        state: optional("job_state")?.and_then(JobState::named),
        words: optional("words")?.map(str::to_owned),
        client: client.map(str::to_owned),
    })
}

#[async_trait]
impl Rows for AwsJobs {
    async fn rows(&self, index: &Index, span: &Span, limit: usize) -> Result<Vec<Row>> {
        let place = Place::of(index);
        // Positions begin with digits. The range includes its bounds.
        let (above, below) = (span.above.as_deref().unwrap_or("0"), span.below.as_deref().unwrap_or("~"));
        if above > below {
            return Ok(Vec::new());
        }
        let select = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .set_index_name(place.index.map(str::to_owned))
            .scan_index_forward(span.oldest_first)
            .key_condition_expression(format!(
                "{} = :value AND {} BETWEEN :above AND :below",
                place.partition_name, place.sort_name
            ))
            .expression_attribute_values(":value", text(place.partition))
            .expression_attribute_values(":above", text(above))
            .expression_attribute_values(":below", text(below))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let mut items = select.into_paginator().items().send();
        let mut rows = Vec::new();
        while rows.len() < limit
            && let Some(item) = items.try_next().await.map_err(failed("Query of jobs"))?
        {
            rows.push(row(&item, place.sort_name)?);
        }
        Ok(rows)
    }

    async fn jobs(&self, ids: &[&str]) -> Result<Vec<StoredJob>> {
        let keys = ids.iter().flat_map(|id| [JOB, PROGRESS].map(|part| key(id, part))).collect();
        let mut found: HashMap<String, (Option<Item>, Option<Item>)> = HashMap::new();
        for item in self.table.get_all(keys).await? {
            let entry = found.entry(get_text(&item, "job_id")?.to_owned()).or_default();
            match get_text(&item, "part")? {
                JOB => entry.0 = Some(item),
                _ => entry.1 = Some(item),
            }
        }
        let both = ids.iter().filter_map(|id| match found.remove(*id) {
            Some((Some(job), Some(counters))) => Some((id, job, counters)),
            _ => None,
        });
        let stored = both.map(|(id, job, counters)| async move {
            let stored = self.stored(&job, &counters).await;
            match stored {
                // The store failed, so nothing is known about the row.
                Err(error) if !matches!(error.kind(), Kind::Defect | Kind::Newer) => Err(error),
                stored => Ok(stored.inspect_err(|error| unreadable(id, error)).ok()),
            }
        });
        Ok(try_join_all(stored).await?.into_iter().flatten().collect())
    }
}

impl AwsJobs {
    /// Returns the job in the item of its document. `counters` is the item of the counters in its own partition.
    pub(super) async fn stored(&self, job: &Item, counters: &Item) -> Result<StoredJob> {
        let document: Job = get_document(job, "document")?;
        let progress = self.whole_progress(document.id(), counters).await?;
        Ok(StoredJob { job: document, version: get_number(job, "revision")?, progress })
    }

    /// Returns the puts of the search rows of a new job.
    pub(super) fn search_rows(
        &self,
        job: &Job,
        rows: &[search::SearchRow],
    ) -> Result<Vec<TransactWriteItem>> {
        let position = position(job.header());
        let row = |row: &search::SearchRow| {
            let mut item = key(&partition(&row.key), &position);
            if !row.words.is_empty() {
                item.insert("words".to_owned(), text(&row.words));
            }
            item.insert("expires_at".to_owned(), self.time_to_live());
            put(&self.table, item)
        };
        rows.iter().map(row).collect()
    }

    /// Removes the search rows of a job. Does nothing if the job's item does not exist, because it is removed after
    /// them.
    pub(super) async fn remove_search_rows(&self, id: &str) -> Result<()> {
        let Some(item) = self.table.get(key(id, JOB)).await? else { return Ok(()) };
        // Jobs of earlier versions have none.
        let Ok(keys) = get_text(&item, FOUND_BY) else { return Ok(()) };
        let position = get_text(&item, "listed_at")?;
        let keys: Vec<Item> = keys.lines().map(|line| key(&partition(line), position)).collect();
        self.table.delete(&keys).await
    }

    /// Returns the number of jobs in a state, counted up to `at_most` by one request.
    pub(super) async fn counted(&self, state: JobState, at_most: usize) -> Result<usize> {
        let count = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(BY_STATE)
            .select(Select::Count)
            .key_condition_expression("job_state = :state")
            .expression_attribute_values(":state", text(state.name()))
            .limit(i32::try_from(at_most.max(1)).unwrap_or(i32::MAX));
        let counted = count.send().await.map_err(failed("Query of a number of jobs"))?.count();
        Ok(usize::try_from(counted).unwrap_or_default())
    }
}
