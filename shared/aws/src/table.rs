//! The table of jobs: transactions, and reads and deletions of many items, which are repeated until DynamoDB has
//! processed all of them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, Put, TransactWriteItem, Update, WriteRequest,
};
use domain::clock::Random;
use domain::error::{Error, Result};

use crate::calls::{failed, pause};
use crate::items::{Item, text};

/// The maximum number of attempts at a conflicting write, and of repetitions for items that DynamoDB did not process.
pub(super) const TRIES: u32 = 30;
/// The maximum number of keys in one BatchGetItem (DynamoDB, limits).
const BATCH_READ: usize = 100;
/// The maximum number of keys in one BatchWriteItem (DynamoDB, limits).
const BATCH_WRITE: usize = 25;

/// A DynamoDB table with the key `job_id` and `part`.
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) random: Arc<dyn Random>,
}

/// The result of a transaction.
pub(super) enum Written {
    Done,
    /// The condition of the item at this index of the transaction did not hold.
    Refused(usize),
}

/// Returns the key of an item.
pub(super) fn key(partition: &str, part: &str) -> Item {
    HashMap::from([("job_id".to_owned(), text(partition)), ("part".to_owned(), text(part))])
}

pub(super) fn update(update: Update) -> TransactWriteItem {
    TransactWriteItem::builder().update(update).build()
}

/// Returns the put of an item that must not exist yet.
pub(super) fn put_once(table: &Table, item: Item) -> Result<TransactWriteItem> {
    let put = Put::builder()
        .table_name(&table.name)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(job_id)");
    let put = put.build().map_err(Error::internal)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Returns the put of an item that may exist already.
pub(super) fn put(table: &Table, item: Item) -> Result<TransactWriteItem> {
    let put = Put::builder().table_name(&table.name).set_item(Some(item)).build().map_err(Error::internal)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

impl Table {
    /// Writes all items or none. The token makes all attempts of this call the same transaction.
    pub(super) async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Written> {
        let token = format!("{}{}", self.random.attempt(), self.random.attempt());
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
                    if let Some(index) = codes.iter().position(|code| *code == "ConditionalCheckFailed") {
                        return Ok(Written::Refused(index));
                    }
                    let temporary =
                        ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
                    if !codes.iter().all(|code| temporary.contains(code)) {
                        return Err(failed("TransactWriteItems")(error));
                    }
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(failed("TransactWriteItems")(error)),
            }
            pause(&*self.random, tries).await;
        }
        Err(Error::unavailable("TransactWriteItems: lost every race"))
    }

    pub(super) async fn get(&self, key: Item) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(get.send().await.map_err(failed("GetItem of a job"))?.item)
    }

    /// Returns the existing items of these keys, in no order.
    pub(super) async fn get_all(&self, keys: Vec<Item>) -> Result<Vec<Item>> {
        let mut items = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH_READ) {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(batch.to_vec()))
                .consistent_read(true)
                .build()
                .map_err(Error::internal)?;
            let mut wanted = HashMap::from([(self.name.clone(), keys)]);
            let mut tries = 0;
            while !wanted.is_empty() {
                let get = self.client.batch_get_item().set_request_items(Some(wanted));
                let mut got = get.send().await.map_err(failed("BatchGetItem"))?;
                let found = got.responses.as_mut().and_then(|tables| tables.remove(&self.name));
                items.extend(found.unwrap_or_default());
                wanted = got.unprocessed_keys.unwrap_or_default();
                if !wanted.is_empty() {
                    self.again("BatchGetItem left keys", &mut tries).await?;
                }
            }
        }
        Ok(items)
    }

    /// Returns the items of a partition whose sort keys are between these two, both included.
    pub(super) async fn between(&self, partition: &str, first: &str, last: &str) -> Result<Vec<Item>> {
        // DynamoDB ends a page at a megabyte.
        let items = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("job_id = :job AND part BETWEEN :first AND :last")
            .expression_attribute_values(":job", text(partition))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last))
            .into_paginator()
            .items()
            .send();
        items.try_collect().await.map_err(failed("Query of a job"))
    }

    /// Deletes all items of a partition. In each page of a thousand, the items for whose sort keys `is_last` returns
    /// `true` are deleted after the others, so that an interrupted deletion is found and repeated.
    pub(super) async fn clear(&self, partition: &str, is_last: impl Fn(&str) -> bool) -> Result<()> {
        let is_last = |key: &Item| {
            key.get("part")
                .and_then(|part: &AttributeValue| part.as_s().ok())
                .is_some_and(|part| is_last(part))
        };
        loop {
            let found = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("job_id = :job")
                .projection_expression("job_id, part")
                .expression_attribute_values(":job", text(partition))
                .limit(1_000)
                .send()
                .await
                .map_err(failed("Query of a job's items"))?;
            let mut keys = found.items().to_vec();
            keys.sort_by_key(is_last);
            self.delete(&keys).await?;
            if found.last_evaluated_key().is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes the items of these keys, and repeats the requests until DynamoDB has processed all of them.
    pub(super) async fn delete(&self, keys: &[Item]) -> Result<()> {
        for batch in keys.chunks(BATCH_WRITE) {
            let request = |key: &Item| {
                let delete =
                    DeleteRequest::builder().set_key(Some(key.clone())).build().map_err(Error::internal)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            };
            let requests = batch.iter().map(request).collect::<Result<Vec<_>>>()?;
            let mut left = HashMap::from([(self.name.clone(), requests)]);
            let mut tries = 0;
            while !left.is_empty() {
                let write = self.client.batch_write_item().set_request_items(Some(left));
                let written = write.send().await.map_err(failed("BatchWriteItem of a job"))?;
                left = written.unprocessed_items.unwrap_or_default();
                if !left.is_empty() {
                    self.again("BatchWriteItem left items", &mut tries).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits before items that were not processed are requested again. Returns an error after [`TRIES`] repetitions.
    async fn again(&self, problem: &'static str, tries: &mut u32) -> Result<()> {
        if *tries == TRIES {
            return Err(Error::unavailable(problem));
        }
        pause(&*self.random, *tries).await;
        *tries += 1;
        Ok(())
    }
}
