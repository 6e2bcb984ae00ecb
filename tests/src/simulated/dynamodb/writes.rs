//! Writes: one item, or a batch of them.

use serde_json::json;

use super::evaluate::{holds, updated};
use super::expressions::Bindings;
use super::items::{Item, MAX_ITEM, size};
use super::requests::{BatchWrite, BatchWritten, Write};
use super::tables::Key;
use super::{Context, DynamoDb, Outcome, Refusal, success, writes};

/// The kind of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Update,
    Delete,
    Check,
}

/// A write that is checked but not applied.
pub(super) struct Decided {
    pub(super) key: Key,
    pub(super) before: Option<Item>,
    pub(super) after: Option<Item>,
    /// The units of a single write; a transaction takes twice as many.
    pub(super) units: u64,
    /// Whether the condition is met.
    pub(super) holds: bool,
}

impl DynamoDb {
    /// Evaluates a write's expressions and returns its effect.
    pub(super) fn decide(&self, kind: Kind, write: &Write) -> Result<Decided, Refusal> {
        let (_, table) = self.table(&write.table_name)?;
        let bindings = Bindings::new(&write.expression_attribute_names, &write.expression_attribute_values);
        let key = match (kind, &write.item, &write.key) {
            (Kind::Put, Some(item), None) => table.key_of(item)?,
            (Kind::Update | Kind::Delete | Kind::Check, None, Some(key)) => table.checked_key(key)?,
            _ => return Err(Refusal::Invalid("a put has an item, and every other write a key".to_owned())),
        };
        let before = table.get(&key).cloned();
        let condition =
            write.condition_expression.as_deref().map(|text| bindings.condition(text)).transpose()?;
        let steps = write.update_expression.as_deref().map(|text| bindings.update(text)).transpose()?;
        bindings.check_used()?;
        let nothing = Item::new();
        let is_met = condition.is_none_or(|condition| holds(&condition, before.as_ref().unwrap_or(&nothing)));
        let after = match (kind, steps) {
            (Kind::Put, None) => write.item.clone(),
            (Kind::Update, steps) => {
                let start = before.clone().unwrap_or_else(|| write.key.clone().unwrap_or_default());
                // The update is not evaluated if the condition is not met: its operands may be missing.
                Some(if is_met { updated(&steps.unwrap_or_default(), &start)? } else { start })
            }
            (Kind::Delete, None) => None,
            (Kind::Check, None) => before.clone(),
            _ => return Err(Refusal::Invalid("only an update has an update expression".to_owned())),
        };
        let weigh = |item: &Option<Item>| item.as_ref().map_or(0, size);
        if weigh(&after) > MAX_ITEM {
            return Err(Refusal::Invalid("Item size has exceeded the maximum allowed size".to_owned()));
        }
        if let (Kind::Update, Some(after)) = (kind, &after)
            && table.key_of(after)? != key
        {
            return Err(Refusal::Invalid("an update cannot change the key".to_owned()));
        }
        let units = writes(weigh(&before), weigh(&after));
        Ok(Decided { key, before, after, units, holds: is_met })
    }

    /// Applies a write; returns the units of the indexes, which are not included in those of the row.
    pub(super) fn apply(&mut self, name: &str, decided: Decided) -> Result<u64, Refusal> {
        Ok(self.table_mut(name)?.set(decided.key, decided.after))
    }

    fn single(
        &mut self,
        kind: Kind,
        write: &Write,
        context: &mut Context<'_>,
    ) -> Result<(Option<Item>, Option<Item>), Refusal> {
        let decided = self.decide(kind, write)?;
        let (name, table) = self.table(&write.table_name)?;
        if table.is_held(&decided.key, context.now) {
            return Err(Refusal::Conflict);
        }
        let hash = decided.key.0.clone();
        context.writes(name, &hash)?;
        if !decided.holds {
            // A refused write costs as much as a successful one.
            context.uses(name, hash, 0, decided.units);
            return Err(Refusal::Condition(decided.before.filter(|_| write.shows_old())));
        }
        let (before, after) = (decided.before.clone(), decided.after.clone());
        let units = decided.units + self.apply(name, decided)?;
        context.uses(name, hash, 0, units);
        Ok((before, after))
    }

    pub(super) fn put_item(&mut self, write: Write, context: &mut Context<'_>) -> Outcome {
        self.single(Kind::Put, &write, context).and_then(|_| success(&json!({})))
    }

    pub(super) fn delete_item(&mut self, write: &Write, context: &mut Context<'_>) -> Outcome {
        self.single(Kind::Delete, write, context).and_then(|_| success(&json!({})))
    }

    pub(super) fn update_item(&mut self, write: &Write, context: &mut Context<'_>) -> Outcome {
        let (before, after) = self.single(Kind::Update, write, context)?;
        match write.return_values.as_deref() {
            None | Some("NONE") => success(&json!({})),
            Some("ALL_OLD") => match before {
                Some(before) => success(&json!({ "Attributes": before })),
                None => success(&json!({})),
            },
            Some("ALL_NEW") => success(&json!({ "Attributes": after })),
            Some(other) => {
                Err(Refusal::Invalid(format!("the simulation does not know ReturnValues {other}")))
            }
        }
    }

    pub(super) fn batch_write_item(&mut self, batch: BatchWrite, context: &mut Context<'_>) -> Outcome {
        let count: usize = batch.request_items.values().map(Vec::len).sum();
        if !(1..=25).contains(&count) {
            return Err(Refusal::Invalid("a batch has 1 to 25 writes".to_owned()));
        }
        for (name, requests) in batch.request_items {
            for request in requests {
                let (name, table) = self.table(&name)?;
                let (key, after) = match request {
                    BatchWritten::PutRequest { item } => (table.key_of(&item)?, Some(item)),
                    BatchWritten::DeleteRequest { key } => (table.checked_key(&key)?, None),
                };
                let weigh = |item: Option<&Item>| item.map_or(0, size);
                let units = writes(weigh(table.get(&key)), weigh(after.as_ref()));
                let hash = key.0.clone();
                let indexes = self.table_mut(name)?.set(key, after);
                context.uses(name, hash, 0, units + indexes);
            }
        }
        success(&json!({ "UnprocessedItems": {} }))
    }
}
