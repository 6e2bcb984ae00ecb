//! Finds the rows of a hash in a file without reading all of it.
//!
//! The hashes are spread evenly over all numbers, so the place of a hash in the sorted file can be estimated. A block is read around that
//! place, and if the hash is not in it, the next estimate begins with the hashes of the block. Every second further attempt halves the
//! rest of the file instead, so that the number of reads is bounded for any hashes. If the next hash is near, the rows are read in
//! order.

use domain::error::Result;
use domain::ids::PatientId;
use domain::ports::files::Files;
use memchr::{memchr, memrchr};

use super::files::{RowsFile, damaged, read};
use super::row::{LONGEST, hash_of, patient_of};

/// The number of blocks that are read at once if many rows are read in order.
const MAX_BLOCKS: u64 = 32;
/// The number of attempts that estimate the place.
const ESTIMATES: u32 = 3;

/// The reads of a search.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) reads: u64,
    pub(super) bytes: u64,
}

impl Cost {
    pub(super) fn add(&mut self, other: Self) {
        self.reads += other.reads;
        self.bytes += other.bytes;
    }
}

/// A place between two rows of the file. All rows before it have smaller hashes than the one that is sought.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    /// The hash of the row before it; at the end of the search, the hash of the row after it.
    hash: u64,
}

/// The rows of a file, from any hash on.
pub(super) struct Rows<'f> {
    files: &'f dyn Files,
    file: &'f RowsFile,
    /// The number of bytes that are read to find a row.
    block: u64,
    /// The number of bytes that are read next if the rows are read in order.
    piece: u64,
    /// A part of the file.
    buffer: Vec<u8>,
    /// The offset of the buffer in the file.
    offset: u64,
    /// The next row in the buffer.
    at: usize,
    /// The hash of the row before the next one.
    before: u64,
    pub(super) cost: Cost,
}

impl<'f> Rows<'f> {
    pub(super) fn new(files: &'f dyn Files, file: &'f RowsFile, block: u64) -> Self {
        let block = block.max(2 * LONGEST);
        Self {
            files,
            file,
            block,
            piece: block,
            buffer: Vec::new(),
            offset: 0,
            at: 0,
            before: 0,
            cost: Cost::default(),
        }
    }

    /// Goes to the first row that has this hash or a greater one, or to the end. It must not be less than the one before.
    pub(super) async fn seek(&mut self, hash: u64) -> Result<()> {
        while !self.seek_in_buffer(hash)? && self.position() < self.file.bytes {
            let rest = self.file.bytes - self.position();
            let ahead = share(rest, hash.saturating_sub(self.before), u64::MAX - self.before);
            if ahead <= 2 * self.block {
                self.read_more().await?;
            } else {
                self.locate(hash).await?;
            }
        }
        Ok(())
    }

    /// Returns the patient of the next row if the row has this hash, and goes behind the row.
    pub(super) async fn next_of(&mut self, hash: u64) -> Result<Option<PatientId>> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(length) = memchr(b'\n', rest) {
                let row = &rest[..length];
                if hash_of(row).ok_or_else(damaged)? != hash {
                    return Ok(None);
                }
                let patient = patient_of(row).ok_or_else(damaged)?;
                self.at += length + 1;
                self.before = hash;
                return Ok(Some(patient));
            }
            if self.position() >= self.file.bytes {
                return Ok(None);
            }
            self.read_more().await?;
        }
    }

    /// Returns the offset of the next row.
    fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Goes to the row in the buffer. If the buffer does not have it, goes behind its last row and returns `false`.
    fn seek_in_buffer(&mut self, hash: u64) -> Result<bool> {
        let Some(last) = memrchr(b'\n', &self.buffer[self.at..]) else { return Ok(false) };
        let end = self.at + last + 1;
        let last = last_hash(&self.buffer[self.at..end])?;
        if last < hash {
            (self.at, self.before) = (end, last);
            return Ok(false);
        }
        loop {
            let row = &self.buffer[self.at..end];
            let found = hash_of(row).ok_or_else(damaged)?;
            if found >= hash {
                return Ok(true);
            }
            self.before = found;
            self.at += memchr(b'\n', row).ok_or_else(damaged)? + 1;
        }
    }

    /// Reads the rows after the buffer.
    async fn read_more(&mut self) -> Result<()> {
        let begin = self.offset + self.buffer.len() as u64;
        let end = begin.saturating_add(self.piece).min(self.file.bytes);
        if begin >= end {
            // The last row has no line end.
            return Err(damaged());
        }
        self.piece = (self.piece * 2).min(MAX_BLOCKS * self.block);
        let more = self.range(begin, end).await?;
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        self.buffer.extend(more);
        Ok(())
    }

    /// Goes to the row, or to a place shortly before it.
    async fn locate(&mut self, hash: u64) -> Result<()> {
        let mut low = Place { offset: self.position(), hash: self.before };
        let mut high = Place { offset: self.file.bytes, hash: u64::MAX };
        self.piece = self.block;
        for attempt in 0_u32.. {
            let span = high.offset - low.offset;
            if span <= self.block {
                let end = (low.offset + self.block).min(self.file.bytes);
                self.begin_at(low.offset, end, low.hash).await?;
                break;
            }
            let halves = attempt >= ESTIMATES && attempt % 2 == 1;
            let ahead = match halves {
                true => span / 2,
                false => share(span, hash.saturating_sub(low.hash), high.hash.saturating_sub(low.hash)),
            };
            let begin = (low.offset + ahead).saturating_sub(self.block / 2);
            let begin = begin.clamp(low.offset, high.offset - self.block);
            self.begin_at(begin, begin + self.block, low.hash).await?;
            // The block can begin in the middle of a row.
            let first = match begin == low.offset {
                true => 0,
                false => memchr(b'\n', &self.buffer).ok_or_else(damaged)? + 1,
            };
            let end = memrchr(b'\n', &self.buffer).ok_or_else(damaged)? + 1;
            let of_first = hash_of(&self.buffer[first..]).ok_or_else(damaged)?;
            let of_last = last_hash(&self.buffer[first..end])?;
            if of_first >= hash && begin == low.offset {
                break;
            } else if of_first >= hash {
                high = Place { offset: begin + first as u64, hash: of_first };
            } else if of_last < hash {
                low = Place { offset: begin + end as u64, hash: of_last };
            } else {
                (self.at, self.before) = (first, of_first);
                break;
            }
        }
        Ok(())
    }

    /// Replaces the buffer by a range of the file, at whose beginning the next row is.
    async fn begin_at(&mut self, begin: u64, end: u64, before: u64) -> Result<()> {
        self.buffer = self.range(begin, end).await?;
        (self.offset, self.at, self.before) = (begin, 0, before);
        Ok(())
    }

    async fn range(&mut self, begin: u64, end: u64) -> Result<Vec<u8>> {
        if begin >= end {
            return Ok(Vec::new());
        }
        let bytes = read(self.files, &self.file.key, begin..end).await?;
        self.cost.add(Cost { reads: 1, bytes: end - begin });
        if bytes.len() as u64 == end - begin { Ok(bytes) } else { Err(damaged()) }
    }
}

/// Returns the hash of the last of these rows, which all have their line ends.
fn last_hash(rows: &[u8]) -> Result<u64> {
    let rows = rows.strip_suffix(b"\n").unwrap_or(rows);
    let begin = memrchr(b'\n', rows).map_or(0, |end| end + 1);
    hash_of(&rows[begin..]).ok_or_else(damaged)
}

/// Returns `part` / `whole` of a number of bytes.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
