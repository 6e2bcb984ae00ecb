//! Transactions: they take effect completely or not at all, are idempotent by their token, and conflict with each other.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::json;

use super::requests::{Transact, Transacted};
use super::writes::{Decided, Kind};
use super::{Context, DynamoDb, Outcome, Reason, Refusal, success};

/// The maximum number of items in a transaction (DynamoDB, limits), and of bytes of all items.
const MAX_ITEMS: usize = 100;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The time for which a token is kept.
const REMEMBERED: Duration = Duration::from_mins(10);

/// The tokens of finished transactions, each with its time and a fingerprint of its body.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(HashMap<String, (Duration, u64)>);

impl DynamoDb {
    pub(super) fn transact_write_items(
        &mut self,
        request: &Transact,
        body: &[u8],
        context: &mut Context<'_>,
    ) -> Outcome {
        let items = &request.transact_items;
        if items.is_empty() || items.len() > MAX_ITEMS || body.len() > MAX_BYTES {
            return Err(Refusal::Invalid(format!(
                "a transaction has 1 to {MAX_ITEMS} items and at most 4 MB"
            )));
        }
        let fingerprint = fingerprint(body);
        if let Some((at, known)) =
            request.client_request_token.as_ref().and_then(|token| self.transactions.0.get(token))
            && context.now < *at + REMEMBERED
        {
            // A transaction that was done before changes nothing; its rows are read.
            return match *known == fingerprint {
                true => {
                    self.reread(items, context)?;
                    success(&json!({}))
                }
                false => Err(Refusal::Invalid("IdempotentParameterMismatchException".to_owned())),
            };
        }
        let decided = self.decide_all(items, context)?;
        for (item, decided) in items.iter().zip(decided) {
            let (name, _) = self.table(&item.write().table_name)?;
            let (key, units) = (decided.key.clone(), decided.units);
            let until = context.now + context.holds;
            self.table_mut(name)?.hold(key.clone(), context.now, until);
            let indexes = match item {
                Transacted::ConditionCheck(_) => 0,
                _ => self.apply(name, decided)?,
            };
            context.uses(name, key.0, 0, 2 * units + indexes);
        }
        if let Some(token) = &request.client_request_token {
            if self.transactions.0.len() > 10_000 {
                self.transactions.0.retain(|_, (at, _)| context.now < *at + REMEMBERED);
            }
            self.transactions.0.insert(token.clone(), (context.now, fingerprint));
        }
        success(&json!({}))
    }

    /// Returns the effect of each item; or the reasons, if one of the items is refused.
    fn decide_all(&self, items: &[Transacted], context: &mut Context<'_>) -> Result<Vec<Decided>, Refusal> {
        let mut all = Vec::new();
        let (mut reasons, mut keys) = (Vec::new(), HashSet::new());
        for item in items {
            let write = item.write();
            let kind = match item {
                Transacted::Put(_) => Kind::Put,
                Transacted::Update(_) => Kind::Update,
                Transacted::Delete(_) => Kind::Delete,
                Transacted::ConditionCheck(_) => Kind::Check,
            };
            let (name, table) = self.table(&write.table_name)?;
            let decided = self.decide(kind, write)?;
            if !keys.insert((name, decided.key.clone())) {
                return Err(Refusal::Invalid("two operations of a transaction on one item".to_owned()));
            }
            reasons.push(if table.is_held(&decided.key, context.now) {
                Reason { code: "TransactionConflict", item: None }
            } else if context.writes(name, &decided.key.0).is_err() {
                Reason { code: "ThrottlingError", item: None }
            } else if decided.holds {
                Reason { code: "None", item: None }
            } else {
                let shown = decided.before.clone().filter(|_| write.shows_old());
                Reason { code: "ConditionalCheckFailed", item: shown }
            });
            all.push((name, decided));
        }
        if reasons.iter().all(|reason| reason.code == "None") {
            return Ok(all.into_iter().map(|(_, decided)| decided).collect());
        }
        for (name, decided) in all {
            context.uses(name, decided.key.0, 0, 2 * decided.units);
        }
        Err(Refusal::Cancelled(reasons))
    }

    fn reread(&self, items: &[Transacted], context: &mut Context<'_>) -> Result<(), Refusal> {
        for item in items {
            let write = item.write();
            let (name, table) = self.table(&write.table_name)?;
            let key = match (&write.key, &write.item) {
                (Some(key), _) | (None, Some(key)) => table.key_of(key)?,
                (None, None) => continue,
            };
            let bytes = table.get(&key).map_or(0, super::items::size);
            let half_reads = 2 * super::half_reads(bytes, true);
            context.uses(name, key.0, half_reads, 0);
        }
        Ok(())
    }
}

fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // The order of a map's members varies between attempts, so the bytes are compared without their order.
    let mut sorted = body.to_vec();
    sorted.sort_unstable();
    sorted.hash(&mut hasher);
    hasher.finish()
}
