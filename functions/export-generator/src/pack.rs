//! Writes an attempt's [pack](domain::pack): small files back to back, then the index of the attachments.
//!
//! The object is created with the first file. The pack can be read when [`Pack::finish`] returns. An attempt that ends
//! before that drops the store's writer.

use std::io::Write as _;

use aws_lc_rs::digest;
use domain::error::Result;
use domain::ids::FileName;
use domain::pack::{Index, IndexPlace, Location, MAX_ATTACHMENTS, PackRange};
use domain::ports::files::{FileWriter, Files};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The buffer is written when it has this many bytes.
const FLUSH: usize = 512 * 1024;

/// The pack of one attempt.
pub(crate) struct Pack<'a> {
    files: &'a dyn Files,
    key: String,
    part_bytes: Option<usize>,
    /// Whether NDJSON files are stored as gzip.
    compress: bool,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
    /// The number of bytes written before those in the buffer.
    written: u64,
    attachments: Vec<(FileName, u64, u64)>,
}

impl<'a> Pack<'a> {
    /// Creates the pack of the attempt whose files have this prefix.
    pub(crate) fn new(files: &'a dyn Files, prefix: &str, part_bytes: Option<usize>) -> Self {
        Self {
            files,
            key: format!("{prefix}pack"),
            part_bytes,
            compress: files.compresses(),
            writer: None,
            buffer: Vec::new(),
            written: 0,
            attachments: Vec::new(),
        }
    }

    /// Appends a file.
    pub(crate) async fn append(&mut self, bytes: &[u8]) -> Result<Location> {
        let place = self.put(bytes).await?;
        Ok(self.location(place))
    }

    /// Appends an NDJSON file, compressed if the store compresses such files.
    pub(crate) async fn append_lines(&mut self, bytes: &[u8]) -> Result<Location> {
        if !self.compress || bytes.is_empty() {
            return self.append(bytes).await;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes)?;
        let place = self.put(&encoder.finish()?).await?;
        Ok(self.location(PackRange { gzip: true, ..place }))
    }

    /// Appends an attachment with a unique name. Returns whether there was room for it.
    pub(crate) async fn attach(&mut self, name: &FileName, bytes: &[u8]) -> Result<bool> {
        if self.attachments.len() >= MAX_ATTACHMENTS {
            return Ok(false);
        }
        let PackRange { offset, length, .. } = self.put(bytes).await?;
        self.attachments.push((name.clone(), offset, length));
        Ok(true)
    }

    /// Ends the pack, which is then complete and durable. Returns the place of its index, if it has attachments.
    pub(crate) async fn finish(mut self) -> Result<Option<IndexPlace>> {
        let index = match self.attachments.is_empty() {
            true => None,
            false => {
                let index = Index::new(std::mem::take(&mut self.attachments)).to_bytes()?;
                let sha256 = domain::clock::hex(digest::digest(&digest::SHA256, &index).as_ref());
                let PackRange { offset, length, .. } = self.put(&index).await?;
                Some(IndexPlace { offset, length, sha256 })
            }
        };
        self.flush().await?;
        if let Some(writer) = self.writer.take() {
            writer.finish().await?;
        }
        Ok(index)
    }

    fn location(&self, place: PackRange) -> Location {
        Location { key: self.key.clone(), place: Some(place) }
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<PackRange> {
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= FLUSH {
            self.flush().await?;
        }
        Ok(PackRange { offset, length: bytes.len() as u64, gzip: false })
    }

    async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.files.create_in_parts(&self.key, self.part_bytes).await?),
        };
        self.written += self.buffer.len() as u64;
        self.buffer = writer.write(std::mem::take(&mut self.buffer)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
