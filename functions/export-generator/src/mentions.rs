//! The references of one record, each once. They are held until the record is read, because the resources to which they refer may follow in
//! it. They share one buffer, so that a reference needs no memory of its own.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::filter::ReferredBy;
use fhir::belonging::can_be_shared;
use fhir::json::string;
use fhir::references::{Reference, parse, reference_values};
use foldhash::fast::RandomState;

use crate::keys::key_hash;

/// Visits the references of a line, in its plain spelling, to resources that may be in `shared/`. References that begin
/// with `skipped` are skipped, if it is not empty.
///
/// The server of an absolute URL does not matter. `ehi load` keeps the absolute references of records from another
/// server, and places resources by them, so they name resources in `shared/`. If they were ignored, parts of the
/// record would be missing.
pub(crate) fn leaving(text: &[u8], skipped: &[u8], mut visit: impl FnMut(Reference<'_>)) {
    reference_values(text, |value| {
        // Fast path: nearly all references are to the patient and the encounter.
        let inside = &text[value.start + 1..];
        if inside.starts_with(b"Patient/") || (!skipped.is_empty() && inside.starts_with(skipped)) {
            return;
        }
        if let Some(Cow::Borrowed(reference)) = string(text, value)
            && let Some(reference) = parse(reference)
            && can_be_shared(reference.resource_type)
        {
            visit(reference);
        }
    });
}

/// The references of a record.
#[derive(Default)]
pub(crate) struct Mentions {
    /// The references `Type/id`, one after the other.
    texts: String,
    /// By the hash of the key.
    held: HashMap<u64, Held, RandomState>,
    /// The beginning of the last reference to an encounter, with the quotation mark at its end. Resources of an
    /// encounter are often adjacent.
    encounter: Vec<u8>,
    encounter_by: Option<ReferredBy>,
}

struct Held {
    start: usize,
    length: usize,
    by: ReferredBy,
}

impl Mentions {
    /// Adds the references of a line.
    pub(crate) fn add_all(&mut self, line: &[u8], by: ReferredBy) {
        if self.encounter_by != Some(by) {
            self.encounter.clear();
            self.encounter_by = Some(by);
        }
        let skipped = std::mem::take(&mut self.encounter);
        let mut encounter = None;
        leaving(line, &skipped, |reference| {
            if reference.resource_type == "Encounter" {
                encounter = Some(format!("{}\"", reference.text).into_bytes());
            }
            self.add(reference, by);
        });
        self.encounter = encounter.unwrap_or(skipped);
    }

    fn add(&mut self, reference: Reference<'_>, by: ReferredBy) {
        let Self { texts, held, .. } = self;
        let added = held.entry(key_hash(reference.resource_type, reference.id)).or_insert_with(|| {
            let start = texts.len();
            texts.push_str(reference.text);
            Held { start, length: reference.text.len(), by }
        });
        added.by = added.by.max(by);
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns the references with the hashes of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64, ReferredBy)> {
        let text = |held: &Held| &self.texts[held.start..held.start + held.length];
        self.held.iter().map(move |(hash, held)| (text(held), *hash, held.by))
    }
}
