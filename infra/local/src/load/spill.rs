//! Temporary files for sorting: streams of small records on disk, each partitioned by a hash. Therefore a worker needs memory for only one
//! partition, independent of the size of the input. A partition that is too large is divided further: see
//! [`divide`](super::divide).
//!
//! Each record has a frame: its hash and its length.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::private::FILE_MODE;

mod fields;
mod texts;

pub(super) use self::fields::{Fields, put_number, put_text, put_texts};
use self::texts::Source;
pub(super) use self::texts::{Head, Run, Texts, put_resource};

/// The size of all buffers of a writer in bytes.
const BUFFERS: usize = 4 * 1024 * 1024;
/// The minimum and the maximum size of the buffer of one partition.
const MIN_BUFFER: usize = 4 * 1024;
const MAX_BUFFER: usize = 64 * 1024;
/// The maximum size of a partition that is read into memory completely. Of a larger partition, only the heads are in memory.
const WHOLE: u64 = 64 * 1024 * 1024;
/// The size of a frame in bytes: a hash of 8 bytes, and a length of 4.
const FRAME: usize = 12;

/// A stream of records on disk, in partitions.
pub(super) struct Stream {
    partitions: Vec<(PathBuf, Mutex<()>)>,
    /// A hash is divided by this number before its partition is determined. It is 1, unless the stream is a part of another one.
    divisor: u64,
}

impl Stream {
    pub(super) fn new(directory: &Path, name: &str, partitions: usize) -> Self {
        Self::with(|index| directory.join(format!("{name}-{index}")), partitions, 1)
    }

    fn with(path: impl Fn(usize) -> PathBuf, partitions: usize, divisor: u64) -> Self {
        let partition = |index| (path(index), Mutex::new(()));
        Self { partitions: (0..partitions).map(partition).collect(), divisor }
    }

    /// Returns an empty stream of this many partitions, for the records of one partition of this stream.
    pub(super) fn part(&self, index: usize, partitions: usize) -> Self {
        let path = |part| {
            let mut path = self.partitions[index].0.clone().into_os_string();
            path.push(format!("-{part}"));
            PathBuf::from(path)
        };
        Self::with(path, partitions, self.divisor.saturating_mul(self.partitions.len() as u64))
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Returns the partition of a hash.
    pub(super) fn of(&self, hash: u64) -> usize {
        // The remainder is less than the number of partitions.
        usize::try_from(hash / self.divisor % self.partitions.len() as u64).unwrap_or_default()
    }

    /// Returns the size of a partition in bytes, with the frames.
    pub(super) fn bytes(&self, index: usize) -> u64 {
        std::fs::metadata(&self.partitions[index].0).map(|metadata| metadata.len()).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        (0..self.len()).all(|index| self.bytes(index) == 0)
    }

    /// Reads all records of a partition, without their frames.
    pub(super) fn read(&self, index: usize) -> Result<Vec<u8>, Failure> {
        without_frames(self.read_framed(index)?)
    }

    fn read_framed(&self, index: usize) -> Result<Vec<u8>, Failure> {
        match std::fs::read(&self.partitions[index].0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| Failure::of_path(&self.partitions[index].0, &error)),
        }
    }

    /// Reads the records of a partition one by one, from this offset on. Between two records, [`Records::offset`] is such an offset.
    pub(super) fn records(&self, index: usize, offset: u64) -> Result<Records, Failure> {
        let path = &self.partitions[index].0;
        let broken = |error: std::io::Error| Failure::of_path(path, &error);
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            file => Some(file.map_err(broken)?),
        };
        let mut reader = file.map(|file| BufReader::with_capacity(MAX_BUFFER, file));
        if let Some(reader) = &mut reader {
            reader.seek(SeekFrom::Start(offset)).map_err(broken)?;
        }
        Ok(Records { reader, offset, record: Vec::new() })
    }

    /// Reads the resources of a partition. The texts of a large partition stay on disk.
    pub(super) fn texts(&self, index: usize) -> Result<Texts, Failure> {
        let path = &self.partitions[index].0;
        let broken = |error: std::io::Error| Failure::of_path(path, &error);
        if self.bytes(index) <= WHOLE {
            return Texts::scan(Source::Memory(self.read_framed(index)?));
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

/// Moves the records together, over their frames.
fn without_frames(mut framed: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let (mut from, mut to) = (0, 0);
    while from < framed.len() {
        let frame = framed[from..].first_chunk().ok_or_else(damaged)?;
        let (begin, (_, length)) = (from + FRAME, frame_of(frame));
        from = begin + length;
        if from > framed.len() {
            return Err(damaged());
        }
        framed.copy_within(begin..from, to);
        to += length;
    }
    framed.truncate(to);
    Ok(framed)
}

/// Returns the hash and the length of a frame.
fn frame_of(frame: &[u8; FRAME]) -> (u64, usize) {
    let (mut hash, mut length) = ([0; 8], [0; 4]);
    hash.copy_from_slice(&frame[..8]);
    length.copy_from_slice(&frame[8..]);
    (u64::from_le_bytes(hash), u32::from_le_bytes(length) as usize)
}

/// The records of a partition that are read one by one.
pub(super) struct Records {
    /// `None` if the partition has no file.
    reader: Option<BufReader<File>>,
    offset: u64,
    record: Vec<u8>,
}

impl Records {
    /// Returns the hash and the fields of the next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Fields<'_>)>, Failure> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let mut frame = [0; FRAME];
        let mut read = 0;
        while read < FRAME {
            match reader.read(&mut frame[read..])? {
                0 if read == 0 => return Ok(None),
                0 => return Err(damaged()),
                more => read += more,
            }
        }
        let (hash, length) = frame_of(&frame);
        self.record.resize(length, 0);
        reader.read_exact(&mut self.record).map_err(|_| damaged())?;
        self.offset += (FRAME + length) as u64;
        Ok(Some((hash, Fields(&self.record))))
    }

    /// Returns the offset of the next record.
    pub(super) fn offset(&self) -> u64 {
        self.offset
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
        let begin = buffer.len() + FRAME;
        buffer.extend_from_slice(&hash.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        write(buffer);
        let length = u32::try_from(buffer.len() - begin).map_err(|_| damaged())?;
        buffer[begin - 4..begin].copy_from_slice(&length.to_le_bytes());
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

fn damaged() -> Failure {
    Failure::new("a temporary file was damaged during the load: run the load again")
}

#[cfg(test)]
mod tests;
