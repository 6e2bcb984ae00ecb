//! The first and the last day of an export's resources of each type. Workers record them if the filter reads dates, so
//! that a page can show them without reading a file.

use std::collections::BTreeMap;

use fhir::facts::Days;
use serde::{Deserialize, Serialize};

/// The maximum number of types that are recorded; FHIR R4 has fewer.
const MAX_TYPES: usize = 200;

/// The days on which the first and the last of some resources begin, as FHIR dates: a day, a month or a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRange {
    pub first: String,
    pub last: String,
}

/// The days of resources by type.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DaysByType(BTreeMap<String, DayRange>);

impl DaysByType {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, resource_type: &str) -> Option<&DayRange> {
        self.0.get(resource_type)
    }

    /// Records the days of a resource.
    pub fn record_days(&mut self, resource_type: &str, days: &Days) {
        if let Some(day) = beginning(days) {
            self.widen(resource_type, day, day);
        }
    }

    /// Adds the days that another worker recorded.
    pub fn merge(&mut self, other: &Self) {
        for (resource_type, range) in &other.0 {
            self.widen(resource_type, &range.first, &range.last);
        }
    }

    fn widen(&mut self, resource_type: &str, first: &str, last: &str) {
        let has_room = self.0.len() < MAX_TYPES;
        match self.0.get_mut(resource_type) {
            Some(range) => {
                if first < range.first.as_str() {
                    first.clone_into(&mut range.first);
                }
                if last > range.last.as_str() {
                    last.clone_into(&mut range.last);
                }
            }
            None if has_room => {
                let range = DayRange { first: first.to_owned(), last: last.to_owned() };
                self.0.insert(resource_type.to_owned(), range);
            }
            None => {}
        }
    }
}

/// Returns the day on which the event began, as exact as the resource states it, or the day on which it ended if it states
/// only that.
fn beginning(days: &Days) -> Option<&str> {
    days.stated_first().or_else(|| days.stated_last())
}

#[cfg(test)]
mod tests;
