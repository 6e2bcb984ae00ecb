//! What resources refer to: references, and the URLs of attachments.

use std::ops::Range;

use shared::fhir::attachments::has_attachments;
use shared::fhir::json;
use shared::fhir::references::parse;

use super::report::Place;
use super::spill::{Stream, Writer, put_number, put_text};
use super::streams::hash;
use crate::Failure;

/// References that are remembered, because many in a row are the same.
const REMEMBERED: u64 = 4096;

/// References to one resource from one stretch of the input.
struct Link {
    hash: u64,
    count: u64,
    of_attachment: bool,
    /// Where the first is.
    place: Place,
    target: Vec<u8>,
}

/// One worker's references.
pub(super) struct Links<'l> {
    writer: Writer<'l>,
    remembered: Vec<Option<Link>>,
}

impl<'l> Links<'l> {
    pub(super) fn new(stream: &'l Stream) -> Self {
        Self { writer: Writer::new(stream), remembered: (0..REMEMBERED).map(|_| None).collect() }
    }

    /// Notes a reference to a `Type/id`.
    pub(super) fn note(&mut self, target: &[u8], of_attachment: bool, place: Place) -> Result<(), Failure> {
        let hash = hash(target);
        // The remainder is less than the number of places.
        let slot = &mut self.remembered[usize::try_from(hash % REMEMBERED).unwrap_or_default()];
        if let Some(link) = slot
            && link.hash == hash
            && link.of_attachment == of_attachment
            && link.target == target
        {
            link.count += 1;
            return Ok(());
        }
        let mut link =
            slot.take().unwrap_or(Link { hash, count: 0, of_attachment, place, target: Vec::new() });
        if link.count > 0 {
            push(&mut self.writer, &link)?;
        }
        target.clone_into(&mut link.target);
        *slot = Some(Link { hash, count: 1, of_attachment, place, ..link });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        for link in self.remembered.iter().flatten() {
            push(&mut self.writer, link)?;
        }
        self.writer.finish()
    }
}

fn push(writer: &mut Writer<'_>, link: &Link) -> Result<(), Failure> {
    writer.push(link.hash, |buffer| {
        put_text(buffer, &link.target);
        put_number(buffer, link.count);
        put_number(buffer, u64::from(link.of_attachment));
        put_number(buffer, link.place.number());
    })
}

/// The URLs of a resource's attachments (FHIR R4, Attachment). The text was checked before and is in its plain spelling.
pub(super) fn attachment_urls(text: &[u8], resource_type: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !has_attachments(resource_type) {
        return found;
    }
    let mut attachment = |value: Range<usize>| {
        found.extend(
            json::member(text, value, b"url")
                .and_then(|url| json::string(text, url))
                .map(std::borrow::Cow::into_owned),
        );
    };
    let root = |name: &[u8]| json::member(text, 0..text.len(), name);
    match resource_type {
        "DocumentReference" => {
            if let Some(content) = root(b"content") {
                json::elements(text, content, |content| {
                    if let Some(value) = json::member(text, content, b"attachment") {
                        attachment(value);
                    }
                });
            }
        }
        "Media" => root(b"content").into_iter().for_each(attachment),
        "DiagnosticReport" => {
            if let Some(forms) = root(b"presentedForm") {
                json::elements(text, forms, attachment);
            }
        }
        _ => {}
    }
    found
}

/// Shows the ids of the Binaries that a resource's attachments are.
pub(super) fn mentions(
    text: &[u8],
    resource_type: &str,
    mut show: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for url in attachment_urls(text, resource_type) {
        if let Some(reference) = parse(&url).filter(|reference| reference.resource_type == "Binary") {
            show(reference.id)?;
        }
    }
    Ok(())
}
