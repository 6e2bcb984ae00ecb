//! Reads: single items, batches, and queries page by page.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;
use serde_json::json;

use super::evaluate::holds;
use super::expressions::{Bindings, Comparator, Condition, Invalid, Operand};
use super::items::{Attribute, Item, size, text};
use super::requests::{BatchGet, Get, Query};
use super::tables::Schema;
use super::{Context, DynamoDb, Outcome, Refusal, half_reads, success};

/// A page of a query ends after this number of bytes (DynamoDB, Query).
const MAX_PAGE: usize = 1024 * 1024;

impl DynamoDb {
    pub(super) fn get_item(&self, get: &Get, context: &mut Context<'_>) -> Outcome {
        let (name, table) = self.table(&get.table_name)?;
        let key = table.checked_key(&get.key)?;
        let values = BTreeMap::new();
        let bindings = Bindings::new(&get.expression_attribute_names, &values);
        let projection =
            get.projection_expression.as_deref().map(|text| bindings.projection(text)).transpose()?;
        bindings.check_used()?;
        context.reads(name, &key.0)?;
        let found = table.get(&key);
        context.uses(name, key.0, half_reads(found.map_or(0, size), get.consistent_read), 0);
        match found {
            Some(item) => success(&json!({ "Item": Shown::of(item, projection.as_deref()) })),
            None => success(&json!({})),
        }
    }

    pub(super) fn batch_get_item(&self, batch: BatchGet, context: &mut Context<'_>) -> Outcome {
        let count: usize = batch.request_items.values().map(|keys| keys.keys.len()).sum();
        if !(1..=100).contains(&count) {
            return Err(Refusal::Invalid("a batch has 1 to 100 keys".to_owned()));
        }
        let mut responses = BTreeMap::new();
        for (name, wanted) in batch.request_items {
            let (name, table) = self.table(&name)?;
            let values = BTreeMap::new();
            let bindings = Bindings::new(&wanted.expression_attribute_names, &values);
            let projection =
                wanted.projection_expression.as_deref().map(|text| bindings.projection(text)).transpose()?;
            bindings.check_used()?;
            let mut items = Vec::new();
            for key in &wanted.keys {
                let key = table.checked_key(key)?;
                let found = table.get(&key);
                context.uses(name, key.0, half_reads(found.map_or(0, size), wanted.consistent_read), 0);
                items.extend(found.map(|item| json!(Shown::of(item, projection.as_deref()))));
            }
            responses.insert(name, items);
        }
        success(&json!({ "Responses": responses, "UnprocessedKeys": {} }))
    }

    pub(super) fn query(&self, query: &Query, context: &mut Context<'_>) -> Outcome {
        let (name, table) = self.table(&query.table_name)?;
        let bindings = Bindings::new(&query.expression_attribute_names, &query.expression_attribute_values);
        let condition = bindings.condition(&query.key_condition_expression)?;
        let filter = query.filter_expression.as_deref().map(|text| bindings.condition(text)).transpose()?;
        let projection =
            query.projection_expression.as_deref().map(|text| bindings.projection(text)).transpose()?;
        bindings.check_used()?;
        let index = match &query.index_name {
            Some(name) => Some(table.index(name).ok_or_else(|| format!("no such index: {name}"))?),
            None => None,
        };
        if index.is_some() && query.consistent_read {
            return Err(Refusal::Invalid("consistent reads are not supported on indexes".to_owned()));
        }
        let schema = index.map_or(table.schema, |(_, schema)| schema);
        let mut wanted = KeyRange::of(&condition, schema)?;
        let forward = query.scan_index_forward.unwrap_or(true);
        if let Some(start) = &query.exclusive_start_key {
            wanted.start_behind(start, schema, forward)?;
        }
        context.reads(name, &wanted.hash)?;
        let bounds = (wanted.low, wanted.high);
        let rows: Box<dyn Iterator<Item = _>> = match index {
            Some((place, _)) => Box::new(table.index_range(place, &wanted.hash, bounds, forward).into_iter()),
            None => table.range(&wanted.hash, bounds, forward),
        };
        let mut page = Page::default();
        for (_, item) in rows {
            page.evaluated += 1;
            page.bytes += size(item);
            if filter.as_ref().is_none_or(|filter| holds(filter, item)) {
                page.items.push(Shown::of(item, projection.as_deref()));
            }
            // Like the real service: a full page has a last key, even if no item follows.
            if query.limit == Some(page.evaluated) || page.bytes >= MAX_PAGE {
                page.last = Some(last_key(item, table.schema, schema));
                break;
            }
        }
        context.uses(name, wanted.hash, half_reads(page.bytes, query.consistent_read), 0);
        let counts_only = match query.select.as_deref() {
            None => false,
            Some("COUNT") => true,
            Some(other) => {
                return Err(Refusal::Invalid(format!("the simulation does not know Select {other}")));
            }
        };
        success(&Queried {
            count: page.items.len(),
            scanned_count: page.evaluated,
            items: (!counts_only).then_some(page.items),
            last_evaluated_key: page.last,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Queried<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Shown<'t>>>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
}

/// An item, or the part of it that a projection selects.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'t> {
    Whole(&'t Item),
    Part(BTreeMap<&'t str, &'t Attribute>),
}

impl<'t> Shown<'t> {
    fn of(item: &'t Item, projection: Option<&[String]>) -> Self {
        match projection {
            None => Self::Whole(item),
            Some(names) => {
                let named = item.iter().filter(|(name, _)| names.contains(name));
                Self::Part(named.map(|(name, value)| (name.as_str(), value)).collect())
            }
        }
    }
}

#[derive(Default)]
struct Page<'t> {
    items: Vec<Shown<'t>>,
    evaluated: usize,
    bytes: usize,
    last: Option<Item>,
}

/// Returns the key at the end of a page: the key attributes of the row and of the index.
fn last_key(item: &Item, table: Schema, index: Schema) -> Item {
    let names = [Some(table.hash), table.range, Some(index.hash), index.range];
    let known =
        names.into_iter().flatten().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())));
    known.collect()
}

/// The range that a key condition selects.
struct KeyRange {
    hash: String,
    low: Bound<String>,
    high: Bound<String>,
}

impl KeyRange {
    fn of(condition: &Condition, schema: Schema) -> Result<Self, Invalid> {
        let (of_hash, of_range) = match condition {
            Condition::And(one, other) => (&**one, Some(&**other)),
            condition => (condition, None),
        };
        let hash = match of_hash {
            Condition::Compare(
                Operand::Path(path),
                Comparator::Equal,
                Operand::Value(Attribute::S(hash)),
            ) if path == schema.hash => hash.clone(),
            _ => return Err("a key condition begins with the hash key's".to_owned()),
        };
        let (low, high) = match of_range {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(condition) => bounds(condition, schema.range.unwrap_or_default())?,
        };
        Ok(Self { hash, low, high })
    }

    /// Limits the range to the keys after the last key of the previous page.
    fn start_behind(&mut self, start: &Item, schema: Schema, forward: bool) -> Result<(), Invalid> {
        let range = schema.range.and_then(|range| text(start, range)).ok_or("the start key is not a key")?;
        let bound = Bound::Excluded(range.to_owned());
        if forward {
            self.low = bound;
        } else {
            self.high = bound;
        }
        Ok(())
    }
}

fn bounds(condition: &Condition, range: &str) -> Result<(Bound<String>, Bound<String>), Invalid> {
    let unknown = || "the simulation does not know this condition of the range key".to_owned();
    match condition {
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high))
            if path == range =>
        {
            let text = |value: &Attribute| value.text().map(str::to_owned).ok_or_else(unknown);
            Ok((Bound::Included(text(low)?), Bound::Included(text(high)?)))
        }
        Condition::BeginsWith(path, start) if path == range => {
            let start = start.text().ok_or_else(unknown)?;
            Ok((Bound::Included(start.to_owned()), Bound::Excluded(format!("{start}\u{10ffff}"))))
        }
        Condition::Compare(Operand::Path(path), comparator, Operand::Value(value)) if path == range => {
            let value = value.text().ok_or_else(unknown)?.to_owned();
            Ok(match comparator {
                Comparator::Equal => (Bound::Included(value.clone()), Bound::Included(value)),
                Comparator::Less => (Bound::Unbounded, Bound::Excluded(value)),
                Comparator::LessOrEqual => (Bound::Unbounded, Bound::Included(value)),
                Comparator::Greater => (Bound::Excluded(value), Bound::Unbounded),
                Comparator::GreaterOrEqual => (Bound::Included(value), Bound::Unbounded),
                Comparator::NotEqual => return Err(unknown()),
            })
        }
        _ => Err(unknown()),
    }
}
