//! One stream of NDJSON per type: buffered, hashed and counted as it goes. The buffers bound the memory, not the export.

use aws_lc_rs::digest;
use futures_util::future::try_join_all;
use shared::domain::chunk::{OutputFile, Purpose};
use shared::error::Result;
use shared::ports::files::{FileWriter, Files};

/// A stream writes when it holds this many bytes.
const FLUSH: usize = 256 * 1024;
/// DocumentReferences that get a file of their own, for clients that need it; the rest share one. It keeps the
/// chunk's row below the 400 kB of a DynamoDB item.
const MAX_SINGLE: u32 = 500;

pub(crate) struct Outputs<'a> {
    files: &'a dyn Files,
    prefix: String,
    one_document_per_file: bool,
    singles: u32,
    open: Vec<Stream>,
    done: Vec<Stream>,
    /// Where the last line went: the next one is mostly of the same type.
    last: usize,
}

struct Stream {
    purpose: Purpose,
    resource_type: String,
    key: String,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
    hash: digest::Context,
    count: u64,
    size: u64,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String, one_document_per_file: bool) -> Self {
        Self { files, prefix, one_document_per_file, singles: 0, open: Vec::new(), done: Vec::new(), last: 0 }
    }

    /// Appends a line, without its end, to the stream of its purpose and type.
    pub(crate) async fn write(&mut self, purpose: Purpose, resource_type: &str, line: &[u8]) -> Result<()> {
        let is_it = |stream: &Stream| stream.resource_type == resource_type && stream.purpose == purpose;
        if !self.open.get(self.last).is_some_and(is_it) {
            self.last =
                self.open.iter().position(is_it).unwrap_or_else(|| self.begin(purpose, resource_type));
        }
        let stream = &mut self.open[self.last];
        stream.buffer.extend_from_slice(line);
        stream.buffer.push(b'\n');
        stream.count += 1;
        if stream.buffer.len() >= FLUSH {
            stream.flush(self.files).await?;
        }
        if resource_type == "DocumentReference" && self.one_document_per_file && self.singles < MAX_SINGLE {
            self.singles += 1;
            let mut stream = self.open.swap_remove(self.last);
            stream.close(self.files).await?;
            self.done.push(stream);
        }
        Ok(())
    }

    fn begin(&mut self, purpose: Purpose, resource_type: &str) -> usize {
        let marker = match purpose {
            Purpose::Output => "",
            Purpose::Documents => ".documents",
            Purpose::Error => ".errors",
        };
        let single = if resource_type == "DocumentReference" && self.singles > 0 {
            format!(".{}", self.singles)
        } else {
            String::new()
        };
        self.open.push(Stream {
            purpose,
            resource_type: resource_type.to_owned(),
            key: format!("{}{resource_type}{marker}{single}.ndjson", self.prefix),
            writer: None,
            buffer: Vec::new(),
            hash: digest::Context::new(&digest::SHA256),
            count: 0,
            size: 0,
        });
        self.open.len() - 1
    }

    /// Ends every stream, all at once, because each waits for its bytes to be durable.
    pub(crate) async fn finish(mut self) -> Result<Vec<OutputFile>> {
        let files = self.files;
        try_join_all(self.open.iter_mut().map(|stream| stream.close(files))).await?;
        self.done.append(&mut self.open);
        self.done.sort_by(|one, other| {
            (one.purpose, &one.resource_type, &one.key).cmp(&(
                other.purpose,
                &other.resource_type,
                &other.key,
            ))
        });
        Ok(self.done.into_iter().map(Stream::described).collect())
    }
}

impl Stream {
    async fn flush(&mut self, files: &dyn Files) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.hash.update(&self.buffer);
        self.size += self.buffer.len() as u64;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(files.create(&self.key).await?),
        };
        self.buffer = writer.write(std::mem::take(&mut self.buffer)).await?;
        // One line of many megabytes must not keep its room for ever.
        self.buffer.shrink_to(2 * FLUSH);
        Ok(())
    }

    async fn close(&mut self, files: &dyn Files) -> Result<()> {
        self.flush(files).await?;
        self.buffer = Vec::new();
        match self.writer.take() {
            Some(writer) => writer.finish().await,
            None => Ok(()),
        }
    }

    fn described(self) -> OutputFile {
        OutputFile {
            purpose: self.purpose,
            resource_type: self.resource_type,
            key: self.key,
            count: self.count,
            size: self.size,
            sha256: shared::clock::hex(self.hash.finish().as_ref()),
        }
    }
}
