//! Finds the days of the event that a resource describes.

use std::ops::Range;
use std::sync::LazyLock;

use crate::facts::Days;
use crate::json;

/// The elements that date the event of a resource, the most exact first. A name has the same meaning in every type that
/// has it. The elements of `context` (DocumentReference) and of `collection` (Specimen) come before all others.
const DATES: [&[u8]; 45] = [
    b"period",
    b"performedPeriod",
    b"performedDateTime",
    b"effectivePeriod",
    b"effectiveDateTime",
    b"effectiveInstant",
    b"billablePeriod",
    b"occurrencePeriod",
    b"occurrenceDateTime",
    b"occurredPeriod",
    b"occurredDateTime",
    b"servicedPeriod",
    b"servicePeriod",
    b"executionPeriod",
    b"timingPeriod",
    b"timingDateTime",
    b"identifiedPeriod",
    b"identifiedDateTime",
    b"collectedPeriod",
    b"collectedDateTime",
    b"onsetPeriod",
    b"onsetDateTime",
    b"whenHandedOver",
    b"whenPrepared",
    b"started",
    b"start",
    b"startDate",
    b"sent",
    b"received",
    b"receivedTime",
    b"dateTime",
    b"dateWritten",
    b"detected",
    b"authoredOn",
    b"authored",
    b"recordedOn",
    b"dateAsserted",
    b"createdPeriod",
    b"createdDateTime",
    b"date",
    b"created",
    b"recordedDate",
    b"enteredDate",
    b"issued",
    b"recorded",
];

/// A name of [`DATES`] with its rank.
type Ranked = (usize, &'static [u8]);

/// The names of [`DATES`] by their lengths. Most members of a resource have no such name.
static BY_LENGTH: LazyLock<[Vec<Ranked>; 24]> = LazyLock::new(|| {
    let of_length = |length| DATES.iter().copied().enumerate().filter(move |(_, name)| name.len() == length);
    std::array::from_fn(|length| of_length(length).collect())
});

/// The elements with which something begins that lasts until its abatement, or until today: a condition, an allergy or a
/// goal.
const BEGINNINGS: [&[u8]; 3] = [b"onsetDateTime", b"recordedDate", b"startDate"];

#[derive(Default)]
pub(super) struct Dates {
    best: Option<(usize, Days)>,
    /// The best date is only a beginning.
    is_beginning: bool,
    abated: Option<Days>,
}

impl Dates {
    /// Considers a member at the root of the resource (`level` 1), or of its `context` or `collection` (`level` 0).
    pub(super) fn record(&mut self, line: &[u8], key: &[u8], value: Range<usize>, level: usize) {
        match key {
            b"abatementDateTime" => return self.abated = day(line, value),
            b"abatementPeriod" => return self.abated = period(line, value),
            _ => {}
        }
        let known = BY_LENGTH.get(key.len()).and_then(|names| names.iter().find(|(_, name)| *name == key));
        let Some((rank, _)) = known else { return };
        let rank = rank + level * DATES.len();
        if self.best.is_some_and(|(best, _)| best <= rank) {
            return;
        }
        let days = if line.get(value.start) == Some(&b'{') { period(line, value) } else { day(line, value) };
        if let Some(days) = days {
            self.best = Some((rank, days));
            self.is_beginning = BEGINNINGS.contains(&key);
        }
    }

    pub(super) fn days(self) -> Option<Days> {
        match self.best {
            Some((_, days)) if self.is_beginning => Some(Days::between(Some(days), self.abated)),
            Some((_, days)) => Some(days),
            None => self.abated.map(|abated| Days::between(None, Some(abated))),
        }
    }
}

fn day(line: &[u8], value: Range<usize>) -> Option<Days> {
    json::string(line, value).and_then(|text| Days::of(text.as_bytes()))
}

fn period(line: &[u8], value: Range<usize>) -> Option<Days> {
    let (mut start, mut end) = (None, None);
    json::members(line, value, |key, value| match key {
        b"start" => start = day(line, value),
        b"end" => end = day(line, value),
        _ => {}
    });
    (start.is_some() || end.is_some()).then(|| Days::between(start, end))
}
