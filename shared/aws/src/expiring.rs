//! Expiring entries in DynamoDB. They have their own table, so that access to them gives no access to jobs.
//!
//! An entry is one item. An entry that was taken stays in the table, marked with the call that took it: if the response is
//! lost, the retry must find that its own call took the entry. The table's time to live removes the items later.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result};
use domain::ports::expiring::{EntryKind, ExpiringEntry, ExpiringStore};
use jiff::Timestamp;
use serde_json::Value;

use crate::calls::failed;
use crate::items::{Item, document, get_document, get_number, get_text, number, text};

pub(super) struct AwsExpiringStore {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// The condition for an entry that exists, is not taken and is not expired.
const LIVE: &str = "attribute_exists(grant_key) AND attribute_not_exists(taken_by) AND expires_ms > :now";
const NOT_LIVE: &str = "attribute_not_exists(grant_key) OR attribute_exists(taken_by) OR expires_ms <= :now";

impl AwsExpiringStore {
    fn now(&self) -> AttributeValue {
        number(self.clock.now().as_millisecond())
    }

    fn key(kind: EntryKind, key: &str) -> AttributeValue {
        text(format!("{}#{key}", kind.name()))
    }
}

fn entry(item: &Item) -> Result<ExpiringEntry> {
    Ok(ExpiringEntry {
        value: get_document(item, "granted")?,
        expires_at: Timestamp::from_millisecond(get_number(item, "expires_ms")?).map_err(Error::internal)?,
        version: get_number(item, "revision")?,
    })
}

/// Returns the value for the table's time to live, in seconds since 1970. It is an hour after the expiry, so that a wrong
/// clock removes no entry too early.
fn time_to_live(expires_at: Timestamp) -> AttributeValue {
    number(expires_at.as_second().saturating_add(3_600))
}

/// Returns whether a write was refused because an earlier attempt of the same call had succeeded.
fn is_own(item: Option<&Item>, attribute: &str, call: &str) -> bool {
    item.is_some_and(|item| get_text(item, attribute).is_ok_and(|writer| writer == call))
}

#[async_trait]
impl ExpiringStore for AwsExpiringStore {
    async fn put(&self, kind: EntryKind, key: &str, value: Value, expires_at: Timestamp) -> Result<bool> {
        let call = self.random.attempt().to_string();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("grant_key", Self::key(kind, key))
            .item("granted", document(&value)?)
            .item("expires_ms", number(expires_at.as_millisecond()))
            .item("expires_at", time_to_live(expires_at))
            .item("revision", number(1))
            .item("written_by", text(&call))
            .condition_expression(NOT_LIVE)
            .expression_attribute_values(":now", self.now())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let refused = error.into_err();
                let item = match &refused {
                    aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                        refused,
                    ) => refused.item(),
                    _ => None,
                };
                Ok(is_own(item, "written_by", &call))
            }
            Err(error) => Err(failed("PutItem of an entry")(error)),
        }
    }

    async fn get(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("grant_key", Self::key(kind, key))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem of an entry"))?;
        let live = found.item.filter(|item| !item.contains_key("taken_by"));
        let found = live.as_ref().map(entry).transpose()?;
        Ok(found.filter(|entry| entry.expires_at > self.clock.now()))
    }

    async fn replace(&self, kind: EntryKind, key: &str, entry: &ExpiringEntry) -> Result<bool> {
        let call = self.random.attempt().to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("grant_key", Self::key(kind, key))
            .update_expression(
                "SET granted = :granted, expires_ms = :expires, expires_at = :gone, revision = :next, written_by = :call",
            )
            .condition_expression(format!("{LIVE} AND revision = :revision"))
            .expression_attribute_values(":granted", document(&entry.value)?)
            .expression_attribute_values(":expires", number(entry.expires_at.as_millisecond()))
            .expression_attribute_values(":gone", time_to_live(entry.expires_at))
            .expression_attribute_values(":next", number(entry.version + 1))
            .expression_attribute_values(":revision", number(entry.version))
            .expression_attribute_values(":call", text(&call))
            .expression_attribute_values(":now", self.now())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                Ok(is_own(refused_item(&error.into_err()), "written_by", &call))
            }
            Err(error) => Err(failed("UpdateItem of an entry")(error)),
        }
    }

    async fn take(&self, kind: EntryKind, key: &str) -> Result<Option<ExpiringEntry>> {
        let call = self.random.attempt().to_string();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("grant_key", Self::key(kind, key))
            .update_expression("SET taken_by = :call")
            .condition_expression(LIVE)
            .expression_attribute_values(":call", text(&call))
            .expression_attribute_values(":now", self.now())
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(taken) => taken.attributes.as_ref().map(entry).transpose(),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let refused = error.into_err();
                let item = refused_item(&refused).filter(|item| is_own(Some(item), "taken_by", &call));
                item.map(entry).transpose()
            }
            Err(error) => Err(failed("UpdateItem of an entry")(error)),
        }
    }

    /// Does nothing, because the table's time to live removes expired entries.
    async fn sweep(&self) -> Result<u64> {
        Ok(0)
    }
}

fn refused_item(refused: &aws_sdk_dynamodb::operation::update_item::UpdateItemError) -> Option<&Item> {
    match refused {
        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
            refused,
        ) => refused.item(),
        _ => None,
    }
}
