//! What the form's choices are decided by.

use std::borrow::Cow;

/// What the filter looks at. Everything is borrowed from the resource's line.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    pub resource_type: &'a str,
    /// Codes of `meta.security`, of the resource and of those in it.
    pub labels: Vec<Cow<'a, str>>,
    /// Something stands where a label is expected and does not say which.
    pub has_unreadable_label: bool,
    /// Codes of `category`.
    pub categories: Vec<Cow<'a, str>>,
    /// Codes of `type`.
    pub types: Vec<Cow<'a, str>>,
    /// First and last day of what the resource speaks of, `YYYY-MM-DD`, where it says so.
    pub days: Option<Days>,
}

/// A range of days, both included; compares as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    pub first: [u8; 10],
    pub last: [u8; 10],
}

impl Days {
    pub const EARLIEST: [u8; 10] = *b"0000-01-01";
    pub const LATEST: [u8; 10] = *b"9999-12-31";

    /// The days that a FHIR date or dateTime covers. No calendar is consulted: a month ends on the 31st.
    pub fn of(date: &[u8]) -> Option<Self> {
        let digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
        let known = match date.len() {
            4 => 4,
            7 => 7,
            length if length >= 10 => 10,
            _ => return None,
        };
        let shape = digits(&date[..4])
            && (known < 7 || (date[4] == b'-' && digits(&date[5..7])))
            && (known < 10 || (date[7] == b'-' && digits(&date[8..10])));
        if !shape {
            return None;
        }
        let mut days = Self { first: *b"0000-01-01", last: *b"0000-12-31" };
        days.first[..known].copy_from_slice(&date[..known]);
        days.last[..known].copy_from_slice(&date[..known]);
        Some(days)
    }
}
