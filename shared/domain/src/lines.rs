//! Reads the lines of a stream in bounded memory: at most one line and one block are in memory.

use std::ops::Range;

use fhir::MAX_LINE;
use futures_util::StreamExt;

use crate::error::Result;
use crate::ports::files::ByteStream;
use crate::ports::records::BlockReader;

/// The lines of a [`BlockReader`]. [`Lines::next`] reads blocks as it needs them.
pub struct Lines {
    reader: Box<dyn BlockReader>,
    buffer: Vec<u8>,
    /// The start of the next line in the buffer.
    start: usize,
    /// The buffer was searched for the end of that line up to here.
    searched: usize,
    number: u64,
    /// The offset of the buffer in the stream.
    position: u64,
    ended: bool,
    /// The line that is read is too long: its bytes are dropped up to its end.
    dropping: bool,
}

/// A line and its number, counted from 1. Blank lines are counted, but not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub number: u64,
    /// The offset of the text in the stream, in bytes.
    pub offset: u64,
    /// The text without the white space around it; `None` for a line over [`MAX_LINE`].
    pub text: Option<&'a [u8]>,
}

/// A [`Line`] as a range of the buffer.
struct Cut {
    number: u64,
    offset: u64,
    text: Option<Range<usize>>,
}

impl Lines {
    pub fn new(reader: Box<dyn BlockReader>) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            number: 0,
            position: 0,
            ended: false,
            dropping: false,
        }
    }

    /// Returns the next line; `None` at the end. Returns [`Error::Damaged`](crate::error::Error::Damaged) after the
    /// last line before the damage.
    pub async fn next(&mut self) -> Result<Option<Line<'_>>> {
        loop {
            if let Some(Cut { number, offset, text }) = self.cut() {
                return Ok(Some(Line { number, offset, text: text.map(|text| &self.buffer[text]) }));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Returns the next line in the buffer; `None` if the buffer does not have its end.
    fn cut(&mut self) -> Option<Cut> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            let (line, next) = match found {
                Some(offset) => {
                    let end = self.searched + offset;
                    (self.start..end, end + 1)
                }
                None if self.ended && self.start < self.buffer.len() => {
                    (self.start..self.buffer.len(), self.buffer.len())
                }
                None => {
                    self.searched = self.buffer.len();
                    return None;
                }
            };
            (self.start, self.searched) = (next, next);
            self.number += 1;
            let number = self.number;
            if std::mem::take(&mut self.dropping) || line.len() > MAX_LINE {
                return Some(Cut { number, offset: self.position + line.start as u64, text: None });
            }
            if let Some((from, to)) = trim(&self.buffer[line.clone()]) {
                let offset = self.position + (line.start + from) as u64;
                return Some(Cut { number, offset, text: Some(line.start + from..line.start + to) });
            }
        }
    }

    /// Reads the next block. Returns `false` if the stream had ended before.
    async fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.position += self.start as u64;
        self.start = 0;
        self.searched = self.buffer.len();
        if self.buffer.len() > MAX_LINE {
            self.position += self.buffer.len() as u64;
            self.buffer.clear();
            self.searched = 0;
            self.dropping = true;
        }
        let before = self.buffer.len();
        // If the read fails or is cancelled, no lines follow.
        (self.ended, self.searched) = (true, 0);
        self.buffer = self.reader.read(std::mem::take(&mut self.buffer)).await?;
        (self.ended, self.searched) = (self.buffer.len() == before, before);
        if self.ended && self.dropping && self.buffer.is_empty() {
            // The line that was too long has no line end. It gets one, so that it is reported.
            self.buffer.push(b'\n');
            self.searched = 0;
        }
        Ok(true)
    }
}

/// Returns the range of the text without the white space around it and without a byte order mark; `None` if nothing is
/// left.
fn trim(line: &[u8]) -> Option<(usize, usize)> {
    let from = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let from = from + line[from..].iter().position(|byte| !byte.is_ascii_whitespace())?;
    let to = line.iter().rposition(|byte| !byte.is_ascii_whitespace())? + 1;
    Some((from, to))
}

/// Reads bytes in memory in blocks of `block` bytes.
pub struct MemoryReader {
    bytes: Vec<u8>,
    at: usize,
    block: usize,
}

impl MemoryReader {
    pub fn new(bytes: Vec<u8>, block: usize) -> Self {
        Self { bytes, at: 0, block }
    }
}

#[async_trait::async_trait]
impl BlockReader for MemoryReader {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        let end = (self.at + self.block).min(self.bytes.len());
        buffer.extend_from_slice(&self.bytes[self.at..end]);
        self.at = end;
        Ok(buffer)
    }
}

/// Reads a file of the store of files in the pieces in which it arrives.
pub struct StreamReader(pub ByteStream);

#[async_trait::async_trait]
impl BlockReader for StreamReader {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        if let Some(bytes) = self.0.next().await {
            buffer.extend_from_slice(&bytes?);
        }
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests;
