//! Writes a ZIP from its beginning to its end, to a client or into the store. Nothing is written twice: sizes and checksums
//! follow each file (APPNOTE 6.3.10, 4.3.9), and files that could exceed 4 GiB are ZIP64.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use bytes::Bytes;
use domain::clock::hex;
use domain::error::{Error, Result};
use domain::ports::files::FileWriter;
use jiff::civil;
use tokio::sync::mpsc;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// How many bytes are collected before they are sent on.
const PIECE: usize = 64 * 1024;
/// Files of this size or larger need ZIP64; so do files whose size is not known.
const LARGE: u64 = 0xffff_0000;

/// The receiver of the bytes.
pub(super) enum Sink {
    Client(mpsc::Sender<Result<Bytes>>),
    Store(Box<dyn FileWriter>),
}

impl Sink {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::Client(client) => {
                client.send(Ok(bytes.into())).await.map_err(|_| Error::unavailable("the client has gone"))
            }
            Self::Store(writer) => writer.write(bytes).await.map(|_| ()),
        }
    }
}

/// The buffer that the ZIP library writes to.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self, least: usize) -> Option<Vec<u8>> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (bytes.len() > least).then(|| std::mem::take(&mut *bytes))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// See the [module](self).
pub(super) struct Archive {
    zip: ZipWriter<StreamWriter<Buffer>>,
    buffer: Buffer,
    sink: Sink,
    modified: DateTime,
    /// The file that is being written, and its digest so far.
    open: Option<(String, digest::Context)>,
    /// The lines of `SHA256SUMS`.
    sums: String,
}

impl Archive {
    /// `modified` is the time of all its files.
    pub(super) fn new(sink: Sink, modified: civil::DateTime) -> Result<Self> {
        let part = |part: i8| u8::try_from(part).unwrap_or_default();
        let modified = DateTime::from_date_and_time(
            u16::try_from(modified.year()).map_err(Error::internal)?,
            part(modified.month()),
            part(modified.day()),
            part(modified.hour()),
            part(modified.minute()),
            part(modified.second()),
        );
        let buffer = Buffer::default();
        Ok(Self {
            zip: ZipWriter::new_stream(buffer.clone()),
            buffer,
            sink,
            modified: modified.unwrap_or_default(),
            open: None,
            sums: String::new(),
        })
    }

    /// Begins a file. `size` is its number of bytes, if that is known.
    pub(super) fn begin(&mut self, name: &str, size: Option<u64>, is_compressed: bool) -> Result<()> {
        let method = if is_compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .compression_level(is_compressed.then_some(1))
            .large_file(size.is_none_or(|size| size >= LARGE))
            .last_modified_time(self.modified)
            .unix_permissions(0o644);
        self.zip.start_file(name, options).map_err(Error::internal)?;
        self.open = Some((name.to_owned(), digest::Context::new(&digest::SHA256)));
        Ok(())
    }

    /// Writes a piece of the current file.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.zip.write_all(piece).map_err(Error::internal)?;
            if let Some((_, digest)) = &mut self.open {
                digest.update(piece);
            }
            self.hand_on(PIECE).await?;
        }
        Ok(())
    }

    /// Ends the current file; returns its SHA-256 in hexadecimal.
    pub(super) fn end(&mut self) -> Result<String> {
        let (name, digest) = self.open.take().ok_or_else(|| Error::internal("no file was begun"))?;
        let sha256 = hex(digest.finish().as_ref());
        self.sums.extend([sha256.as_str(), "  ", &name, "\n"]);
        Ok(sha256)
    }

    /// Writes a whole file of text.
    pub(super) async fn text(&mut self, name: &str, text: &str) -> Result<()> {
        self.begin(name, Some(text.len() as u64), true)?;
        self.write(text.as_bytes()).await?;
        self.end().map(|_| ())
    }

    /// Adds the hashes of all files, as `sha256sum -c` reads them, and ends the ZIP.
    pub(super) async fn finish(mut self) -> Result<()> {
        let sums = std::mem::take(&mut self.sums);
        self.text("SHA256SUMS", &sums).await?;
        let Self { zip, buffer, mut sink, .. } = self;
        zip.finish().map_err(Error::internal)?;
        if let Some(bytes) = buffer.take(0) {
            sink.write(bytes).await?;
        }
        match sink {
            Sink::Client(_) => Ok(()),
            Sink::Store(writer) => writer.finish().await,
        }
    }

    async fn hand_on(&mut self, least: usize) -> Result<()> {
        match self.buffer.take(least) {
            Some(bytes) => self.sink.write(bytes).await,
            None => Ok(()),
        }
    }
}
