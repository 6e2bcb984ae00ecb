//! Sorts deletions by patient in bounded memory. The record store has them in any order, in one large file or many
//! files, compressed or not. The result is one file with an index, which [`crate::sorted`] reads.

use domain::error::Result;
use domain::ports::files::{FileWriter, Files};
use storage::sorter::{Limits, Row, Sorter};

use crate::deleted_keys::DeletedKeys;
use crate::deletions::{Deletion, DeletionReader};
use crate::sorted::{self, Index};

/// The size of a block in bytes.
const BLOCK: u64 = 1024 * 1024;
/// The file is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

impl Row for Deletion {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.of.as_ref().map_or(0, String::len)
    }

    /// Returns whether both deletions are of the same resource: only the last one is kept.
    fn replaces(&self, before: &Self) -> bool {
        self.is_same(before)
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(buffer, &(&self.of, &self.key, self.at))?)
    }

    fn read(line: &[u8]) -> Result<Self> {
        let (of, key, at) = serde_json::from_slice(line)?;
        Ok(Self { of, key, at })
    }
}

/// Sorts the deletions of a reader into files with this prefix.
pub(crate) async fn sort(files: &dyn Files, prefix: &str, mut reader: DeletionReader<'_>) -> Result<()> {
    let mut sorter = Sorter::new(files, prefix, Limits::default());
    let mut count = 0;
    while let Some(deletion) = reader.next().await? {
        sorter.push(deletion).await?;
        count += 1;
    }
    write(files, prefix, (sorter, count), BLOCK, reader.problems()).await
}

/// Writes the sorted file and its index, and the filter of the keys. `count` is the number of deletions at most.
async fn write(
    files: &dyn Files,
    prefix: &str,
    (sorter, count): (Sorter<'_, Deletion>, usize),
    block: u64,
    problems: Vec<String>,
) -> Result<()> {
    let mut merged = sorter.finish().await?;
    let mut keys = DeletedKeys::for_many(count);
    let mut out = Output::new(files, &sorted::key(prefix), block).await?;
    while let Some(deletion) = merged.next().await? {
        keys.add(&deletion.key);
        out.write(deletion).await?;
    }
    keys.write(files, prefix).await?;
    let index = out.finish().await?;
    merged.remove().await?;
    Index { problems, ..index }.write(files, prefix).await
}

/// The sorted file that is being written.
struct Output {
    writer: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    block: u64,
    index: Index,
}

impl Output {
    async fn new(files: &dyn Files, key: &str, block: u64) -> Result<Self> {
        let writer = files.create(key).await?;
        Ok(Self { writer, buffer: Vec::new(), block, index: Index::default() })
    }

    async fn write(&mut self, deletion: Deletion) -> Result<()> {
        let before = self.buffer.len();
        deletion.write(&mut self.buffer)?;
        self.buffer.push(b'\n');
        let begin = self.index.bytes;
        if self.index.blocks.last().is_none_or(|(_, last)| begin - last >= self.block) {
            self.index.blocks.push((deletion.of, begin));
        }
        self.index.bytes += (self.buffer.len() - before) as u64;
        if self.buffer.len() >= FLUSH {
            self.buffer = self.writer.write(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Index> {
        self.writer.write(self.buffer).await?;
        self.writer.finish().await?;
        Ok(self.index)
    }
}

#[cfg(test)]
mod tests;
