//! Items and their attributes, as DynamoDB's JSON spells them, and what they weigh.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of an attribute. Types that the adapters do not use are refused when a request is read.
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

/// The largest item (DynamoDB, limits).
pub(crate) const MAX_ITEM: usize = 400 * 1024;

impl Attribute {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number. The adapters store no others.
    pub(crate) fn number(&self) -> Option<i128> {
        match self {
            Self::N(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Bytes as they count (DynamoDB, item sizes).
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

    /// `None` where the two have different types, which never compare.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(one), Self::S(other)) | (Self::B(one), Self::B(other)) => Some(one.cmp(other)),
            (Self::N(_), Self::N(_)) => Some(self.number()?.cmp(&other.number()?)),
            _ => (self == other).then_some(Ordering::Equal),
        }
    }
}

/// Bytes of an item: names and values.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// The text of an attribute.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name).and_then(Attribute::text)
}
