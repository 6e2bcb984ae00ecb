//! Reads a Binary of a patient's record: its relevant elements, and its bytes.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::error::Result;
use domain::ids::FileName;
use domain::selector::Selector;
use fhir::head::id_fault;
use fhir::ids::IdFault;
use fhir::{json, media_types};

use crate::stored::Written;
use crate::writer::ChunkWriter;

/// The number of base64 characters that are decoded at a time; a multiple of four.
const PIECE: usize = 256 * 1024;

/// The content of a Binary resource.
pub(crate) struct Binary<'t> {
    pub(crate) id: String,
    content_type: Cow<'t, str>,
    data: Cow<'t, str>,
    /// The reference `Type/id` in `securityContext`: access to the Binary follows that resource.
    pub(crate) context: Option<String>,
    /// `meta.lastUpdated`, in microseconds.
    pub(crate) changed: Option<i64>,
}

impl<'t> Binary<'t> {
    /// Reads a Binary in its plain spelling. Returns what is wrong with it if it cannot be used.
    pub(crate) fn read(text: &'t [u8]) -> Result<Self, String> {
        let (mut id, mut content_type, mut data) = (None::<Range<usize>>, None, None);
        let (mut context, mut changed) = (None, None);
        json::members(text, 0..text.len(), |key, value| match key {
            b"id" => id = Some(value),
            b"contentType" => content_type = json::string(text, value),
            b"data" => data = json::string(text, value),
            b"securityContext" => context = Some(value),
            b"meta" => changed = Selector::last_updated(text, value),
            _ => {}
        });
        let Some(id_text) = id.clone().and_then(|id| json::string(text, id)) else {
            let fault = id_fault(text, id).unwrap_or(IdFault::Missing);
            return Err(format!("a Binary {fault}"));
        };
        let Some(data) = data else { return Err("a Binary without data".to_owned()) };
        let context = context.map(|context| {
            let reference =
                json::member(text, context, b"reference").and_then(|value| json::string(text, value));
            named(reference.as_deref().unwrap_or_default()).to_owned()
        });
        let content_type = content_type.unwrap_or_default();
        Ok(Self { id: id_text.into_owned(), content_type, data, context, changed })
    }

    /// Writes the bytes of the Binary. Returns what is wrong with them if they are not base64.
    pub(crate) async fn write(&self, writer: &mut ChunkWriter<'_>) -> Result<Result<Written, String>> {
        let content_type = media_types::safe(&self.content_type);
        let extension = media_types::extension_of(content_type);
        let name = FileName::sanitize(&format!("{}.{extension}", self.id));
        let mut writing = writer.begin_attachment(name, content_type);
        for piece in Pieces::of(&self.data) {
            let Ok(bytes) = STANDARD.decode(piece) else {
                writing.discard().await?;
                return Ok(Err(format!("Binary/{} has data that is not base64", self.id)));
            };
            writing.write(bytes).await?;
        }
        writer.finish_attachment(writing).await.map(Ok)
    }
}

/// Returns `Type/id` at the end of a reference, which may be absolute or have a version, a query or a fragment. A
/// reference to another server counts as one to this server: to leave out one document too many is better than to
/// export one that must be withheld.
fn named(reference: &str) -> &str {
    let path = reference.trim().split(['?', '#', '|']).next().unwrap_or_default();
    let path = path.split_once("/_history").map_or(path, |(before, _)| before).trim_end_matches('/');
    let before_type = path.rmatch_indices('/').nth(1);
    before_type.map_or(path, |(at, _)| &path[at + 1..])
}

/// Splits base64 text into pieces that can be decoded one by one, and drops white space. It is written by hand because `base64::read`
/// refuses white space, which FHIR permits in base64.
struct Pieces<'t> {
    text: std::str::Bytes<'t>,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str) -> Self {
        Self { text: text.bytes() }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let piece: Vec<u8> =
            self.text.by_ref().filter(|byte| !byte.is_ascii_whitespace()).take(PIECE).collect();
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests;
