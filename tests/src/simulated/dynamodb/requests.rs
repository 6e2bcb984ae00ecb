//! The requests that the adapters make, in the format of DynamoDB. Unknown fields are refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::items::{Attribute, Item};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Get {
    pub(super) table_name: String,
    pub(super) key: Item,
    #[serde(default)]
    pub(super) consistent_read: bool,
    pub(super) projection_expression: Option<String>,
    #[serde(default)]
    pub(super) expression_attribute_names: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchGet {
    pub(super) request_items: BTreeMap<String, Wanted>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) keys: Vec<Item>,
    #[serde(default)]
    pub(super) consistent_read: bool,
    pub(super) projection_expression: Option<String>,
    #[serde(default)]
    pub(super) expression_attribute_names: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Query {
    pub(super) table_name: String,
    pub(super) index_name: Option<String>,
    #[serde(default)]
    pub(super) consistent_read: bool,
    pub(super) key_condition_expression: String,
    pub(super) filter_expression: Option<String>,
    pub(super) projection_expression: Option<String>,
    pub(super) select: Option<String>,
    #[serde(default)]
    pub(super) expression_attribute_names: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) expression_attribute_values: BTreeMap<String, Attribute>,
    pub(super) limit: Option<usize>,
    pub(super) scan_index_forward: Option<bool>,
    pub(super) exclusive_start_key: Option<Item>,
}

/// One write, alone or in a transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Write {
    pub(super) table_name: String,
    /// The item of a put.
    pub(super) item: Option<Item>,
    /// The key of every other write.
    pub(super) key: Option<Item>,
    pub(super) update_expression: Option<String>,
    pub(super) condition_expression: Option<String>,
    #[serde(default)]
    pub(super) expression_attribute_names: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) expression_attribute_values: BTreeMap<String, Attribute>,
    pub(super) return_values: Option<String>,
    pub(super) return_values_on_condition_check_failure: Option<String>,
}

impl Write {
    /// Returns whether a refused write returns the current item.
    pub(super) fn shows_old(&self) -> bool {
        self.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchWrite {
    pub(super) request_items: BTreeMap<String, Vec<BatchWritten>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum BatchWritten {
    PutRequest {
        #[serde(rename = "Item")]
        item: Item,
    },
    DeleteRequest {
        #[serde(rename = "Key")]
        key: Item,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Transact {
    pub(super) transact_items: Vec<Transacted>,
    pub(super) client_request_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Transacted {
    Put(Write),
    Update(Write),
    Delete(Write),
    ConditionCheck(Write),
}

impl Transacted {
    pub(super) fn write(&self) -> &Write {
        match self {
            Self::Put(write) | Self::Update(write) | Self::Delete(write) | Self::ConditionCheck(write) => {
                write
            }
        }
    }
}
