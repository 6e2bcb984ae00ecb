//! DynamoDB: its JSON protocol over rows in memory, with the conditions, limits and units of the real service.

mod evaluate;
mod expressions;
mod items;
mod queries;
mod requests;
mod tables;
mod transactions;
mod writes;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::items::Item;
use self::tables::Table;
use super::limits::{Limited, Limits};
use super::response::SimulatedResponse;

/// The inputs of a request beside its body, and the capacity that it used.
pub(crate) struct Context<'c> {
    pub(crate) now: Duration,
    /// The time for which a transaction of this request locks its rows.
    pub(crate) holds: Duration,
    pub(crate) used: Vec<Used>,
    pub(crate) limits: &'c mut Limits,
}

impl Context<'_> {
    /// Checks that a partition accepts a read now.
    fn reads(&mut self, table: &'static str, hash: &str) -> Result<(), Refusal> {
        let admits = self.limits.admits(&Limited::Reads(table, hash.to_owned()), self.now);
        if admits { Ok(()) } else { Err(Refusal::Throttled) }
    }

    /// Checks that a partition accepts a write now.
    fn writes(&mut self, table: &'static str, hash: &str) -> Result<(), Refusal> {
        let admits = self.limits.admits(&Limited::Writes(table, hash.to_owned()), self.now);
        if admits { Ok(()) } else { Err(Refusal::Throttled) }
    }

    /// Records the capacity that a request used of a partition.
    fn uses(&mut self, table: &'static str, hash: String, half_reads: u64, writes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        if half_reads > 0 {
            let limited = Limited::Reads(table, hash.clone());
            self.limits.use_up(limited, half_reads as f64 / 2.0, self.now);
        }
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        if writes > 0 {
            let limited = Limited::Writes(table, hash.clone());
            self.limits.use_up(limited, writes as f64, self.now);
        }
        self.used.push(Used { table, hash, half_reads, writes });
    }
}

/// The capacity that a request used of one partition key.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) table: &'static str,
    pub(crate) hash: String,
    pub(crate) half_reads: u64,
    pub(crate) writes: u64,
}

/// All tables, by the [`names`](super::names).
#[derive(Debug, Clone)]
pub(crate) struct DynamoDb {
    tables: BTreeMap<&'static str, Table>,
    transactions: transactions::Tokens,
}

/// The reason why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request is invalid.
    Invalid(String),
    /// A condition is not met; with the current item, if the request asks for it.
    Condition(Option<Item>),
    /// A transaction is writing the item.
    Conflict,
    /// The reasons of a cancelled transaction, one for each item.
    Cancelled(Vec<Reason>),
    NoTable,
    /// The partition accepts no more requests now.
    Throttled,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Reason {
    pub(crate) code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Item>,
}

impl From<String> for Refusal {
    fn from(invalid: String) -> Self {
        Self::Invalid(invalid)
    }
}

/// The JSON of a response.
pub(crate) type Outcome = Result<Vec<u8>, Refusal>;

impl DynamoDb {
    pub(crate) fn new() -> Self {
        let tables = BTreeMap::from([
            (super::names::JOBS_TABLE, Table::of_jobs()),
            (super::names::GRANTS_TABLE, Table::of_grants()),
            (super::names::AUDIT_TABLE, Table::of_audit()),
        ]);
        Self { tables, transactions: transactions::Tokens::default() }
    }

    /// Returns the number of rows of a table.
    pub(crate) fn rows(&self, table: &str) -> u64 {
        self.tables.get(table).map_or(0, Table::len)
    }

    pub(crate) fn call(
        &mut self,
        operation: &str,
        body: &[u8],
        context: &mut Context<'_>,
    ) -> SimulatedResponse {
        let outcome = match operation {
            "GetItem" => read(body).and_then(|request| self.get_item(&request, context)),
            "BatchGetItem" => read(body).and_then(|request| self.batch_get_item(request, context)),
            "Query" => read(body).and_then(|request| self.query(&request, context)),
            "PutItem" => read(body).and_then(|request| self.put_item(request, context)),
            "UpdateItem" => read(body).and_then(|request| self.update_item(&request, context)),
            "DeleteItem" => read(body).and_then(|request| self.delete_item(&request, context)),
            "BatchWriteItem" => read(body).and_then(|request| self.batch_write_item(request, context)),
            "TransactWriteItems" => {
                read(body).and_then(|request| self.transact_write_items(&request, body, context))
            }
            other => Err(Refusal::Invalid(format!("the simulation does not know {other}"))),
        };
        response_of(outcome)
    }

    fn table(&self, name: &str) -> Result<(&'static str, &Table), Refusal> {
        let (name, table) = self.tables.get_key_value(name).ok_or(Refusal::NoTable)?;
        Ok((name, table))
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        self.tables.get_mut(name).ok_or(Refusal::NoTable)
    }

    pub(crate) fn row(&self, table: &str, hash: &str, range: &str) -> Option<&Item> {
        self.tables.get(table)?.get(&(hash.to_owned(), range.to_owned()))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Invalid(format!("the simulation cannot read the request: {error}")))
}

fn response_of(outcome: Outcome) -> SimulatedResponse {
    let error = |code: &str, message: &str, more: serde_json::Value| {
        let mut body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message,
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        SimulatedResponse::json(400, &body)
    };
    let none = serde_json::Value::Null;
    match outcome {
        Ok(body) => SimulatedResponse::json_bytes(200, body),
        Err(Refusal::Invalid(message)) => error("ValidationException", &message, none),
        Err(Refusal::NoTable) => error("ResourceNotFoundException", "no such table", none),
        Err(Refusal::Throttled) => {
            error("ProvisionedThroughputExceededException", "the partition is busy", none)
        }
        Err(Refusal::Conflict) => {
            error("TransactionConflictException", "a transaction writes the item", none)
        }
        Err(Refusal::Condition(item)) => {
            let item = item.map_or(none, |item| serde_json::json!({ "Item": item }));
            error("ConditionalCheckFailedException", "The conditional request failed", item)
        }
        Err(Refusal::Cancelled(reasons)) => error(
            "TransactionCanceledException",
            "Transaction cancelled, please refer cancellation reasons for specific reasons",
            serde_json::json!({ "CancellationReasons": reasons }),
        ),
    }
}

fn success<T: Serialize>(body: &T) -> Outcome {
    serde_json::to_vec(body).map_err(|error| Refusal::Invalid(error.to_string()))
}

/// Returns the units of a read, in halves: an eventually consistent read of 4 kB is one half.
fn half_reads(bytes: usize, is_consistent: bool) -> u64 {
    let units = (bytes as u64).div_ceil(4096).max(1);
    if is_consistent { 2 * units } else { units }
}

/// Returns the units of a write: one for each kilobyte of the old or the new item, whichever is larger.
fn writes(before: usize, after: usize) -> u64 {
    (before.max(after) as u64).div_ceil(1024).max(1)
}
