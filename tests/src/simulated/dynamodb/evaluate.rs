//! Evaluates conditions and updates on an item.

use std::cmp::Ordering;

use super::expressions::{Assigned, Comparator, Condition, Invalid, Operand, Step};
use super::items::{Attribute, Item};

/// Returns whether a condition is met. An item that does not exist has no attributes.
pub(crate) fn holds(condition: &Condition, item: &Item) -> bool {
    match condition {
        Condition::And(one, other) => holds(one, item) && holds(other, item),
        Condition::Or(one, other) => holds(one, item) || holds(other, item),
        Condition::Not(condition) => !holds(condition, item),
        Condition::Exists(path) => item.contains_key(path),
        Condition::BeginsWith(path, start) => {
            let value = item.get(path).and_then(Attribute::text);
            value.zip(start.text()).is_some_and(|(value, start)| value.starts_with(start))
        }
        Condition::Compare(left, comparator, right) => match (found(left, item), found(right, item)) {
            (Some(left), Some(right)) => compares(left, *comparator, right),
            // A missing attribute is not equal to any value, and every other comparison with it is false.
            _ => *comparator == Comparator::NotEqual,
        },
        Condition::Between(value, low, high) => {
            let at_least = Condition::Compare(value.clone(), Comparator::GreaterOrEqual, low.clone());
            let at_most = Condition::Compare(value.clone(), Comparator::LessOrEqual, high.clone());
            holds(&at_least, item) && holds(&at_most, item)
        }
        Condition::In(value, list) => {
            let value = found(value, item);
            value.is_some() && list.iter().any(|one| found(one, item) == value)
        }
    }
}

fn found<'o>(operand: &'o Operand, item: &'o Item) -> Option<&'o Attribute> {
    match operand {
        Operand::Path(path) => item.get(path),
        Operand::Value(value) => Some(value),
    }
}

fn compares(left: &Attribute, comparator: Comparator, right: &Attribute) -> bool {
    let order = left.compare(right);
    match comparator {
        Comparator::Equal => order == Some(Ordering::Equal),
        Comparator::NotEqual => order != Some(Ordering::Equal),
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparator::Greater => order == Some(Ordering::Greater),
        Comparator::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// Returns the item after an update. Operands have the values from before the update.
pub(crate) fn updated(steps: &[Step], before: &Item) -> Result<Item, Invalid> {
    let mut after = before.clone();
    for step in steps {
        match step {
            Step::Set(path, assigned) => {
                after.insert(path.clone(), value_of(assigned, before)?);
            }
            Step::Add(path, by) => {
                let sum = match (before.get(path), by) {
                    (None, Attribute::N(_) | Attribute::Texts(_)) => by.clone(),
                    (Some(Attribute::Texts(known)), Attribute::Texts(more)) => {
                        let mut all = known.clone();
                        all.extend(more.iter().filter(|text| !known.contains(text)).cloned());
                        Attribute::Texts(all)
                    }
                    (Some(known), by) => sum(known, by, 1)?,
                    (None, _) => return Err(format!("ADD to {path} of no number")),
                };
                after.insert(path.clone(), sum);
            }
            Step::Remove(path) => {
                after.remove(path);
            }
        }
    }
    Ok(after)
}

fn value_of(assigned: &Assigned, before: &Item) -> Result<Attribute, Invalid> {
    let value = |operand: &Operand| {
        found(operand, before)
            .cloned()
            .ok_or_else(|| "an operand of the update is not in the item".to_owned())
    };
    match assigned {
        Assigned::Plain(operand) => value(operand),
        Assigned::Plus(one, other) => sum(&value(one)?, &value(other)?, 1),
        Assigned::Minus(one, other) => sum(&value(one)?, &value(other)?, -1),
        Assigned::IfNotExists(path, otherwise) => match before.get(path) {
            Some(known) => Ok(known.clone()),
            None => value(otherwise),
        },
    }
}

fn sum(one: &Attribute, other: &Attribute, sign: i128) -> Result<Attribute, Invalid> {
    match (one.number(), other.number()) {
        (Some(one), Some(other)) => Ok(Attribute::N((one + sign * other).to_string())),
        _ => Err("an operand of the update is no whole number".to_owned()),
    }
}
