//! Reads and writes typed attributes of DynamoDB items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::error::{Error, Result};
use serde::de::DeserializeOwned;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The maximum size of a document in an item. An item may have 400 kB (DynamoDB, limits), and the other attributes need
/// the rest.
const MAX_DOCUMENT: usize = 390_000;

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Converts a value to JSON in one attribute. Returns [`Error::TooLarge`] if it has more than [`MAX_DOCUMENT`] bytes.
pub(super) fn document<T: serde::Serialize>(value: &T) -> Result<AttributeValue> {
    let document = serde_json::to_string(value)?;
    if document.len() > MAX_DOCUMENT {
        return Err(Error::TooLarge(format!(
            "the entry has more than {MAX_DOCUMENT} bytes; request less at once"
        )));
    }
    Ok(AttributeValue::S(document))
}

pub(super) fn get_text<'a>(item: &'a Item, name: &str) -> Result<&'a str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| Error::internal(format!("an item has no text {name}")))
}

pub(super) fn get_number<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T> {
    let value = item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    value.ok_or_else(|| Error::internal(format!("an item has no number {name}")))
}

pub(super) fn get_document<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T> {
    serde_json::from_str(get_text(item, name)?).map_err(Error::reading)
}
