//! Writes the index in one pass over sorted rows.

use std::collections::HashSet;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::lines::{Lines, StreamReader};
use domain::patient_search::{Findable, Row};
use domain::ports::files::{FileWriter, Files};
use jiff::Timestamp;

use super::{BLOCK, Current, FORMAT, level_name};
use crate::layout::INDEX;
use crate::sorter::{Merged, PlainRow, Sorter};

/// A level is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

/// Adds the rows of a patient.
pub async fn add(sorter: &mut Sorter<'_, PlainRow>, patient: &Findable) -> Result<()> {
    for row in patient.rows() {
        sorter.push(PlainRow(row.into_bytes())).await?;
    }
    Ok(())
}

/// The rows of an earlier index that stay: those of patients who did not change.
pub struct Kept<'c> {
    lines: Lines,
    changed: &'c HashSet<PatientId>,
}

impl<'c> Kept<'c> {
    /// Reads the rows of an index. `lake` is the root of the lake.
    pub async fn open(lake: &dyn Files, index: &Current, changed: &'c HashSet<PatientId>) -> Result<Self> {
        let key = format!("{INDEX}/{}/{}", index.generation, level_name(0));
        let lines = Lines::new(Box::new(StreamReader(lake.open(&key, None).await?)));
        Ok(Self { lines, changed })
    }

    async fn next(&mut self) -> Result<Option<PlainRow>> {
        while let Some(line) = self.lines.next().await? {
            let text = line.text.ok_or_else(|| Error::damaged(INDEX, "a line of the index is too long"))?;
            if !self.changed.contains(&Row::parse(text)?.patient.id) {
                return Ok(Some(PlainRow(text.to_vec())));
            }
        }
        Ok(None)
    }
}

/// Writes the files of a generation into a lake: the rows of `new`, and those of an earlier index that stay. Returns what
/// `current.json` must say, which the caller writes.
pub async fn write(
    lake: &dyn Files,
    generation: (String, Timestamp),
    new: &mut Merged<'_, PlainRow>,
    kept: Option<Kept<'_>>,
) -> Result<Current> {
    write_in_blocks(lake, generation, new, kept, BLOCK).await
}

/// Does the same as [`write()`], with blocks of this many bytes: small blocks give a small index several levels. A block must be larger than
/// two fences: otherwise the levels never end.
pub async fn write_in_blocks(
    lake: &dyn Files,
    (generation, made): (String, Timestamp),
    new: &mut Merged<'_, PlainRow>,
    mut kept: Option<Kept<'_>>,
    block: u64,
) -> Result<Current> {
    let mut writer = IndexWriter::new(lake, format!("{INDEX}/{generation}/"), block);
    let mut old = next_kept(&mut kept).await?;
    let mut fresh = new.next().await?;
    loop {
        let takes_old = match (&old, &fresh) {
            (None, None) => break,
            (Some(old), Some(fresh)) => old < fresh,
            (old, None) => old.is_some(),
            (None, Some(_)) => false,
        };
        let taken = match takes_old {
            true => std::mem::replace(&mut old, next_kept(&mut kept).await?),
            false => std::mem::replace(&mut fresh, new.next().await?),
        };
        if let Some(PlainRow(line)) = taken {
            writer.push(&line).await?;
        }
    }
    let (patients, without_name) = (writer.patients, writer.without_name);
    let levels = writer.finish().await?;
    let complete = Some(made);
    Ok(Current { format: FORMAT, generation, made, complete, replaced: None, patients, without_name, levels })
}

async fn next_kept(kept: &mut Option<Kept<'_>>) -> Result<Option<PlainRow>> {
    match kept {
        Some(kept) => kept.next().await,
        None => Ok(None),
    }
}

/// The files of a generation that are being written.
struct IndexWriter<'f> {
    lake: &'f dyn Files,
    prefix: String,
    /// The bytes after which a block ends.
    block: u64,
    levels: Vec<Level>,
    patients: u64,
    without_name: u64,
}

impl<'f> IndexWriter<'f> {
    fn new(lake: &'f dyn Files, prefix: String, block: u64) -> Self {
        Self { lake, prefix, block, levels: Vec::new(), patients: 0, without_name: 0 }
    }

    /// Begins the file of the next level.
    async fn begin_level(&mut self) -> Result<()> {
        let name = format!("{}{}", self.prefix, level_name(self.levels.len()));
        self.levels.push(Level::new(self.lake.create(&name).await?));
        Ok(())
    }

    async fn push(&mut self, line: &[u8]) -> Result<()> {
        let row = Row::parse(line)?;
        if row.is_of_id() {
            self.patients += 1;
            self.without_name += u64::from(row.patient.words.is_empty());
        }
        self.append(0, row.key.into_bytes(), line.to_vec()).await
    }

    /// Appends a line to a level. Each block that ends has a line in the level above.
    async fn append(&mut self, mut level: usize, mut key: Vec<u8>, mut line: Vec<u8>) -> Result<()> {
        loop {
            if self.levels.len() == level {
                self.begin_level().await?;
            }
            let Some(fence) = self.levels[level].append(key, &line, self.block).await? else { return Ok(()) };
            (key, line) = fence.line();
            level += 1;
        }
    }

    /// Completes all files. Returns their bytes.
    async fn finish(mut self) -> Result<Vec<u64>> {
        let mut level = 0;
        while level < self.levels.len() {
            // The highest level has one block.
            let is_highest = self.levels[level].blocks == 0;
            if let Some(fence) = self.levels[level].end_block()
                && !is_highest
            {
                let (key, line) = fence.line();
                self.append(level + 1, key, line).await?;
            }
            level += 1;
        }
        if self.levels.is_empty() {
            self.begin_level().await?;
        }
        let mut bytes = Vec::new();
        for level in self.levels {
            bytes.push(level.bytes);
            level.finish().await?;
        }
        Ok(bytes)
    }
}

/// A file of the index that is being written.
struct Level {
    writer: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    bytes: u64,
    /// The block that is being written: the key of its first line, and where it begins.
    block: Option<(Vec<u8>, u64)>,
    /// The number of blocks that have ended.
    blocks: usize,
}

/// A block that has ended.
struct Fence {
    key: Vec<u8>,
    begin: u64,
    length: u64,
}

impl Fence {
    /// Returns the key, and the line in the level above.
    fn line(self) -> (Vec<u8>, Vec<u8>) {
        let mut line = self.key.clone();
        line.extend_from_slice(format!("\t{}\t{}", self.begin, self.length).as_bytes());
        (self.key, line)
    }
}

impl Level {
    fn new(writer: Box<dyn FileWriter>) -> Self {
        Self { writer, buffer: Vec::new(), bytes: 0, block: None, blocks: 0 }
    }

    /// Appends a line. Returns the block that it ends, after `block` bytes.
    async fn append(&mut self, key: Vec<u8>, line: &[u8], block: u64) -> Result<Option<Fence>> {
        let (_, begin) = self.block.get_or_insert((key, self.bytes));
        let begin = *begin;
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.bytes += line.len() as u64 + 1;
        if self.buffer.len() >= FLUSH {
            self.buffer = self.writer.write(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(if self.bytes - begin >= block { self.end_block() } else { None })
    }

    fn end_block(&mut self) -> Option<Fence> {
        let (key, begin) = self.block.take()?;
        self.blocks += 1;
        Some(Fence { key, begin, length: self.bytes - begin })
    }

    async fn finish(mut self) -> Result<()> {
        self.writer.write(self.buffer).await?;
        self.writer.finish().await
    }
}
