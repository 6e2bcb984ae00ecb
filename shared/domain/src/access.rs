//! The resources that a token gives access to: types, constraints on them and tags (SMART App Launch 2.2, scopes;
//! contract, sections 2 and 3).

use std::collections::{BTreeMap, BTreeSet};

use crate::scopes::{ScopeLevel, Scopes};
use crate::selection::Selection;

/// The resources that a token covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Every type, without a constraint.
    everything: bool,
    /// Types with the constraints under which they may be read; an empty set means all resources of the type.
    types: BTreeMap<String, BTreeSet<String>>,
    /// The tags of `access/<tag>.read` scopes; `None` if the token has no such scope, or `access/*.*`. An empty set
    /// excludes every resource.
    tags: Option<BTreeSet<String>>,
}

impl Coverage {
    /// Covers all resources.
    pub fn of_everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Returns the resources that the scopes of a level cover.
    pub fn of(scopes: &Scopes, level: ScopeLevel) -> Self {
        let mut coverage = Self::default();
        for (resource_type, constraint) in scopes.readable(level) {
            match (resource_type, constraint) {
                ("*", None) => coverage.everything = true,
                // A constraint on all types cannot be compiled for each of them, so such a scope covers nothing.
                ("*", Some(_)) => {}
                (resource_type, None) => {
                    coverage.types.insert(resource_type.to_owned(), BTreeSet::new());
                }
                (resource_type, Some(constraint)) => {
                    let all = coverage.types.get(resource_type).is_some_and(BTreeSet::is_empty);
                    if !all {
                        let known = coverage.types.entry(resource_type.to_owned()).or_default();
                        known.insert(constraint.to_owned());
                    }
                }
            }
        }
        coverage.tags = scopes.access_tags();
        coverage
    }

    pub fn is_empty(&self) -> bool {
        (!self.everything && self.types.is_empty()) || self.tags.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Returns whether any resources of a type are covered.
    pub fn covers(&self, resource_type: &str) -> bool {
        self.everything || self.types.contains_key(resource_type)
    }

    /// Returns the types in alphabetical order; `None` means every type.
    pub fn types(&self) -> Option<Vec<String>> {
        (!self.everything).then(|| self.types.keys().cloned().collect())
    }

    /// Returns the constraints by type. Resources of these types may be read only if they match one of them.
    pub fn constraints(&self) -> BTreeMap<String, BTreeSet<String>> {
        if self.everything {
            return BTreeMap::new();
        }
        let constrained = self.types.iter().filter(|(_, constraints)| !constraints.is_empty());
        constrained.map(|(resource_type, constraints)| (resource_type.clone(), constraints.clone())).collect()
    }

    /// Returns the tags of which a resource must have one; `None` means no limit.
    pub fn tags(&self) -> Option<&BTreeSet<String>> {
        self.tags.as_ref()
    }

    /// Returns whether everything that an export selects is covered (Bulk Data 2.0, security; contract, section 2).
    pub fn covers_export(&self, selection: &Selection) -> bool {
        let types = match &selection.types {
            None => self.everything,
            Some(types) => types.iter().all(|resource_type| self.covers_type_of(selection, resource_type)),
        };
        let tags = match (&self.tags, &selection.tags) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(held), Some(exported)) => exported.is_subset(held),
        };
        types && tags
    }

    fn covers_type_of(&self, selection: &Selection, resource_type: &str) -> bool {
        if self.everything {
            return true;
        }
        match self.types.get(resource_type) {
            None => false,
            Some(constraints) if constraints.is_empty() => true,
            Some(constraints) => selection
                .constraints
                .get(resource_type)
                .is_some_and(|exported| exported.is_subset(constraints)),
        }
    }
}

#[cfg(test)]
mod tests;
