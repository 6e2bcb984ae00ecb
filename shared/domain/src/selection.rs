//! What of its cohort's records a bulk export takes (Bulk Data 3.0, kick-off parameters; contract, section 2).

use std::collections::{BTreeMap, BTreeSet};

use fhir::type_filter::TypeFilter;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The default selects everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selection {
    /// Changed after this, by `meta.lastUpdated`; what does not say when it changed is taken.
    pub since: Option<Timestamp>,
    /// Changed before this.
    pub until: Option<Timestamp>,
    /// Only these types; all when not given.
    pub types: Option<BTreeSet<String>>,
    /// The types that the token covers; all when not given. Others are left out by `types`; and what only belongs to a
    /// resource of them does not go.
    pub granted: Option<BTreeSet<String>>,
    /// `_typeFilter`: of a type that has some, what passes one of them.
    pub filters: Vec<TypeFilter>,
    /// The constraints of the token's scopes, as they were written, by type.
    pub constraints: BTreeMap<String, BTreeSet<String>>,
    /// The same, compiled; what passes one of its type's.
    pub constraint_filters: Vec<TypeFilter>,
    /// `access/<tag>`: only what carries one of these in `meta.security`.
    pub tags: Option<BTreeSet<String>>,
    /// `_elements`: all when empty.
    pub elements: Vec<Element>,
    pub provenance: Provenance,
    /// Everything of `shared/` is exported, not only what the exported resources refer to.
    pub all_shared: bool,
    /// Parameters that were ignored (`handling=lenient`): what the `error` files say of each.
    pub ignored: Vec<String>,
}

/// An element to keep, of one type or of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    pub resource_type: Option<String>,
    pub name: String,
}

/// Which Provenance resources go along (Bulk Data 3.0, `includeAssociatedData`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Provenance {
    /// All of the records, as any other type.
    #[default]
    All,
    /// Those that target an exported resource.
    Relevant,
    /// Of each exported resource, the latest.
    Latest,
}

impl Selection {
    /// Whether the token covers a type.
    pub fn grants(&self, resource_type: &str) -> bool {
        self.granted.as_ref().is_none_or(|types| types.contains(resource_type))
    }

    pub fn wants(&self, resource_type: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(resource_type))
    }
}
