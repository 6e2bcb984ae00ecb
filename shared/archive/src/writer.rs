//! Writes a ZIP from its beginning to its end, to a client or into the store. Nothing is written twice.

use std::io::Write;

use aws_lc_rs::digest;
use bytes::Bytes;
use domain::clock::hex;
use domain::error::{Error, Result};
use domain::ports::files::{FileWriter, Files};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use futures_util::TryStreamExt;
use jiff::civil;
use tokio::sync::mpsc;

use crate::checkpoint::{Segment, Written};
use crate::records::{DosTime, Entry, LARGE, end};

/// The number of bytes that are collected before they are sent.
const PIECE: usize = 64 * 1024;

/// The receiver of the bytes.
pub enum Sink {
    Client(mpsc::Sender<Result<Bytes>>),
    Store(Box<dyn FileWriter>),
}

impl Sink {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::Client(client) => {
                let sent = client.send(Ok(bytes.into())).await;
                sent.map(|()| Vec::new()).map_err(|_| Error::unavailable("the client has gone"))
            }
            Self::Store(writer) => writer.write(bytes).await,
        }
    }

    async fn finish(self) -> Result<()> {
        match self {
            Self::Client(_) => Ok(()),
            Self::Store(writer) => writer.finish().await,
        }
    }
}

/// A file that is being written.
struct Open {
    entry: Entry,
    crc: Crc,
    digest: digest::Context,
    /// Where its bytes begin.
    start: u64,
    encoder: Option<DeflateEncoder<Vec<u8>>>,
}

/// What a stage has written, apart from the bytes of the ZIP.
pub(crate) struct Paused {
    pub(crate) written: Written,
    pub(crate) directory: Vec<u8>,
    pub(crate) sums: String,
}

/// What earlier stages have written, in the store.
#[derive(Clone, Copy)]
pub(crate) struct Earlier<'e> {
    pub(crate) files: &'e dyn Files,
    pub(crate) segments: &'e [Segment],
}

/// See the [module](self).
pub(crate) struct Archive {
    sink: Sink,
    /// The bytes that are not sent yet.
    waiting: Vec<u8>,
    modified: DosTime,
    open: Option<Open>,
    /// What is written, by earlier stages too.
    written: Written,
    /// The records of the directory that this stage has written.
    directory: Vec<u8>,
    /// The lines of `SHA256SUMS` of this stage.
    sums: String,
}

impl Archive {
    /// Begins a ZIP. `modified` is the time of all its files.
    pub(crate) fn new(sink: Sink, modified: civil::DateTime) -> Self {
        let paused = Paused { written: Written::default(), directory: Vec::new(), sums: String::new() };
        Self::resume(sink, modified, paused)
    }

    /// Continues a ZIP.
    pub(crate) fn resume(sink: Sink, modified: civil::DateTime, paused: Paused) -> Self {
        let Paused { written, directory, sums } = paused;
        let modified = DosTime::of(modified);
        Self { sink, waiting: Vec::new(), modified, open: None, written, directory, sums }
    }

    /// Returns the number of files of this and earlier stages.
    pub(crate) fn entries(&self) -> u64 {
        self.written.entries
    }

    /// Begins a file. `size` is its number of bytes, if that is known.
    pub(crate) fn begin(&mut self, name: &str, size: Option<u64>, is_compressed: bool) {
        let entry = Entry {
            name: name.to_owned(),
            is_compressed,
            is_large: size.is_none_or(|size| size >= LARGE),
            modified: self.modified,
            offset: self.written.bytes,
            crc: 0,
            stored: 0,
            size: 0,
        };
        self.put(&entry.local_header());
        let encoder = is_compressed.then(|| DeflateEncoder::new(Vec::new(), Compression::fast()));
        let digest = digest::Context::new(&digest::SHA256);
        self.open = Some(Open { entry, crc: Crc::new(), digest, start: self.written.bytes, encoder });
    }

    /// Writes a piece of the current file.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PIECE) {
            let open = self.open.as_mut().ok_or_else(no_file)?;
            open.crc.update(piece);
            open.digest.update(piece);
            open.entry.size += piece.len() as u64;
            match &mut open.encoder {
                Some(encoder) => {
                    encoder.write_all(piece)?;
                    let compressed = std::mem::take(encoder.get_mut());
                    self.put(&compressed);
                }
                None => self.put(piece),
            }
            self.hand_on(PIECE).await?;
        }
        Ok(())
    }

    /// Ends the current file; returns its SHA-256 in hexadecimal.
    pub(crate) fn end(&mut self) -> Result<String> {
        let Open { mut entry, crc, digest, start, encoder } = self.open.take().ok_or_else(no_file)?;
        if let Some(encoder) = encoder {
            let compressed = encoder.finish()?;
            self.put(&compressed);
        }
        entry.crc = crc.sum();
        entry.stored = self.written.bytes - start;
        if !entry.fits() {
            return Err(Error::internal(format!("'{}' is larger than it was announced", entry.name)));
        }
        self.put(&entry.descriptor());
        let record = entry.directory_record();
        self.written.entries += 1;
        self.written.directory += record.len() as u64;
        self.directory.extend_from_slice(&record);
        let sha256 = hex(digest.finish().as_ref());
        let line = format!("{sha256}  {}\n", entry.name);
        self.written.sums += line.len() as u64;
        self.sums.push_str(&line);
        Ok(sha256)
    }

    /// Writes a whole file of text.
    pub(crate) async fn text(&mut self, name: &str, text: &str) -> Result<()> {
        self.begin(name, Some(text.len() as u64), true);
        self.write(text.as_bytes()).await?;
        self.end().map(|_| ())
    }

    /// Copies bytes of the ZIP that an earlier stage has written and counted.
    pub(crate) async fn copy_segment(&mut self, segment: &Segment, files: &dyn Files) -> Result<()> {
        let mut bytes = files.open(&segment.data(), None).await?;
        while let Some(piece) = bytes.try_next().await? {
            self.waiting.extend_from_slice(&piece);
            self.hand_on(PIECE).await?;
        }
        Ok(())
    }

    /// Ends a stage.
    pub(crate) async fn pause(mut self) -> Result<Paused> {
        self.hand_on(0).await?;
        self.sink.finish().await?;
        Ok(Paused { written: self.written, directory: self.directory, sums: self.sums })
    }

    /// Adds the hashes of all files, as `sha256sum -c` reads them, and the directory, and ends the ZIP.
    pub(crate) async fn finish(mut self, earlier: Option<Earlier<'_>>) -> Result<Paused> {
        let sums = std::mem::take(&mut self.sums);
        self.begin("SHA256SUMS", Some(self.written.sums), true);
        if let Some(Earlier { files, segments }) = earlier {
            for segment in segments {
                let mut bytes = files.open(&segment.sums(), None).await?;
                while let Some(piece) = bytes.try_next().await? {
                    self.write(&piece).await?;
                }
            }
        }
        self.write(sums.as_bytes()).await?;
        self.end()?;
        let Written { bytes: offset, entries, directory: length, .. } = self.written;
        if let Some(Earlier { files, segments }) = earlier {
            for segment in segments {
                let mut bytes = files.open(&segment.directory(), None).await?;
                while let Some(piece) = bytes.try_next().await? {
                    self.put(&piece);
                    self.hand_on(PIECE).await?;
                }
            }
        }
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory);
        self.put(&end(entries, offset, length));
        self.pause().await
    }

    /// Adds bytes to the ZIP.
    fn put(&mut self, bytes: &[u8]) {
        self.written.bytes += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
    }

    /// Sends the waiting bytes on if there are more than `least`.
    async fn hand_on(&mut self, least: usize) -> Result<()> {
        if self.waiting.len() > least {
            self.waiting = self.sink.write(std::mem::take(&mut self.waiting)).await?;
        }
        Ok(())
    }
}

fn no_file() -> Error {
    Error::internal("no file was begun")
}

#[cfg(test)]
mod tests;
