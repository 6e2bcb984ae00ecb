//! The resources of a partition, which are sorted in the order of the lake, and the resources of a sorted run.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::fields::{put_number, put_text};
use super::{FRAME, damaged};
use crate::Failure;

/// Appends the head by which a resource is sorted, and then the resource.
pub(in crate::load) fn put_resource(buffer: &mut Vec<u8>, head: &Head<'_>, text: &[u8]) {
    put_number(buffer, head.number);
    put_text(buffer, head.home);
    put_text(buffer, head.resource_type);
    put_text(buffer, head.id);
    put_text(buffer, text);
}

/// The fields by which a resource is sorted.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct Head<'a> {
    /// The number of the resource among all that were read.
    pub(in crate::load) number: u64,
    /// The patient; empty for a shared resource.
    pub(in crate::load) home: &'a [u8],
    pub(in crate::load) resource_type: &'a [u8],
    pub(in crate::load) id: &'a [u8],
}

impl Head<'_> {
    /// Returns the sort key of the lake: by patient, then the Patient first, then by type and id.
    fn key(&self) -> (&[u8], bool, &[u8], &[u8]) {
        (self.home, self.resource_type != b"Patient", self.resource_type, self.id)
    }
}

/// A partition with its frames.
pub(super) enum Source {
    Memory(Vec<u8>),
    File(File),
}

/// The resources of one partition. Their heads are in memory, and their texts in memory or on disk.
pub(in crate::load) struct Texts {
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
    pub(super) fn scan(source: Source) -> Result<Self, Failure> {
        let mut texts = Self { source, heads: Vec::new(), entries: Vec::new(), text: Vec::new() };
        let scanned = match &texts.source {
            Source::Memory(bytes) => scan(Cursor::new(bytes)),
            Source::File(file) => scan(BufReader::with_capacity(1024 * 1024, file)),
        };
        (texts.heads, texts.entries) = scanned.map_err(|_| damaged())?;
        Ok(texts)
    }

    /// Removes the resources for whose numbers `drop` returns `true`, and sorts the others in the order of the lake.
    pub(in crate::load) fn sort(&mut self, drop: impl Fn(u64) -> bool) {
        self.entries.retain(|entry| !drop(entry.number));
        let heads = &self.heads;
        self.entries.sort_unstable_by(|a, b| head(heads, a).key().cmp(&head(heads, b).key()));
    }

    /// Calls `show` with the resources in order.
    pub(in crate::load) fn each(
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
    while skip_frame(&mut reader, &mut at)? {
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

/// Skips the frame of the next record. Returns `false` at the end.
fn skip_frame(reader: &mut impl BufRead, at: &mut u64) -> std::io::Result<bool> {
    if reader.fill_buf()?.is_empty() {
        return Ok(false);
    }
    reader.read_exact(&mut [0; FRAME])?;
    *at += FRAME as u64;
    Ok(true)
}

fn read_number(reader: &mut impl BufRead, at: &mut u64) -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    *at += 8;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads the resources of a sorted run one by one.
pub(in crate::load) struct Run {
    reader: BufReader<File>,
    /// The next resource; `None` at the end.
    pub(in crate::load) next: Option<RunEntry>,
}

#[derive(Debug, Default)]
pub(in crate::load) struct RunEntry {
    pub(in crate::load) resource_type: Vec<u8>,
    pub(in crate::load) id: Vec<u8>,
    pub(in crate::load) text: Vec<u8>,
}

impl Run {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::of_path(path, &error))?;
        let mut run = Self { reader: BufReader::with_capacity(64 * 1024, file), next: None };
        run.advance()?;
        Ok(run)
    }

    pub(in crate::load) fn advance(&mut self) -> Result<(), Failure> {
        self.next = self.read().map_err(|_| damaged())?;
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<Option<RunEntry>> {
        let mut at = 0;
        if !skip_frame(&mut self.reader, &mut at)? {
            return Ok(None);
        }
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
