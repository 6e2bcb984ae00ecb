//! The stream of the versions of resources.

use super::report::Place;
use super::spill::Fields;
use crate::Failure;

/// The values that determine whether a version of a resource is kept.
pub(super) struct Version<'a> {
    pub(super) key: &'a [u8],
    pub(super) number: u64,
    pub(super) updated: i64,
    pub(super) rank: u64,
    pub(super) place: Place,
    /// A hash of the text.
    pub(super) content: u64,
    /// The patients to whom the version belongs.
    pub(super) homes: Vec<&'a [u8]>,
}

/// Returns the versions in a partition.
pub(super) fn versions(bytes: &[u8]) -> Result<Vec<Version<'_>>, Failure> {
    let (mut found, mut fields) = (Vec::new(), Fields(bytes));
    while !fields.is_empty() {
        found.push(Version {
            key: fields.text()?,
            number: fields.number()?,
            updated: fields.number()?.cast_signed(),
            rank: fields.number()?,
            place: Place::of(fields.number()?),
            content: fields.number()?,
            homes: fields.texts()?,
        });
    }
    Ok(found)
}
