//! The facts about a resource by which the export's filter decides.

use std::borrow::Cow;

/// The facts that the filter reads. They are borrowed from the line of the resource.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    pub resource_type: &'a str,
    /// Codes of `meta.security`, of the resource and of the resources inside it.
    pub labels: Vec<Cow<'a, str>>,
    /// A security label is present whose code cannot be read.
    pub has_unreadable_label: bool,
    /// Codes of `category`.
    pub categories: Vec<Cow<'a, str>>,
    /// Codes of `type`.
    pub types: Vec<Cow<'a, str>>,
    /// First and last day of the event that the resource describes; `None` if the resource has no such date.
    pub days: Option<Days>,
}

/// A range of days, both included. Each is the text `YYYY-MM-DD`, so that days compare as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    pub first: [u8; 10],
    pub last: [u8; 10],
    /// The number of characters of `first` and of `last` that the resource states: 4, 7 or 10; 0 if it does not state that end.
    stated: [u8; 2],
}

impl Days {
    pub const EARLIEST: [u8; 10] = *b"0000-01-01";
    pub const LATEST: [u8; 10] = *b"9999-12-31";

    /// All days. The resource states neither end.
    pub const ALL: Self = Self { first: Self::EARLIEST, last: Self::LATEST, stated: [0; 2] };

    /// Returns the days from the first day of `start` to the last day of `end`. An end that is `None` is open.
    pub fn between(start: Option<Self>, end: Option<Self>) -> Self {
        let mut days = Self::ALL;
        if let Some(start) = start {
            (days.first, days.stated[0]) = (start.first, start.stated[0]);
        }
        if let Some(end) = end {
            (days.last, days.stated[1]) = (end.last, end.stated[1]);
        }
        days
    }

    /// Returns the first day as the resource states it: a year, a month or a day. `None` if it does not state it.
    pub fn stated_first(&self) -> Option<&str> {
        as_stated(&self.first, self.stated[0])
    }

    /// Like [`Days::stated_first`], for the last day.
    pub fn stated_last(&self) -> Option<&str> {
        as_stated(&self.last, self.stated[1])
    }

    /// Returns the days that a FHIR date or dateTime covers; `None` for any other text. Every month ends on the 31st,
    /// because days are only compared.
    pub fn of(date: &[u8]) -> Option<Self> {
        let digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
        let stated: u8 = match date.len() {
            4 => 4,
            7 => 7,
            length if length >= 10 => 10,
            _ => return None,
        };
        let known = usize::from(stated);
        let shape = digits(&date[..4])
            && (known < 7 || (date[4] == b'-' && digits(&date[5..7])))
            && (known < 10 || (date[7] == b'-' && digits(&date[8..10])));
        if !shape {
            return None;
        }
        let mut days = Self { first: *b"0000-01-01", last: *b"0000-12-31", stated: [stated; 2] };
        days.first[..known].copy_from_slice(&date[..known]);
        days.last[..known].copy_from_slice(&date[..known]);
        Some(days)
    }
}

fn as_stated(day: &[u8; 10], characters: u8) -> Option<&str> {
    let stated = day.get(..usize::from(characters)).filter(|stated| !stated.is_empty())?;
    std::str::from_utf8(stated).ok()
}
