//! Reads resources from files: the lines of NDJSON, or the entries of Bundles, which may be pretty-printed. Only one resource is in memory
//! at a time. Large NDJSON files are divided into pieces, which several workers read at the same time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fhir::{MAX_LINE, json};
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use storage::layout::{is_gzip, is_ndjson, is_plain_ndjson};

use super::found::{Found, Take};
use super::objects::objects;
use super::report::Place;
use crate::Failure;

/// The size of a piece in bytes.
const PIECE: u64 = 16 * 1024 * 1024;

/// The part of a file that one worker reads: the whole file, or the lines that begin between two offsets.
pub(super) struct Piece {
    pub(super) path: Arc<Path>,
    start: u64,
    end: u64,
    /// The number of lines that were read.
    lines: AtomicU64,
}

/// The pieces of all inputs, in order.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) pieces: Vec<Piece>,
    /// The number of the first piece.
    pub(super) first: u32,
}

impl Inputs {
    /// Divides files into pieces.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let mut pieces = Vec::new();
        for file in files {
            let path: Arc<Path> = file.into();
            let bytes = path.metadata().map(|metadata| metadata.len()).unwrap_or_default();
            let can_be_cut = is_plain_ndjson(&path.to_string_lossy());
            let count = if can_be_cut { bytes.div_ceil(PIECE).max(1) } else { 1 };
            for index in 0..count {
                let end = if index + 1 == count { u64::MAX } else { (index + 1) * PIECE };
                pieces.push(Piece {
                    path: path.clone(),
                    start: index * PIECE,
                    end,
                    lines: AtomicU64::new(0),
                });
            }
        }
        Self { pieces, first: 0 }
    }

    /// Returns the files as one piece each. `first` is the number of the first one.
    pub(super) fn whole(files: Vec<PathBuf>, first: u32) -> Self {
        let piece =
            |file: PathBuf| Piece { path: file.into(), start: 0, end: u64::MAX, lines: AtomicU64::new(0) };
        Self { pieces: files.into_iter().map(piece).collect(), first }
    }

    pub(super) fn bytes(&self) -> u64 {
        let whole = self.pieces.iter().filter(|piece| piece.start == 0);
        whole.filter_map(|piece| piece.path.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Returns the file and line of a place. The lines are known only after all pieces are read.
    pub(super) fn name(&self, place: Place) -> String {
        if place.piece == Place::LAKE {
            return "the lake".to_owned();
        }
        let Some(piece) = self.pieces.get(place.piece as usize) else { return String::new() };
        let before = &self.pieces[..place.piece as usize];
        let same = before.iter().rev().take_while(|other| Arc::ptr_eq(&other.path, &piece.path));
        let lines: u64 = same.map(|piece| piece.lines.load(Ordering::Relaxed)).sum();
        format!("{}:{}", piece.path.display(), lines + u64::from(place.line))
    }
}

impl Piece {
    /// Calls `take` with every resource of the piece and its line, counted from the first line of the piece.
    pub(super) fn read(&self, bar: &ProgressBar, take: Take<'_>) -> Result<(), Failure> {
        let broken = |error: std::io::Error| Failure::of_path(&self.path, &error);
        let name = self.path.to_string_lossy();
        let mut file = File::open(&self.path).map_err(broken)?;
        // A line that begins in the previous piece belongs to that piece.
        if self.start > 0 {
            file.seek(SeekFrom::Start(self.start - 1)).map_err(broken)?;
        }
        let file = bar.wrap_read(file);
        let plain: Box<dyn Read> =
            if is_gzip(&name) { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) };
        let mut reader = BufReader::with_capacity(256 * 1024, plain);
        if !is_ndjson(&name) {
            return objects(reader, take);
        }
        let skipped = if self.start > 0 { skip_line(&mut reader)?.saturating_sub(1) } else { 0 };
        let length = self.end.saturating_sub(self.start).saturating_sub(skipped);
        let (lines, read) = lines(reader, length, take);
        self.lines.store(lines, Ordering::Relaxed);
        read
    }
}

/// Reads the lines that begin in the next `length` bytes, and returns their number. An unusable line does not affect the next ones.
fn lines(mut reader: impl BufRead, length: u64, take: Take<'_>) -> (u64, Result<(), Failure>) {
    let (mut number, mut at, mut text) = (0, 0, Vec::new());
    while at < length {
        text.clear();
        let read = match reader.by_ref().take(MAX_LINE as u64 + 2).read_until(b'\n', &mut text) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return (number, take(number + 1, unreadable(&error))),
        };
        number += 1;
        at += read as u64;
        let line = json::without_mark(text.trim_ascii()).trim_ascii();
        let done = if text.len() > MAX_LINE + 1 && !text.ends_with(b"\n") {
            let skipped = skip_line(&mut reader);
            at += *skipped.as_ref().unwrap_or(&0);
            skipped.and_then(|_| take(number, Found::Unusable("longer than 16 MiB".to_owned())))
        } else if line.is_empty() {
            Ok(())
        } else {
            take(number, Found::Resource { text: line, full_url: None })
        };
        if done.is_err() {
            return (number, done);
        }
    }
    (number, Ok(()))
}

fn unreadable(error: &std::io::Error) -> Found<'static> {
    Found::Unusable(format!("the file cannot be read further: {error}"))
}

/// Skips the rest of the line, and returns its length in bytes.
fn skip_line(reader: &mut impl BufRead) -> Result<u64, Failure> {
    let mut skipped = 0;
    loop {
        let available = reader.fill_buf()?;
        let (length, ended) = match memchr::memchr(b'\n', available) {
            Some(at) => (at + 1, true),
            None => (available.len(), available.is_empty()),
        };
        reader.consume(length);
        skipped += length as u64;
        if ended {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests;
