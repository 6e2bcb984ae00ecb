//! The audit trail in its own DynamoDB table, to which functions may only add.
//!
//! | `shard_id` | `entry_number` | contents |
//! |---|---|---|
//! | `0` to `7` | the sequence number, 12 digits | the entry, its hash, and what the indexes need |
//! | `patient/<id>` | the position of an entry | the key of the entry, which shows this patient among others |
//!
//! - A writer reads the newest entry of a random shard and adds the next one on the condition that its number is not
//!   used. A writer that loses this race tries another shard. Each write has the id of its call, so that a retry after
//!   a lost response finds that the first attempt succeeded.
//! - A list of all entries reads one page of the time index of each shard and merges them. The indexes by actor and by
//!   patient have one partition for each actor or patient. A list by patient also reads the partition of the entries that
//!   show the patient. No request scans the table.
//! - `expires_at` is the table's time to live. DynamoDB removes expired entries in any order, which the chain allows.

mod shown;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::audit::{Event, SHARDS, is_position, position_of};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ports::audit::{AuditLog, AuditPage, AuditQuery, Keys, StoredEntry, unreadable};
use futures_util::future::{try_join, try_join_all};
use jiff::{SignedDuration, Timestamp};
use storage::audit_chain::sealed;

use crate::calls::{failed, pause};
use crate::items::{Item, get_number, get_text, number, text};
use crate::table::TRIES;

pub(super) struct AwsAuditLog {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) kept: SignedDuration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// The maximum number of entries that are read for one page of a list.
const LOOKED_AT: usize = 500;

/// Returns the number of an entry as a sort key.
fn number_key(sequence: u64) -> String {
    format!("{sequence:012}")
}

fn stored(item: &Item) -> Result<StoredEntry> {
    let patient = item.get("patient_id").and_then(|value| value.as_s().ok());
    let kept_until: i64 = get_number(item, "kept_until_ms")?;
    let parse = |text: &str| text.parse().map_err(Error::internal);
    Ok(StoredEntry {
        keys: Keys {
            shard: u8::try_from(parse(get_text(item, "shard_id")?)?).map_err(Error::internal)?,
            sequence: parse(get_text(item, "entry_number")?)?,
            position: get_text(item, "listed_at")?.to_owned(),
            actor: get_text(item, "actor_id")?.to_owned(),
            patient: patient.cloned(),
            action: get_text(item, "event_action")?.to_owned(),
            outcome: get_text(item, "event_outcome")?.to_owned(),
            kept_until: Timestamp::from_millisecond(kept_until).map_err(Error::internal)?,
        },
        text: get_text(item, "entry")?.to_owned(),
        hash: get_text(item, "entry_hash")?.to_owned(),
    })
}

/// Returns when DynamoDB may remove an entry: one hour after it expires, so that a wrong clock removes no entry too early.
fn expires_at(keys: &Keys) -> i64 {
    keys.kept_until.as_second().saturating_add(3_600)
}

/// Returns the item of an entry, without the id of the call that writes it.
fn item(entry: &StoredEntry) -> Item {
    let keys = &entry.keys;
    let mut item = Item::from(
        [
            ("shard_id", text(keys.shard.to_string())),
            ("entry_number", text(number_key(keys.sequence))),
            ("listed_at", text(&keys.position)),
            ("actor_id", text(&keys.actor)),
            ("event_action", text(&keys.action)),
            ("event_outcome", text(&keys.outcome)),
            ("kept_until_ms", number(keys.kept_until.as_millisecond())),
            ("expires_at", number(expires_at(keys))),
            ("entry", text(&entry.text)),
            ("entry_hash", text(&entry.hash)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(patient) = &keys.patient {
        item.insert("patient_id".to_owned(), text(patient));
    }
    item
}

impl AwsAuditLog {
    fn any_shard(&self) -> u8 {
        let mut byte = [0];
        self.random.fill(&mut byte);
        byte[0] % SHARDS
    }

    /// Adds an entry. Returns `false` if another one has its number.
    async fn put(&self, entry: &StoredEntry) -> Result<bool> {
        let call = self.random.attempt().to_string();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(entry)))
            .item("written_by", text(&call))
            .condition_expression("attribute_not_exists(shard_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let written_by = refused.item().and_then(|item| get_text(item, "written_by").ok());
                Ok(written_by == Some(call.as_str()))
            }
            _ => Err(failed("PutItem of an audit entry")(error)),
        }
    }

    /// Returns a page of a partition, newest first, and the position at which the next page begins.
    async fn page(&self, part: Partition<'_>, query: &AuditQuery) -> Result<(Vec<Item>, Option<String>)> {
        let Partition { index, hash: (name, value), range } = part;
        let least = query.from.map_or_else(String::new, position_of);
        let ends = [query.until.map(position_of), query.after.clone()];
        let most = ends.into_iter().flatten().min().unwrap_or_else(|| "9".to_owned());
        if least >= most {
            return Ok((Vec::new(), None));
        }
        let limit = if filters(index, query) { LOOKED_AT } else { query.count + 1 };
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(str::to_owned))
            .scan_index_forward(false)
            // The last position of the previous page is removed below, because a range includes both ends.
            .key_condition_expression(format!("{name} = :value AND {range} BETWEEN :least AND :most"))
            .expression_attribute_values(":value", text(value))
            .expression_attribute_values(":least", text(if least.is_empty() { "0" } else { &least }))
            .expression_attribute_values(":most", text(&most))
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(failed("Query of audit entries"))?;
        let rest = found.last_evaluated_key().map(|key| get_text(key, range).map(str::to_owned));
        let mut items = found.items.unwrap_or_default();
        items.retain(|item| get_text(item, range).is_ok_and(|position| position < most.as_str()));
        Ok((items, rest.transpose()?))
    }

    /// Returns a page of one partition of an index.
    async fn index(
        &self,
        (index, name, value): (&str, &str, &str),
        query: &AuditQuery,
    ) -> Result<(Vec<StoredEntry>, Option<String>)> {
        let part = Partition { index: Some(index), hash: (name, value), range: "listed_at" };
        let (items, rest) = self.page(part, query).await?;
        Ok((items.iter().map(stored).collect::<Result<_>>()?, rest))
    }
}

/// A partition of the table, or of one of its indexes, whose sort keys are positions of entries.
struct Partition<'p> {
    index: Option<&'p str>,
    hash: (&'p str, &'p str),
    range: &'p str,
}

/// Returns whether a query has conditions other than the time and the key of the index.
fn filters(index: Option<&str>, query: &AuditQuery) -> bool {
    let is_by_patient = index.is_none_or(|index| index == "by-patient");
    query.action.is_some() || query.outcome.is_some() || (is_by_patient && query.actor.is_some())
}

#[async_trait]
impl AuditLog for AwsAuditLog {
    async fn append(&self, event: &Event) -> Result<()> {
        let mut shard = self.any_shard();
        for tries in 0..TRIES {
            let newest = self.newest(shard, 1).await?;
            let entry = sealed(shard, newest.last(), event, (self.clock.now(), self.kept))?;
            if self.put(&entry).await? {
                // An action is done after this, so all its patients find it.
                return self.point_to(&entry, &event.shown).await;
            }
            shard = self.any_shard();
            pause(&*self.random, tries).await;
        }
        Err(Error::unavailable("PutItem of an audit entry: lost every race"))
    }

    async fn list(&self, query: &AuditQuery) -> Result<AuditPage> {
        if query.after.as_deref().is_some_and(|after| !is_position(after)) {
            return Err(Error::invalid("'page' is not a page of this list"));
        }
        let pages = match (&query.patient, &query.actor) {
            (Some(patient), _) => {
                let about = self.index(("by-patient", "patient_id", patient.as_str()), query);
                let (about, showing) = try_join(about, self.showing(patient, query)).await?;
                vec![about, showing]
            }
            (None, Some(actor)) => vec![self.index(("by-actor", "actor_id", actor), query).await?],
            (None, None) => {
                let shards: Vec<_> = (0..SHARDS).map(|shard| shard.to_string()).collect();
                let pages = shards.iter().map(|shard| self.index(("by-time", "shard_id", shard), query));
                try_join_all(pages).await?
            }
        };
        // Entries older than the end of a partition's page are not known yet.
        let known_from = pages.iter().filter_map(|(_, rest)| rest.clone()).max();
        let mut found: Vec<_> = pages.into_iter().flat_map(|(entries, _)| entries).collect();
        found.retain(|entry| known_from.as_ref().is_none_or(|from| entry.keys.position >= *from));
        found.sort_by(|one, other| other.keys.position.cmp(&one.keys.position));
        found.dedup_by(|one, other| one.keys.position == other.keys.position);
        let mut entries = Vec::new();
        for stored in found {
            let Ok(entry) = serde_json::from_str::<domain::audit::Entry>(&stored.text) else {
                unreadable(&stored.keys);
                continue;
            };
            if !query.matches(&entry.event) {
                continue;
            }
            if entries.len() == query.count {
                let next = entries.last().map(domain::audit::Entry::position);
                return Ok(AuditPage { entries, next });
            }
            entries.push(entry);
        }
        Ok(AuditPage { entries, next: known_from })
    }

    async fn chain(&self, shard: u8, from: u64, count: usize) -> Result<Vec<StoredEntry>> {
        self.in_order(shard, from, count, true).await
    }

    async fn newest(&self, shard: u8, count: usize) -> Result<Vec<StoredEntry>> {
        let mut entries = self.in_order(shard, 0, count, false).await?;
        entries.reverse();
        Ok(entries)
    }

    /// Does nothing, because the table's time to live removes expired entries.
    async fn sweep(&self) -> Result<u64> {
        Ok(0)
    }
}

impl AwsAuditLog {
    /// Returns entries of a shard from a number on, in the order of their numbers.
    async fn in_order(&self, shard: u8, from: u64, count: usize, forward: bool) -> Result<Vec<StoredEntry>> {
        let select = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(forward)
            .key_condition_expression("shard_id = :shard AND entry_number >= :from")
            .expression_attribute_values(":shard", text(shard.to_string()))
            .expression_attribute_values(":from", text(number_key(from)))
            .limit(i32::try_from(count).unwrap_or(i32::MAX));
        let mut rows = select.into_paginator().items().send();
        let mut entries = Vec::new();
        while entries.len() < count
            && let Some(row) = rows.try_next().await.map_err(failed("Query of audit entries"))?
        {
            entries.push(stored(&row)?);
        }
        Ok(entries)
    }
}
