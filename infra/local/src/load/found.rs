//! What the readers of files find.

use crate::Failure;

/// The content at a place of a file.
pub(super) enum Found<'a> {
    /// A JSON object, which may be a resource.
    Resource { text: &'a [u8], full_url: Option<&'a str> },
    /// An entry of a Bundle that deletes a resource, with the name of the resource.
    Deleted(String),
    /// Content that cannot be read, with the reason.
    Unusable(String),
}

/// A callback that receives the content at a place and the number of its first line.
pub(super) type Take<'t> = &'t mut dyn FnMut(u64, Found<'_>) -> Result<(), Failure>;
