//! The streams of the Patients with their identifiers, and of the patients who were found by an identifier.

use std::collections::HashMap;

use super::mention::Identifier;
use super::spill::{Fields, put_number, put_text, put_texts};
use crate::Failure;

/// A version of a Patient.
pub(super) struct Identity<'a> {
    pub(super) updated: i64,
    pub(super) rank: u64,
    /// The keys of its identifiers.
    pub(super) keys: Vec<&'a [u8]>,
}

/// Writes a version of a Patient.
pub(super) fn put_identity(buffer: &mut Vec<u8>, id: &str, updated: i64, rank: u64, keys: &[Vec<u8>]) {
    put_text(buffer, id.as_bytes());
    put_number(buffer, updated.cast_unsigned());
    put_number(buffer, rank);
    put_texts(buffer, keys);
}

/// Reads the id of a Patient, and the version.
pub(super) fn identity<'a>(fields: &mut Fields<'a>) -> Result<(&'a [u8], Identity<'a>), Failure> {
    let id = fields.text()?;
    let (updated, rank) = (fields.number()?.cast_signed(), fields.number()?);
    Ok((id, Identity { updated, rank, keys: fields.texts()? }))
}

/// The patients of an identifier, by its key.
type Found<'a> = (&'a [u8], Vec<&'a str>);

/// The patients of the identifiers that the resources of a partition name, by the number of the resource.
pub(super) struct Matches<'a>(HashMap<u64, Vec<Found<'a>>>);

impl<'a> Matches<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Failure> {
        let (mut matches, mut fields) = (HashMap::<u64, Vec<Found<'a>>>::new(), Fields(bytes));
        while !fields.is_empty() {
            let (number, key) = (fields.number()?, fields.text()?);
            // They are the ids of Patients that were read.
            let ids = fields.texts()?.into_iter().filter_map(|id| std::str::from_utf8(id).ok());
            matches.entry(number).or_default().push((key, ids.collect()));
        }
        Ok(Self(matches))
    }

    fn of(&self, number: u64, identifier: &Identifier) -> &[&'a str] {
        let key = identifier.key();
        let found = self.0.get(&number).and_then(|found| found.iter().find(|(known, _)| *known == key));
        found.map_or(&[], |(_, patients)| patients)
    }

    /// Returns the patient with this identifier, if there is exactly one.
    pub(super) fn only(&self, number: u64, identifier: &Identifier) -> Option<&'a str> {
        match self.of(number, identifier) {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Returns the end of a sentence that says why no patient was found.
    pub(super) fn fault(&self, number: u64, identifier: &Identifier) -> String {
        match self.of(number, identifier) {
            [first, second, ..] => format!(", which several patients have, such as {first} and {second}"),
            _ => ", which no Patient has".to_owned(),
        }
    }
}
