//! Items and their attributes, in the JSON format of DynamoDB, and their sizes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of an attribute. Types that the adapters do not use are refused when a request is parsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Attribute {
    S(String),
    N(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    B(String),
    #[serde(rename = "SS")]
    Texts(Vec<String>),
    L(Vec<Attribute>),
    M(BTreeMap<String, Attribute>),
}

pub(crate) type Item = BTreeMap<String, Attribute>;

/// The maximum size of an item in bytes (DynamoDB, limits).
pub(crate) const MAX_ITEM: usize = 400 * 1024;

impl Attribute {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value as a whole number. The adapters store no other numbers.
    pub(crate) fn number(&self) -> Option<i128> {
        match self {
            Self::N(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Returns the size of a value in bytes (DynamoDB, item sizes).
    fn size(&self) -> usize {
        match self {
            Self::S(text) | Self::B(text) => text.len(),
            Self::N(number) => number.len().div_ceil(2) + 1,
            Self::Bool(_) | Self::Null(_) => 1,
            Self::Texts(texts) => texts.iter().map(String::len).sum(),
            Self::L(list) => 3 + list.iter().map(|one| one.size() + 1).sum::<usize>(),
            Self::M(map) => 3 + map.iter().map(|(name, one)| name.len() + one.size() + 1).sum::<usize>(),
        }
    }

    /// Compares two values; `None` if they have different types, which are never comparable.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(one), Self::S(other)) | (Self::B(one), Self::B(other)) => Some(one.cmp(other)),
            (Self::N(_), Self::N(_)) => Some(self.number()?.cmp(&other.number()?)),
            _ => (self == other).then_some(Ordering::Equal),
        }
    }
}

/// Returns the size of an item in bytes: names and values.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// Returns the text of an attribute.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name).and_then(Attribute::text)
}
