//! Writes one NDJSON stream per type, buffered, hashed and counted. Memory use is bounded by the buffers, not by the
//! export.
//!
//! `_maximumFileSize`: a file is larger only if it has a single line that is larger, or a single block of
//! `organizeOutputBy`, which is never split. When a chunk has [`MAX_FILES`] files, the rest of each type goes into one
//! file; a chunk of several patients ends before that.

use aws_lc_rs::digest;
use domain::chunk::{OutputFile, Purpose};
use domain::error::Result;
use domain::pack::{IndexPlace, Location, SMALL};
use domain::ports::files::{FileWriter, Files};
use domain::request::OutputOptions;
use futures_util::StreamExt;
use futures_util::future::{try_join, try_join_all};
use storage::packs;

use crate::pack::Pack;

/// A stream is written when its buffer has this many bytes. A stream that stays smaller goes into the pack.
const FLUSH: usize = SMALL;
/// The maximum number of full files and single-DocumentReference files of a chunk; the rest of each type shares one
/// file. It keeps the chunk's row below the 400 kB limit of a DynamoDB item.
const MAX_FILES: usize = 1_000;

pub(crate) struct Outputs<'a> {
    files: &'a dyn Files,
    prefix: String,
    cut: &'a OutputOptions,
    pack: Pack<'a>,
    open: Vec<Stream>,
    done: Vec<Stream>,
    /// The stream of the last line: the next line mostly has the same type.
    last: usize,
    /// The number of lines in files that were appended unchanged.
    joined: u64,
}

/// The finished files of an attempt.
pub(crate) struct Finished {
    pub(crate) files: Vec<OutputFile>,
    /// The index of the attachments in the pack.
    pub(crate) attachments: Option<IndexPlace>,
}

struct Stream {
    purpose: Purpose,
    resource_type: String,
    /// The key of the stream's object, if it becomes one.
    key: String,
    /// The stream's place in the pack, if it goes there.
    packed: Option<Location>,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
    hash: digest::Context,
    count: u64,
    size: u64,
    part_bytes: Option<usize>,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String, cut: &'a OutputOptions) -> Self {
        let pack = Pack::new(files, &prefix, cut.upload_part_bytes);
        Self { files, prefix, cut, pack, open: Vec::new(), done: Vec::new(), last: 0, joined: 0 }
    }

    /// Returns the pack of the attempt, for content that is not in a stream.
    pub(crate) fn pack(&mut self) -> &mut Pack<'a> {
        &mut self.pack
    }

    pub(crate) fn options(&self) -> &'a OutputOptions {
        self.cut
    }

    /// Appends a line, without its line end, to the stream of its purpose and type.
    pub(crate) async fn write(&mut self, purpose: Purpose, resource_type: &str, line: &[u8]) -> Result<()> {
        let is_it = |stream: &Stream| stream.resource_type == resource_type && stream.purpose == purpose;
        if !self.open.get(self.last).is_some_and(is_it) {
            self.last =
                self.open.iter().position(is_it).unwrap_or_else(|| self.begin(purpose, resource_type));
        }
        // A block is never split: [`Outputs::begin_block`] checks its whole size.
        if purpose != Purpose::Blocks && self.is_too_much(self.last, line.len() as u64 + 1) {
            self.close(self.last).await?;
            self.last = self.begin(purpose, resource_type);
        }
        let stream = &mut self.open[self.last];
        stream.buffer.extend_from_slice(line);
        stream.buffer.push(b'\n');
        stream.count += 1;
        if stream.buffer.len() >= FLUSH {
            stream.flush(self.files).await?;
        }
        let is_single = resource_type == "DocumentReference" && self.cut.one_document_per_file;
        if is_single && self.done.len() < MAX_FILES { self.close(self.last).await } else { Ok(()) }
    }

    /// Appends the header of a block, which is not a resource of the export and is not counted.
    pub(crate) async fn write_header(&mut self, resource_type: &str, line: &[u8]) -> Result<()> {
        self.write(Purpose::Blocks, resource_type, line).await?;
        self.open[self.last].count -= 1;
        Ok(())
    }

    /// Appends an existing file unchanged.
    pub(crate) async fn append(&mut self, file: &OutputFile) -> Result<()> {
        let is_it =
            |stream: &Stream| stream.resource_type == file.resource_type && stream.purpose == file.purpose;
        let mut index =
            self.open.iter().position(is_it).unwrap_or_else(|| self.begin(file.purpose, &file.resource_type));
        if self.is_too_much(index, file.size) {
            self.close(index).await?;
            index = self.begin(file.purpose, &file.resource_type);
        }
        let mut bytes = packs::open(self.files, &file.location(), None).await?;
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

    /// Returns the number of lines that came with [`Outputs::append`]: other chunks wrote them.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// Announces a block of this many bytes: it goes into a new file if this one has no room for it.
    pub(crate) async fn begin_block(&mut self, bytes: u64) -> Result<()> {
        let open = self.open.iter().position(|stream| stream.purpose == Purpose::Blocks);
        match open.filter(|index| self.is_too_much(*index, bytes)) {
            Some(index) => self.close(index).await,
            None => Ok(()),
        }
    }

    /// Returns whether so many files are full that a chunk should end before its next patient.
    pub(crate) fn is_crowded(&self) -> bool {
        self.done.len() >= MAX_FILES / 2
    }

    /// Returns whether this many more bytes would make a non-empty file exceed `_maximumFileSize`.
    fn is_too_much(&self, index: usize, bytes: u64) -> bool {
        let stream = &self.open[index];
        let size = stream.size + stream.buffer.len() as u64;
        let is_over = self.cut.max_file_bytes.is_some_and(|most| size + bytes > most);
        is_over && size > 0 && self.done.len() < MAX_FILES
    }

    async fn close(&mut self, index: usize) -> Result<()> {
        let mut stream = self.open.swap_remove(index);
        if stream.is_small() {
            stream.pack(&mut self.pack).await?;
        } else {
            stream.close(self.files).await?;
        }
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
            packed: None,
            writer: None,
            buffer: Vec::new(),
            hash: digest::Context::new(&digest::SHA256),
            count: 0,
            size: 0,
            part_bytes: self.cut.upload_part_bytes,
        });
        self.open.len() - 1
    }

    /// Ends every stream and the pack concurrently, because each object waits until its bytes are durable.
    pub(crate) async fn finish(mut self) -> Result<Finished> {
        let files = self.files;
        let (small, mut large): (Vec<_>, Vec<_>) = self.open.into_iter().partition(Stream::is_small);
        for mut stream in small {
            stream.pack(&mut self.pack).await?;
            self.done.push(stream);
        }
        let closed = try_join_all(large.iter_mut().map(|stream| stream.close(files)));
        let (_, attachments) = try_join(closed, self.pack.finish()).await?;
        self.done.append(&mut large);
        self.done.sort_by(|one, other| {
            (one.purpose, &one.resource_type, &one.key).cmp(&(
                other.purpose,
                &other.resource_type,
                &other.key,
            ))
        });
        Ok(Finished { files: self.done.into_iter().map(Stream::described).collect(), attachments })
    }
}

impl Stream {
    /// Returns whether the stream goes into the pack.
    fn is_small(&self) -> bool {
        self.writer.is_none() && self.buffer.len() < SMALL
    }

    async fn pack(&mut self, pack: &mut Pack<'_>) -> Result<()> {
        self.hash.update(&self.buffer);
        self.size += self.buffer.len() as u64;
        self.packed = Some(pack.append_lines(&self.buffer).await?);
        self.buffer = Vec::new();
        Ok(())
    }

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
        // A line of many megabytes must not keep its memory forever.
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
        let Location { key, place } = self.packed.unwrap_or(Location::object(self.key));
        OutputFile {
            purpose: self.purpose,
            resource_type: self.resource_type,
            key,
            place,
            count: self.count,
            size: self.size,
            sha256: domain::clock::hex(self.hash.finish().as_ref()),
        }
    }
}

#[cfg(test)]
mod tests;
