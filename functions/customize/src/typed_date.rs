//! A date that a person types: month, day and year in separate fields. A year without month and day is enough.

use domain::choices::Day;
use serde::{Deserialize, Serialize};
use web::extract::Fields;

/// The years that a record can have; other years are typing mistakes.
const YEARS: std::ops::RangeInclusive<u16> = 1800..=2199;

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TypedDate {
    pub(crate) month: String,
    pub(crate) day: String,
    pub(crate) year: String,
}

impl TypedDate {
    /// Reads the fields `PATH.month`, `PATH.day` and `PATH.year`, or the single field `PATH` that a one-page form sends.
    pub(crate) fn of_fields(fields: &Fields, path: &str) -> Self {
        if let Some(whole) = fields.find(path) {
            return Self::of_text(whole);
        }
        let text = |unit: &str| fields.get(&format!("{path}.{unit}")).trim().to_owned();
        Self { month: text("month"), day: text("day"), year: text("year") }
    }

    /// Reads a date in the format of FHIR. A text that is not a date becomes the year, so that the patient sees it.
    fn of_text(text: &str) -> Self {
        let parts: Vec<_> = text.split('-').collect();
        let is_date = Day::first(text).is_some() && text.len() <= 10;
        let part = |index: usize| parts.get(index).filter(|_| is_date).map(|part| (*part).to_owned());
        Self {
            year: part(0).unwrap_or_else(|| text.to_owned()),
            month: part(1).unwrap_or_default(),
            day: part(2).unwrap_or_default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.month.is_empty() && self.day.is_empty() && self.year.is_empty()
    }

    /// Returns the date in the format of FHIR: `2020`, `2020-02` or `2020-02-03`. Returns an empty text if all fields are empty, and `None`
    /// if the fields are not a date.
    pub(crate) fn fhir(&self) -> Option<String> {
        if self.is_empty() {
            return Some(String::new());
        }
        let number = |text: &str, longest: usize| -> Option<u16> {
            let is_number =
                (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        };
        let year = number(&self.year, 4).filter(|year| YEARS.contains(year))?;
        let date = match (self.month.as_str(), self.day.as_str()) {
            ("", "") => format!("{year}"),
            (month, "") => format!("{year}-{:02}", number(month, 2)?),
            (month, day) => format!("{year}-{:02}-{:02}", number(month, 2)?, number(day, 2)?),
        };
        Day::first(&date).map(|_| date)
    }

    /// Returns the first day that the date can mean.
    pub(crate) fn first(&self) -> Option<Day> {
        Day::first(&self.fhir()?)
    }

    /// Returns the last day that the date can mean.
    pub(crate) fn last(&self) -> Option<Day> {
        Day::last(&self.fhir()?)
    }
}

#[cfg(test)]
mod tests;
