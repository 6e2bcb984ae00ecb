//! Handles URLs of attachments that cannot be served: they are left out, and the `error` file names them.

use std::borrow::Cow;

use fhir::attachments::{LinkedAttachment, Replacement, linked_attachments, rewrite};
use fhir::spelling::plainly;

/// Returns a line of `shared/`, which has no documents, without the URLs that cannot be served, and the messages about
/// them for the `error` file.
pub(crate) fn without_documents<'l>(
    line: &'l [u8],
    resource_type: &str,
    id: &str,
    base_url: &str,
) -> (Cow<'l, [u8]>, Vec<String>) {
    let plain = plainly(line);
    let linked = linked_attachments(&plain, resource_type, base_url);
    let unserved: Vec<_> = linked
        .iter()
        .filter(|attachment| !attachment.is_elsewhere())
        .map(|attachment| unserved_url(&format!("{resource_type}/{id}"), &attachment.url))
        .collect();
    if unserved.is_empty() {
        return (Cow::Borrowed(line), unserved);
    }
    let mut rewritten = Vec::with_capacity(line.len() + 128);
    let replace = |attachment: &LinkedAttachment| match attachment.is_elsewhere() {
        true => Replacement::Keep,
        false => Replacement::Absent("unknown"),
    };
    rewrite(&plain, &linked, replace, &mut rewritten);
    (Cow::Owned(rewritten), unserved)
}

/// The maximum number of characters of a URL in a message.
const SHOWN: usize = 200;

pub(crate) fn shown(url: &str) -> String {
    url.chars().take(SHOWN).collect()
}

pub(crate) fn unserved_url(place: &str, url: &str) -> String {
    format!("{place} refers to '{}', which the record does not have; the URL was left out", shown(url))
}
