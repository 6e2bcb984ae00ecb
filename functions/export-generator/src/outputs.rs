//! One stream of NDJSON per type: buffered, hashed and counted as it goes. The buffers bound the memory, not the export.

use aws_lc_rs::digest;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use shared::domain::chunk::{OutputFile, Purpose};
use shared::domain::request::OutputOptions;
use shared::error::Result;
use shared::ports::files::{FileWriter, Files};

/// A stream writes when it holds this many bytes.
const FLUSH: usize = 256 * 1024;
/// Files of a chunk that were full, or hold one DocumentReference each; the rest share one a type. It keeps the chunk's
/// row below the 400 kB of a DynamoDB item.
const MAX_FILES: usize = 1_000;

pub(crate) struct Outputs<'a> {
    files: &'a dyn Files,
    prefix: String,
    cut: &'a OutputOptions,
    open: Vec<Stream>,
    done: Vec<Stream>,
    /// Where the last line went: the next one is mostly of the same type.
    last: usize,
    /// Lines of files that were appended as they are.
    joined: u64,
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
    part_bytes: Option<usize>,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String, cut: &'a OutputOptions) -> Self {
        Self { files, prefix, cut, open: Vec::new(), done: Vec::new(), last: 0, joined: 0 }
    }

    pub(crate) fn options(&self) -> &'a OutputOptions {
        self.cut
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
        let is_single = resource_type == "DocumentReference" && self.cut.one_document_per_file;
        // A block is never cut in two: [`Outputs::end_block`] looks at its end.
        let is_full = purpose != Purpose::Blocks && self.is_full(self.last);
        if (is_single || is_full) && self.done.len() < MAX_FILES { self.close_last().await } else { Ok(()) }
    }

    /// Appends the header of a block, which is not a resource of the export and is not counted.
    pub(crate) async fn write_header(&mut self, resource_type: &str, line: &[u8]) -> Result<()> {
        self.write(Purpose::Blocks, resource_type, line).await?;
        self.open[self.last].count -= 1;
        Ok(())
    }

    /// Appends a file that was written before, as it is.
    pub(crate) async fn append(&mut self, file: &OutputFile) -> Result<()> {
        let is_it =
            |stream: &Stream| stream.resource_type == file.resource_type && stream.purpose == file.purpose;
        let index =
            self.open.iter().position(is_it).unwrap_or_else(|| self.begin(file.purpose, &file.resource_type));
        let mut bytes = self.files.open(&file.key, None).await?;
        let stream = &mut self.open[index];
        while let Some(piece) = bytes.next().await {
            stream.buffer.extend_from_slice(&piece?);
            if stream.buffer.len() >= FLUSH {
                stream.flush(self.files).await?;
            }
        }
        stream.count += file.count;
        self.joined += file.count;
        Ok(())
    }

    /// Lines that came with [`Outputs::append`]: other chunks wrote them.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// A block ends here: a file that is full may be followed by another.
    pub(crate) async fn end_block(&mut self) -> Result<()> {
        let is_full = !self.open.is_empty() && self.is_full(self.last);
        if is_full && self.done.len() < MAX_FILES { self.close_last().await } else { Ok(()) }
    }

    fn is_full(&self, index: usize) -> bool {
        let stream = &self.open[index];
        self.cut.max_file_bytes.is_some_and(|most| stream.size + stream.buffer.len() as u64 >= most)
    }

    async fn close_last(&mut self) -> Result<()> {
        let mut stream = self.open.swap_remove(self.last);
        stream.close(self.files).await?;
        self.done.push(stream);
        Ok(())
    }

    fn begin(&mut self, purpose: Purpose, resource_type: &str) -> usize {
        let is_same = |stream: &&Stream| stream.purpose == purpose && stream.resource_type == resource_type;
        let number = match self.done.iter().filter(is_same).count() {
            0 => String::new(),
            number => format!(".{number}"),
        };
        self.open.push(Stream {
            purpose,
            resource_type: resource_type.to_owned(),
            key: format!("{}{resource_type}{}{number}.ndjson", self.prefix, purpose.marker()),
            writer: None,
            buffer: Vec::new(),
            hash: digest::Context::new(&digest::SHA256),
            count: 0,
            size: 0,
            part_bytes: self.cut.part_bytes,
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
            none => none.insert(files.create_in_parts(&self.key, self.part_bytes).await?),
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
