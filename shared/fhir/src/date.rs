//! Reads FHIR dates as spans of time: `2024` covers a year, `2024-05-01T10:00:00Z` a second (FHIR R4, date search). It is written by hand
//! because `jiff` does not read partial dates such as `2024` or `2024-05`, and does not return the span of time that a text covers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A span of time in microseconds since the Unix epoch; `to` is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: i64,
    pub to: i64,
}

impl Span {
    /// Returns the time that a date, dateTime or instant covers; `None` for any other text. A time without an offset is
    /// UTC.
    pub fn of(text: &[u8]) -> Option<Self> {
        let year = i64::from(number(text, 0, 4)?);
        if text.len() == 4 {
            return Some(Self { from: day(year, 1, 1) * DAY, to: day(year + 1, 1, 1) * DAY });
        }
        let month = i64::from(field(text, 4, b'-', 1, 12)?);
        if text.len() == 7 {
            let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            return Some(Self { from: day(year, month, 1) * DAY, to: day(next_year, next, 1) * DAY });
        }
        let last = u32::try_from(days_of_month(year, month)).ok()?;
        let date = day(year, month, i64::from(field(text, 7, b'-', 1, last)?)) * DAY;
        if text.len() == 10 {
            return Some(Self { from: date, to: date + DAY });
        }
        let hours = i64::from(field(text, 10, b'T', 0, 24)?);
        let minutes = i64::from(field(text, 13, b':', 0, 59)?);
        let mut from = date + (hours * 60 + minutes) * 60 * SECOND;
        let (mut at, mut width) = (16, 60 * SECOND);
        if text.get(at) == Some(&b':') {
            from += i64::from(field(text, at, b':', 0, 60)?) * SECOND;
            (at, width) = (19, SECOND);
            if text.get(at) == Some(&b'.') {
                let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                for digit in &text[at + 1..at + 1 + digits.min(6)] {
                    width /= 10;
                    from += i64::from(digit - b'0') * width;
                }
                at += 1 + digits;
            }
        }
        // Hour 24 means midnight at the end of the day. Later times are not valid.
        if hours == 24 && from != date + DAY {
            return None;
        }
        from -= offset(&text[at..])? * SECOND;
        Some(Self { from, to: from + width })
    }

    /// Returns the number of whole days.
    pub fn days(self) -> i64 {
        (self.to - self.from) / DAY
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    pub fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

/// Parses an instant, such as `_since`: a date with a time and an offset. Returns `None` for anything else.
pub fn instant(text: &str) -> Option<Timestamp> {
    let has_time = text.len() >= 20 && text.as_bytes()[10] == b'T' && text.as_bytes()[16] == b':';
    let span = Span::of(text.as_bytes()).filter(|_| has_time)?;
    // The offset is required.
    let zoned = text.ends_with('Z') || text[19..].contains(['+', '-']);
    zoned.then(|| Timestamp::from_microsecond(span.from).ok()).flatten()
}

/// Returns the first moment of a date, a partial date or an instant. A time without an offset is UTC.
pub fn first_moment(text: &str) -> Option<Timestamp> {
    Span::of(text.as_bytes()).and_then(|span| Timestamp::from_microsecond(span.from).ok())
}

/// Parses an offset from UTC into seconds; an empty text is UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"" | b"Z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    if text.len() != 6 {
        return None;
    }
    let (hours, minutes) = (field(text, 0, text[0], 0, 14)?, field(text, 3, b':', 0, 59)?);
    Some(sign * i64::from(hours * 3600 + minutes * 60))
}

/// Returns the number of two digits after the separator at `at`; `None` if it is out of range.
fn field(text: &[u8], at: usize, separator: u8, least: u32, most: u32) -> Option<u32> {
    let value = number(text, at + 1, 2).filter(|_| text[at] == separator)?;
    (least..=most).contains(&value).then_some(value)
}

fn number(text: &[u8], at: usize, length: usize) -> Option<u32> {
    text.get(at..at + length)?
        .iter()
        .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    day(next_year, next, 1) - day(year, month, 1)
}

/// Returns the number of days since the Unix epoch in the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last day of a year.
fn day(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719 468 days are between the first of March of the year 0 and the epoch.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests;
