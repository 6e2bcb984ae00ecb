//! Stores documents: each is written while it is read, under a name that is unique in its chunk, and described by its
//! size and SHA-1 (FHIR R4, Attachment.size and Attachment.hash).
//!
//! Small documents are held in memory until it is known whether they are exported, and then go into the pack, so that
//! the pack has no bytes of withheld documents. The held bytes are limited: beyond [`MAX_HELD`], documents become
//! separate objects.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::chunk::RecordAttachment;
use domain::error::Result;
use domain::header::JobHeader;
use domain::ids::{Attempt, ChunkId, FileName};
use domain::pack::SMALL;
use domain::ports::files::{FileWriter, Files, write_all};
use fhir::attachments::{Document, Target};
use settings::Settings;

use crate::inline::Line;
use crate::pack::Pack;

/// The maximum number of document bytes in memory.
const MAX_HELD: usize = 4 * 1024 * 1024;

/// The exported documents of a patient.
pub(crate) type Kept = HashMap<Target, Written>;

/// A completely read document.
pub(crate) struct Written {
    attachment: RecordAttachment,
    pub(crate) document: Document,
    bytes: Bytes,
}

/// The location of a document's bytes.
enum Bytes {
    /// In memory, until it is known whether the document is exported.
    Held(Vec<u8>),
    Packed,
    Object,
}

/// The documents that one attempt at a chunk stores.
pub(crate) struct Attachments<'a> {
    files: &'a dyn Files,
    settings: &'a Settings,
    header: &'a JobHeader,
    chunk: ChunkId,
    attempt: Attempt,
    /// The [folded](FileName::folded) names that are in use.
    names: HashSet<String>,
    /// The number of bytes in memory.
    held_bytes: usize,
}

impl<'a> Attachments<'a> {
    pub(crate) fn new(
        files: &'a dyn Files,
        settings: &'a Settings,
        (header, chunk, attempt): (&'a JobHeader, ChunkId, &Attempt),
    ) -> Self {
        let attempt = attempt.clone();
        Self { files, settings, header, chunk, attempt, names: HashSet::new(), held_bytes: 0 }
    }

    /// Begins a document.
    pub(crate) fn begin(&mut self, name: FileName, content_type: &str) -> Writing<'a> {
        let mut free = name.clone();
        let mut number = 1;
        while !self.names.insert(free.folded()) {
            number += 1;
            free = FileName::sanitize(&format!("{number}-{name}"));
        }
        let attachment = RecordAttachment { chunk: self.chunk, attempt: self.attempt.clone(), name: free };
        let key = attachment.key(&self.header.id);
        let url = self.header.attachment_path(&attachment.url_name());
        let document = Document {
            title: name.to_string(),
            content_type: content_type.to_owned(),
            url: self.settings.url(&url),
            size: 0,
            hash: String::new(),
        };
        Writing {
            attachment,
            document,
            key,
            files: self.files,
            held: Vec::new(),
            writer: None,
            hash: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        }
    }

    /// Ends a document.
    pub(crate) async fn finish(&mut self, mut writing: Writing<'a>) -> Result<Written> {
        if writing.writer.is_none() && self.held_bytes + writing.held.len() > MAX_HELD {
            writing.spill().await?;
        }
        let bytes = match writing.writer {
            Some(writer) => {
                writer.finish().await?;
                Bytes::Object
            }
            None => {
                self.held_bytes += writing.held.len();
                Bytes::Held(writing.held)
            }
        };
        let document = Document { hash: STANDARD.encode(writing.hash.finish()), ..writing.document };
        Ok(Written { attachment: writing.attachment, document, bytes })
    }

    /// Returns the bytes of a document as base64, if they fit into the line.
    pub(crate) async fn inline(&self, written: &Written, room: &mut Line) -> Result<Option<String>> {
        if let Bytes::Held(bytes) = &written.bytes {
            return Ok(room.encode(bytes));
        }
        room.read(&written.document, &written.attachment.key(&self.header.id), &self.header.id, self.files)
            .await
    }

    /// Stores a document that is held in memory, because it is exported.
    pub(crate) async fn keep(&mut self, written: &mut Written, pack: &mut Pack<'_>) -> Result<()> {
        let Bytes::Held(bytes) = std::mem::replace(&mut written.bytes, Bytes::Packed) else { return Ok(()) };
        self.held_bytes -= bytes.len();
        if !pack.attach(&written.attachment.name, &bytes).await? {
            written.bytes = Bytes::Object;
            write_all(self.files, &written.attachment.key(&self.header.id), bytes).await?;
        }
        Ok(())
    }

    /// Removes a document that is not exported.
    pub(crate) async fn discard(&mut self, written: Written) -> Result<()> {
        match written.bytes {
            Bytes::Held(bytes) => self.held_bytes -= bytes.len(),
            Bytes::Object => self.files.remove(&written.attachment.key(&self.header.id)).await?,
            // The pack has only exported documents.
            Bytes::Packed => {}
        }
        Ok(())
    }
}

/// A document that is being read.
pub(crate) struct Writing<'g> {
    attachment: RecordAttachment,
    document: Document,
    key: String,
    files: &'g dyn Files,
    /// The bytes read so far, while the document is small.
    held: Vec<u8>,
    /// The document's separate object, once it is larger.
    writer: Option<Box<dyn FileWriter>>,
    hash: digest::Context,
}

impl Writing<'_> {
    /// Sets a title other than the document's name.
    pub(crate) fn title(&mut self, title: &str) {
        title.clone_into(&mut self.document.title);
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

    /// Returns the writer of the separate object, to which the held bytes are written first.
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

    /// Drops the bytes read so far, because the document cannot be read completely.
    pub(crate) async fn discard(self) -> Result<()> {
        match self.writer {
            Some(_) => self.files.remove(&self.key).await,
            None => Ok(()),
        }
    }
}
