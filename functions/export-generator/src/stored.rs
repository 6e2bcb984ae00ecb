//! Documents in the store of files: each is written as it is read, under a name that its chunk has given to no other, and
//! described by its size and SHA-1 (FHIR R4, Attachment.size and Attachment.hash).
//!
//! Small ones wait in memory until it is known whether they are exported, and go into the pack then, so that nothing of
//! what is withheld stays in it. What waits is bounded: beyond [`MAX_HELD`] they are objects of their own.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::chunk::RecordAttachment;
use domain::error::Result;
use domain::ids::{FileName, PatientId};
use domain::pack::SMALL;
use domain::ports::files::{FileWriter, Files, write_all};
use domain::ports::records::Part;
use fhir::attachments::Document;
use fhir::media_types;

use crate::collect::{Collector, still_there};
use crate::inline::Line;

/// Base64 is decoded this much at a time; a multiple of four.
const PIECE: usize = 256 * 1024;
/// Bytes of documents that wait in memory.
const MAX_HELD: usize = 4 * 1024 * 1024;

/// A document that was read whole.
pub(crate) struct Written {
    pub(crate) attachment: RecordAttachment,
    pub(crate) document: Document,
    bytes: Bytes,
}

/// Where the bytes of a document are.
enum Bytes {
    /// In memory, until it is known whether the document is exported.
    Held(Vec<u8>),
    Packed,
    Object,
}

impl Written {
    /// Its bytes as base64, where they go into a line.
    pub(crate) async fn inline(&self, room: &mut Line, collector: &Collector<'_>) -> Result<Option<String>> {
        if let Bytes::Held(bytes) = &self.bytes {
            return Ok(room.encode(bytes));
        }
        let key = self.attachment.key(collector.job);
        room.read(&self.document, &key, collector.job, &*collector.generator.files).await
    }

    /// Stores what waits in memory: the document is exported.
    pub(crate) async fn keep(&mut self, collector: &mut Collector<'_>) -> Result<()> {
        let Bytes::Held(bytes) = std::mem::replace(&mut self.bytes, Bytes::Packed) else { return Ok(()) };
        collector.held_bytes -= bytes.len();
        if !collector.outputs.pack().attach(&self.attachment.name, &bytes).await? {
            self.bytes = Bytes::Object;
            write_all(&*collector.generator.files, &self.attachment.key(collector.job), bytes).await?;
        }
        Ok(())
    }

    /// Removes it: the document is not exported.
    pub(crate) async fn discard(self, collector: &mut Collector<'_>) -> Result<()> {
        match self.bytes {
            Bytes::Held(bytes) => collector.held_bytes -= bytes.len(),
            Bytes::Object => collector.generator.files.remove(&self.attachment.key(collector.job)).await?,
            // Only what is exported goes there.
            Bytes::Packed => {}
        }
        Ok(())
    }
}

/// Reads a file of the record whole. [`Error::Damaged`](domain::error::Error::Damaged) where that fails.
pub(crate) async fn copy(patient: &PatientId, part: &Part, collector: &mut Collector<'_>) -> Result<Written> {
    let name = FileName::sanitize(&part.name);
    let content_type = media_types::of_extension(&name.extension());
    let mut reader = still_there(collector.generator.records.open_document(patient, part).await)?;
    let mut writing = Writing::begin(name, content_type, collector);
    writing.document.title.clone_from(&part.name);
    loop {
        let block = reader.read(Vec::new()).await?;
        if block.is_empty() {
            return writing.finish(collector).await;
        }
        writing.write(block).await?;
    }
}

/// A document that is being read.
pub(crate) struct Writing<'g> {
    attachment: RecordAttachment,
    document: Document,
    key: String,
    files: &'g dyn Files,
    /// What was read of it, as long as it is small.
    held: Vec<u8>,
    /// Its own object, once it is not.
    writer: Option<Box<dyn FileWriter>>,
    hash: digest::Context,
}

impl<'g> Writing<'g> {
    pub(crate) fn begin(name: FileName, content_type: &str, collector: &mut Collector<'g>) -> Self {
        let mut free = name.clone();
        let mut number = 1;
        while !collector.names.insert(free.to_string()) {
            number += 1;
            free = FileName::sanitize(&format!("{number}-{name}"));
        }
        let attachment =
            RecordAttachment { chunk: collector.chunk, attempt: collector.attempt.clone(), name: free };
        let key = attachment.key(collector.job);
        let url = format!("/jobs/{}/download/attachments/{}", collector.job, attachment.url_name());
        let document = Document {
            title: name.to_string(),
            content_type: content_type.to_owned(),
            url: collector.generator.settings.url(&url),
            size: 0,
            hash: String::new(),
        };
        Self {
            attachment,
            document,
            key,
            files: &*collector.generator.files,
            held: Vec::new(),
            writer: None,
            hash: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        }
    }

    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.hash.update(&bytes);
        self.document.size += bytes.len() as u64;
        if self.writer.is_none() && self.held.len() + bytes.len() < SMALL {
            self.held.extend_from_slice(&bytes);
            return Ok(());
        }
        self.spill().await?.write(bytes).await.map(|_| ())
    }

    /// The writer of its own object, behind what was held.
    async fn spill(&mut self) -> Result<&mut Box<dyn FileWriter>> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let mut writer = self.files.create(&self.key).await?;
                writer.write(std::mem::take(&mut self.held)).await?;
                writer
            }
        };
        Ok(self.writer.insert(writer))
    }

    pub(crate) async fn finish(mut self, collector: &mut Collector<'_>) -> Result<Written> {
        if self.writer.is_none() && collector.held_bytes + self.held.len() > MAX_HELD {
            self.spill().await?;
        }
        let bytes = match self.writer {
            Some(writer) => {
                writer.finish().await?;
                Bytes::Object
            }
            None => {
                collector.held_bytes += self.held.len();
                Bytes::Held(self.held)
            }
        };
        let document = Document { hash: STANDARD.encode(self.hash.finish()), ..self.document };
        Ok(Written { attachment: self.attachment, document, bytes })
    }

    /// Drops what was read of it, because the rest of it cannot be.
    pub(crate) async fn discard(self) -> Result<()> {
        match self.writer {
            Some(_) => self.files.remove(&self.key).await,
            None => Ok(()),
        }
    }
}

/// Base64 text in pieces that can be decoded one by one; white space between them is dropped.
pub(crate) struct Pieces<'t> {
    text: std::str::Bytes<'t>,
}

impl<'t> Pieces<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
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
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(PIECE * 2 + 7).collect();
        let mut text = STANDARD.encode(&bytes);
        text.insert_str(100, "\n  ");
        let decoded = Pieces::of(&text).flat_map(|piece| STANDARD.decode(piece).expect("base64"));
        assert_eq!(decoded.collect::<Vec<_>>(), bytes);
    }
}
