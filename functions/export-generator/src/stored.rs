//! Documents in the store of files: each is written as it is read, under a name that its chunk has given to no other, and
//! described by its size and SHA-1 (FHIR R4, Attachment.size and Attachment.hash).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::domain::chunk::RecordAttachment;
use shared::domain::ids::{FileName, PatientId};
use shared::error::Result;
use shared::fhir::attachments::Document;
use shared::fhir::media_types;
use shared::ports::files::FileWriter;
use shared::ports::records::Part;

use crate::collect::Collector;
use crate::inline::Line;

/// Base64 is decoded this much at a time; a multiple of four.
const PIECE: usize = 256 * 1024;

/// A document in the store.
pub(crate) struct Written {
    pub(crate) attachment: RecordAttachment,
    pub(crate) document: Document,
}

impl Written {
    /// Its bytes as base64, where they go into a line.
    pub(crate) async fn inline(&self, room: &mut Line, collector: &Collector<'_>) -> Result<Option<String>> {
        let key = self.attachment.key(collector.job);
        room.read(&self.document, &key, collector.job, &*collector.generator.files).await
    }
}

/// Copies a file of the record into the store. [`Error::Damaged`](shared::error::Error::Damaged) where it cannot be read whole.
pub(crate) async fn copy(patient: &PatientId, part: &Part, collector: &mut Collector<'_>) -> Result<Written> {
    let name = FileName::sanitize(&part.name);
    let content_type = media_types::of_extension(&name.extension());
    let mut reader = collector.generator.records.open_document(patient, part).await?;
    let mut writing = Writing::begin(name, content_type, collector).await?;
    writing.document.title.clone_from(&part.name);
    loop {
        let block = reader.read(Vec::new()).await?;
        if block.is_empty() {
            return writing.finish().await;
        }
        writing.write(block).await?;
    }
}

/// A document that is being written into the store.
pub(crate) struct Writing {
    attachment: RecordAttachment,
    document: Document,
    pub(crate) key: String,
    writer: Box<dyn FileWriter>,
    hash: digest::Context,
}

impl Writing {
    pub(crate) async fn begin(
        name: FileName,
        content_type: &str,
        collector: &mut Collector<'_>,
    ) -> Result<Self> {
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
        let writer = collector.generator.files.create(&key).await?;
        Ok(Self {
            attachment,
            document,
            key,
            writer,
            hash: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        })
    }

    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.hash.update(&bytes);
        self.document.size += bytes.len() as u64;
        self.writer.write(bytes).await.map(|_| ())
    }

    pub(crate) async fn finish(self) -> Result<Written> {
        self.writer.finish().await?;
        let document = Document { hash: STANDARD.encode(self.hash.finish()), ..self.document };
        Ok(Written { attachment: self.attachment, document })
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
