//! Settings that are times.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::reader::Reader;

/// Four weeks.
const MOST_DELAY_MINUTES: u64 = 4 * 7 * 24 * 60;

/// Reads a setting in hours.
pub(super) fn hours(
    read: &mut Reader,
    name: &str,
    default: i64,
    range: RangeInclusive<i64>,
) -> SignedDuration {
    let hours = read.count(name).map_or(Some(default), |hours| i64::try_from(hours).ok());
    let within = hours.filter(|hours| range.contains(hours));
    if within.is_none() {
        read.wrong(name, &format!("must be from {} to {}", range.start(), range.end()));
    }
    SignedDuration::from_hours(within.unwrap_or(default))
}

/// Reads `records_delay_minutes`.
pub(super) fn records_delay(read: &mut Reader) -> SignedDuration {
    let minutes = read.count("records_delay_minutes").unwrap_or_default();
    if minutes > MOST_DELAY_MINUTES {
        read.wrong("records_delay_minutes", &format!("must be from 0 to {MOST_DELAY_MINUTES}"));
    }
    SignedDuration::from_mins(i64::try_from(minutes.min(MOST_DELAY_MINUTES)).unwrap_or_default())
}

/// Reads `audit_retention_years`. A year has 365 days here, and one day more for each leap year that may be among them.
pub(super) fn audit_retention(read: &mut Reader) -> SignedDuration {
    let years = read.count("audit_retention_years").unwrap_or(6);
    match i64::try_from(years).ok().filter(|years| (1..=100).contains(years)) {
        Some(years) => SignedDuration::from_hours(24 * (365 * years + years / 4 + 1)),
        None => {
            read.wrong("audit_retention_years", "must be from 1 to 100");
            SignedDuration::ZERO
        }
    }
}
