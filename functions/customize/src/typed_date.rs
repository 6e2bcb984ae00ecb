//! A date as it is typed: month, day and year in a field each. A year alone is enough.

use domain::choices::Day;
use serde::{Deserialize, Serialize};
use web::extract::field;

/// Years that a record can be of; others are slips of the finger.
const YEARS: std::ops::RangeInclusive<u16> = 1800..=2199;

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TypedDate {
    pub(crate) month: String,
    pub(crate) day: String,
    pub(crate) year: String,
}

impl TypedDate {
    /// The fields `PATH.month`, `PATH.day` and `PATH.year`; or one field `PATH`, as a form of one page sends it.
    pub(crate) fn of_fields(fields: &[(String, String)], path: &str) -> Self {
        if let Some(whole) = field(fields, path) {
            return Self::of_text(whole);
        }
        let text =
            |unit: &str| field(fields, &format!("{path}.{unit}")).unwrap_or_default().trim().to_owned();
        Self { month: text("month"), day: text("day"), year: text("year") }
    }

    /// A date as FHIR writes it. What is none stands where the year is, so that it is seen.
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

    /// The date as FHIR writes it: `2020`, `2020-02` or `2020-02-03`; empty where nothing was typed, and `None` for what is no
    /// date.
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

    /// The first day that it can mean.
    pub(crate) fn first(&self) -> Option<Day> {
        Day::first(&self.fhir()?)
    }

    /// The last day that it can mean.
    pub(crate) fn last(&self) -> Option<Day> {
        Day::last(&self.fhir()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_enough_and_what_is_no_date_is_none() {
        for (month, day, year, date) in [
            ("", "", "", Some("")),
            ("", "", "2020", Some("2020")),
            ("2", "", "2020", Some("2020-02")),
            ("02", "29", "2020", Some("2020-02-29")),
            ("2", "30", "2020", None),
            ("2", "29", "2021", None),
            ("13", "1", "2020", None),
            ("0", "1", "2020", None),
            ("", "3", "2020", None),
            ("2", "3", "", None),
            ("2", "3", "20", None),
            ("2", "3", "0202", None),
            ("2", "3", "20200", None),
            ("+2", "3", "2020", None),
            ("2", "3", "٢٠٢٠", None),
            ("Feb", "3", "2020", None),
        ] {
            let typed = TypedDate { month: month.into(), day: day.into(), year: year.into() };
            assert_eq!(typed.fhir().as_deref(), date, "{month}/{day}/{year}");
        }
    }

    #[test]
    fn a_whole_date_comes_apart_and_together_again() {
        for text in ["2020", "2020-02", "2020-02-29", ""] {
            assert_eq!(TypedDate::of_text(text).fhir().as_deref(), Some(text));
        }
        for text in ["yesterday", "2020-02-30", "2020-02-03T10:00:00Z"] {
            let typed = TypedDate::of_text(text);
            assert_eq!((typed.fhir(), typed.year.as_str()), (None, text));
        }
    }
}
