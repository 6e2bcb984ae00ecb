//! Temporary files for sorting: streams of small records on disk, each partitioned by a hash. Therefore a worker needs memory for only one
//! partition, independent of the size of the input.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::private::FILE_MODE;

/// The size of all buffers of a writer in bytes.
const BUFFERS: usize = 4 * 1024 * 1024;
/// The minimum and the maximum size of the buffer of one partition.
const MIN_BUFFER: usize = 4 * 1024;
const MAX_BUFFER: usize = 64 * 1024;
/// The maximum size of a partition that is read into memory completely. Of a larger partition, only the heads are in memory.
const WHOLE: u64 = 64 * 1024 * 1024;

/// A stream of records on disk, in partitions.
pub(super) struct Stream {
    partitions: Vec<(PathBuf, Mutex<()>)>,
}

impl Stream {
    pub(super) fn new(directory: &Path, name: &str, partitions: usize) -> Self {
        let partition = |index| (directory.join(format!("{name}-{index}")), Mutex::new(()));
        Self { partitions: (0..partitions).map(partition).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Returns the partition of a hash.
    pub(super) fn of(&self, hash: u64) -> usize {
        // The remainder is less than the number of partitions.
        usize::try_from(hash % self.partitions.len() as u64).unwrap_or_default()
    }

    pub(super) fn bytes(&self, index: usize) -> u64 {
        std::fs::metadata(&self.partitions[index].0).map(|metadata| metadata.len()).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        (0..self.len()).all(|index| self.bytes(index) == 0)
    }

    /// Reads all records of a partition.
    pub(super) fn read(&self, index: usize) -> Result<Vec<u8>, Failure> {
        match std::fs::read(&self.partitions[index].0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| Failure::of_path(&self.partitions[index].0, &error)),
        }
    }

    /// Reads the resources of a partition. The texts of a large partition stay on disk.
    pub(super) fn texts(&self, index: usize) -> Result<Texts, Failure> {
        let path = &self.partitions[index].0;
        let broken = |error: std::io::Error| Failure::of_path(path, &error);
        if self.bytes(index) <= WHOLE {
            return Texts::scan(Source::Memory(self.read(index)?));
        }
        Texts::scan(Source::File(File::open(path).map_err(broken)?))
    }

    /// Opens a partition that was written in order, at its beginning.
    pub(super) fn run(&self, index: usize) -> Result<Run, Failure> {
        Run::open(&self.partitions[index].0)
    }

    /// Removes the file of a partition.
    pub(super) fn remove(&self, index: usize) {
        let _ = std::fs::remove_file(&self.partitions[index].0);
    }

    fn append(&self, index: usize, bytes: &[u8]) -> Result<(), Failure> {
        let (path, gate) = &self.partitions[index];
        let _gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(|error| Failure::of_path(path, &error))
    }
}

/// One worker's buffered writer to a stream.
pub(super) struct Writer<'s> {
    stream: &'s Stream,
    buffers: Vec<Vec<u8>>,
    /// The number of bytes of one partition that are appended together.
    limit: usize,
}

impl<'s> Writer<'s> {
    pub(super) fn new(stream: &'s Stream) -> Self {
        let limit = (BUFFERS / stream.len()).clamp(MIN_BUFFER, MAX_BUFFER);
        Self { stream, buffers: vec![Vec::new(); stream.len()], limit }
    }

    /// Appends a record to the partition of a hash.
    pub(super) fn push(&mut self, hash: u64, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let index = self.stream.of(hash);
        let buffer = &mut self.buffers[index];
        write(buffer);
        if buffer.len() >= self.limit {
            self.stream.append(index, buffer)?;
            buffer.clear();
        }
        Ok(())
    }

    /// Appends the buffered records. Records are lost if the writer is dropped without this call.
    pub(super) fn finish(self) -> Result<(), Failure> {
        for (index, buffer) in self.buffers.iter().enumerate().filter(|(_, buffer)| !buffer.is_empty()) {
            self.stream.append(index, buffer)?;
        }
        Ok(())
    }
}

/// Appends a number.
pub(super) fn put_number(buffer: &mut Vec<u8>, number: u64) {
    buffer.extend_from_slice(&number.to_le_bytes());
}

/// Appends a text and its length.
pub(super) fn put_text(buffer: &mut Vec<u8>, text: &[u8]) {
    put_number(buffer, text.len() as u64);
    buffer.extend_from_slice(text);
}

/// Reads the fields of records in the order in which they were written.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> Result<u64, Failure> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], Failure> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(text)
    }

    /// Reads a list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<&'a [u8]>, Failure> {
        (0..self.number()?).map(|_| self.text()).collect()
    }
}

/// Appends a list of texts.
pub(super) fn put_texts<T: AsRef<[u8]>>(buffer: &mut Vec<u8>, texts: &[T]) {
    put_number(buffer, texts.len() as u64);
    for text in texts {
        put_text(buffer, text.as_ref());
    }
}

/// Appends the head by which a resource is sorted, and then the resource.
pub(super) fn put_resource(buffer: &mut Vec<u8>, head: &Head<'_>, text: &[u8]) {
    put_number(buffer, head.number);
    put_text(buffer, head.home);
    put_text(buffer, head.resource_type);
    put_text(buffer, head.id);
    put_text(buffer, text);
}

/// The fields by which a resource is sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    /// The number of the resource among all that were read.
    pub(super) number: u64,
    /// The patient; empty for a shared resource.
    pub(super) home: &'a [u8],
    pub(super) resource_type: &'a [u8],
    pub(super) id: &'a [u8],
}

impl Head<'_> {
    /// Returns the sort key of the lake: by patient, then the Patient first, then by type and id.
    fn key(&self) -> (&[u8], bool, &[u8], &[u8]) {
        (self.home, self.resource_type != b"Patient", self.resource_type, self.id)
    }
}

enum Source {
    Memory(Vec<u8>),
    File(File),
}

/// The resources of one partition. Their heads are in memory, and their texts in memory or on disk.
pub(super) struct Texts {
    source: Source,
    heads: Vec<u8>,
    entries: Vec<Entry>,
    text: Vec<u8>,
}

struct Entry {
    number: u64,
    /// The offset in `heads` at which the texts of the head begin.
    head: usize,
    /// The lengths of the patient, the type and the id.
    lengths: [u32; 3],
    /// The offset of the resource's text in the partition.
    offset: u64,
    length: usize,
}

impl Texts {
    fn scan(source: Source) -> Result<Self, Failure> {
        let mut texts = Self { source, heads: Vec::new(), entries: Vec::new(), text: Vec::new() };
        let scanned = match &texts.source {
            Source::Memory(bytes) => scan(Cursor::new(bytes)),
            Source::File(file) => scan(BufReader::with_capacity(1024 * 1024, file)),
        };
        (texts.heads, texts.entries) = scanned.map_err(|_| damaged())?;
        Ok(texts)
    }

    /// Removes the resources for whose numbers `drop` returns `true`, and sorts the others in the order of the lake.
    pub(super) fn sort(&mut self, drop: impl Fn(u64) -> bool) {
        self.entries.retain(|entry| !drop(entry.number));
        let heads = &self.heads;
        self.entries.sort_unstable_by(|a, b| head(heads, a).key().cmp(&head(heads, b).key()));
    }

    /// Calls `show` with the resources in order.
    pub(super) fn each(
        &mut self,
        mut show: impl FnMut(Head<'_>, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for entry in &self.entries {
            let text = match &self.source {
                Source::Memory(bytes) => {
                    let start = usize::try_from(entry.offset).map_err(|_| damaged())?;
                    bytes.get(start..start + entry.length).ok_or_else(damaged)?
                }
                Source::File(file) => {
                    self.text.resize(entry.length, 0);
                    file.read_exact_at(&mut self.text, entry.offset).map_err(|_| damaged())?;
                    &self.text
                }
            };
            show(head(&self.heads, entry), text)?;
        }
        Ok(())
    }
}

fn head<'h>(heads: &'h [u8], entry: &Entry) -> Head<'h> {
    let [home, resource_type, id] = entry.lengths.map(|length| length as usize);
    let (at, type_at) = (entry.head, entry.head + home);
    let id_at = type_at + resource_type;
    Head {
        number: entry.number,
        home: &heads[at..type_at],
        resource_type: &heads[type_at..id_at],
        id: &heads[id_at..id_at + id],
    }
}

/// Reads the heads of a partition and the offsets of its texts.
fn scan(mut reader: impl BufRead) -> std::io::Result<(Vec<u8>, Vec<Entry>)> {
    let (mut heads, mut entries, mut at) = (Vec::new(), Vec::new(), 0_u64);
    while !reader.fill_buf()?.is_empty() {
        let number = read_number(&mut reader, &mut at)?;
        let head = heads.len();
        let mut lengths = [0; 3];
        for length in &mut lengths {
            let bytes = read_number(&mut reader, &mut at)?;
            let start = heads.len();
            *length = u32::try_from(bytes).map_err(std::io::Error::other)?;
            heads.resize(start + *length as usize, 0);
            reader.read_exact(&mut heads[start..])?;
            at += bytes;
        }
        let length = read_number(&mut reader, &mut at)?;
        let offset = at;
        at += length;
        let mut left = usize::try_from(length).map_err(std::io::Error::other)?;
        entries.push(Entry { number, head, lengths, offset, length: left });
        while left > 0 {
            let available = reader.fill_buf()?.len().min(left);
            if available == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            reader.consume(available);
            left -= available;
        }
    }
    Ok((heads, entries))
}

fn read_number(reader: &mut impl BufRead, at: &mut u64) -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    *at += 8;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads the resources of a sorted run one by one.
pub(super) struct Run {
    reader: BufReader<File>,
    /// The next resource; `None` at the end.
    pub(super) next: Option<RunEntry>,
}

#[derive(Debug, Default)]
pub(super) struct RunEntry {
    pub(super) resource_type: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) text: Vec<u8>,
}

impl Run {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::of_path(path, &error))?;
        let mut run = Self { reader: BufReader::with_capacity(64 * 1024, file), next: None };
        run.advance()?;
        Ok(run)
    }

    pub(super) fn advance(&mut self) -> Result<(), Failure> {
        self.next = self.read().map_err(|_| damaged())?;
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<Option<RunEntry>> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut at = 0;
        read_number(&mut self.reader, &mut at)?;
        let mut fields = [const { Vec::new() }; 4];
        for field in &mut fields {
            let length = read_number(&mut self.reader, &mut at)?;
            field.resize(usize::try_from(length).map_err(std::io::Error::other)?, 0);
            self.reader.read_exact(field)?;
        }
        let [_, resource_type, id, text] = fields;
        Ok(Some(RunEntry { resource_type, id, text }))
    }
}

fn damaged() -> Failure {
    Failure::new("a temporary file was damaged during the load: run the load again")
}

#[cfg(test)]
mod tests;
