//! The links of resources: their references, and the URLs of their attachments.

use fhir::attachments::{Link, Target, linked_attachments};

use super::report::Place;
use super::spill::{Stream, Writer, put_number, put_text};
use super::streams::hash;
use crate::Failure;

/// The number of references in memory. Repeated references, which are frequent, are counted there and written once.
const RECENT: u64 = 4096;

/// References to one resource, which are counted together.
struct Reference {
    hash: u64,
    count: u64,
    of_attachment: bool,
    /// The place of the first reference.
    place: Place,
    target: Vec<u8>,
}

/// Collects the references that one worker reads.
pub(super) struct Links<'l> {
    writer: Writer<'l>,
    recent: Vec<Option<Reference>>,
}

impl<'l> Links<'l> {
    pub(super) fn new(stream: &'l Stream) -> Self {
        Self { writer: Writer::new(stream), recent: (0..RECENT).map(|_| None).collect() }
    }

    /// Records a reference to a `Type/id`.
    pub(super) fn record(&mut self, target: &[u8], of_attachment: bool, place: Place) -> Result<(), Failure> {
        let hash = hash(target);
        // The remainder is less than the number of slots.
        let slot = &mut self.recent[usize::try_from(hash % RECENT).unwrap_or_default()];
        if let Some(link) = slot
            && link.hash == hash
            && link.of_attachment == of_attachment
            && link.target == target
        {
            link.count += 1;
            return Ok(());
        }
        let mut link =
            slot.take().unwrap_or(Reference { hash, count: 0, of_attachment, place, target: Vec::new() });
        if link.count > 0 {
            push(&mut self.writer, &link)?;
        }
        target.clone_into(&mut link.target);
        *slot = Some(Reference { hash, count: 1, of_attachment, place, ..link });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        for link in self.recent.iter().flatten() {
            push(&mut self.writer, link)?;
        }
        self.writer.finish()
    }
}

fn push(writer: &mut Writer<'_>, link: &Reference) -> Result<(), Failure> {
    writer.push(link.hash, |buffer| {
        put_text(buffer, &link.target);
        put_number(buffer, link.count);
        put_number(buffer, u64::from(link.of_attachment));
        put_number(buffer, link.place.number());
    })
}

/// Returns the URLs of a resource's attachments and their targets, with the rules of the export. The text must be checked and in its plain
/// spelling.
pub(super) fn attachment_urls(text: &[u8], resource_type: &str) -> Vec<(String, Link)> {
    // The loader does not know the server's base URL, so it cannot know whether an absolute URL belongs to the server.
    let linked = linked_attachments(text, resource_type, "");
    linked.into_iter().map(|attachment| (attachment.url, attachment.link)).collect()
}

/// Passes the ids of the Binaries among a resource's attachments to `show`, with the base if the URL is absolute.
pub(super) fn binary_attachments(
    text: &[u8],
    resource_type: &str,
    mut show: impl FnMut(&str, Option<&str>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (url, link) in attachment_urls(text, resource_type) {
        for target in link.targets() {
            if let Target::Binary(id) = target {
                let is_absolute = matches!(link, Link::Elsewhere(_));
                show(id, is_absolute.then(|| base(&url, id)))?;
            }
        }
    }
    Ok(())
}

/// Returns the part of an absolute URL before `Binary/<id>`.
fn base<'u>(url: &'u str, id: &str) -> &'u str {
    let url = url.trim();
    let url = url.split_once(['?', '#']).map_or(url, |(before, _)| before);
    let url = url.split_once("/_history/").map_or(url, |(before, _)| before);
    url.strip_suffix(id).and_then(|url| url.strip_suffix("Binary/")).unwrap_or(url)
}
