//! The selection of a bulk export: which resources of its cohort's records it includes (Bulk Data 3.0, kick-off
//! parameters; contract, section 2).

use std::collections::{BTreeMap, BTreeSet};

use fhir::type_filter::TypeFilter;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The selection of a bulk export. The default selects everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selection {
    /// `_since`: only resources that changed after this time, by `meta.lastUpdated`. Resources without a time are included.
    pub since: Option<Timestamp>,
    /// `_until`: only resources that changed before this time.
    pub until: Option<Timestamp>,
    /// `_type`: only these types; `None` means all types.
    pub types: Option<BTreeSet<String>>,
    /// The types that the token covers; `None` means all types. `types` excludes the others. Documents that belong only to
    /// resources of other types are not exported either.
    pub granted: Option<BTreeSet<String>>,
    /// `_typeFilter`: a resource whose type has filters must match one of them.
    pub filters: Vec<TypeFilter>,
    /// The constraints of the token's scopes, as they are written, by type.
    pub constraints: BTreeMap<String, BTreeSet<String>>,
    /// The compiled form of `constraints`. A resource whose type has constraints must match one of them.
    pub constraint_filters: Vec<TypeFilter>,
    /// `access/<tag>`: only resources with one of these tags in `meta.security`; `None` means all resources.
    pub tags: Option<BTreeSet<String>>,
    /// Resources with the label of a private topic are withheld: the export is made with the token of a patient, who was not asked
    /// about the topics.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withholds_topics: bool,
    /// `_elements`; an empty list means all elements.
    pub elements: Vec<Element>,
    pub provenance: Provenance,
    /// All resources in `shared/` are exported, and not only those to which exported resources refer.
    pub all_shared: bool,
    /// The texts for the `error` files about parameters that were ignored (`handling=lenient`).
    pub ignored: Vec<String>,
}

/// An element to keep, of one type or of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    pub resource_type: Option<String>,
    pub name: String,
}

/// Which Provenance resources are exported (Bulk Data 3.0, `includeAssociatedData`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Provenance {
    /// All, like resources of any other type.
    #[default]
    All,
    /// Those that have an exported resource as a target.
    Relevant,
    /// The latest one of each exported resource.
    Latest,
}

impl Selection {
    /// Returns whether the token covers a type.
    pub fn grants(&self, resource_type: &str) -> bool {
        self.granted.as_ref().is_none_or(|types| types.contains(resource_type))
    }

    /// Returns whether `_type` includes a type.
    pub fn wants(&self, resource_type: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(resource_type))
    }
}
