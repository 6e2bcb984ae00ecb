//! Searches the index with few and small reads.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::error::{Error, Result};
use domain::patient_search::{Findable, Lookup, PatientSearch, Row, is_first};
use domain::ports::records::Records;

use super::{BLOCK, CURRENT, Current, MAX_ROW, level_name};
use crate::layout::INDEX;

/// The bytes of the first read of rows, and of the ones after it.
const FIRST_PIECE: u64 = 16 * 1024;
const PIECE: u64 = 256 * 1024;

/// An index that is searched.
pub struct PatientIndex<'r> {
    records: &'r dyn Records,
    current: Current,
    /// Blocks of fences that were read, by level and offset.
    fences: HashMap<(usize, u64), Arc<Vec<Fence>>>,
    cost: Cost,
}

/// The reads that searches have made.
#[derive(Debug, Default)]
pub struct Cost {
    pub reads: AtomicU64,
    pub bytes: AtomicU64,
}

/// The limits of one page of a search.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    pub patients: usize,
    /// Bytes of rows after which a search stops.
    pub bytes: u64,
}

/// A page of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The patients, each once in all pages: by the word that was found, then by name.
    pub patients: Vec<Findable>,
    /// The token of the next page, if there may be one.
    pub next: Option<String>,
    /// Whether the search stopped because it had read enough.
    pub stopped: bool,
    /// Whether `page` was of an earlier generation, so that this is the first page of a new list.
    pub restarted: bool,
}

/// The beginning of a page.
struct Place {
    /// The number of the lookup in the list of lookups.
    part: usize,
    offset: u64,
}

/// The first key of a block, with a tab, and where the block is in the level below.
struct Fence {
    key: Vec<u8>,
    block: Range<u64>,
}

impl Fence {
    fn parse(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.split('\t');
        let key = fields.next()?;
        let (begin, length): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let block = begin..begin.checked_add(length).filter(|_| length <= BLOCK + MAX_ROW)?;
        Some(Self { key: format!("{key}\t").into_bytes(), block })
    }
}

impl<'r> PatientIndex<'r> {
    /// Opens the index of a lake; `None` if the lake has none.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it cannot be read, or was written by a newer version.
    pub async fn open(records: &'r dyn Records) -> Result<Option<Self>> {
        let Some(text) = records.index(CURRENT, None).await? else { return Ok(None) };
        let current = Current::parse(&text)?;
        Ok(Some(Self { records, current, fences: HashMap::new(), cost: Cost::default() }))
    }

    pub fn current(&self) -> &Current {
        &self.current
    }

    /// Returns how much was read so far, after the index was opened.
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Returns a page of the patients who match, as the index has them. `page` is the `next` of the page before. A token of
    /// another index generation starts at the first page, and the result says so.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `page` is not a token of this search; [`Error::Damaged`] if the index cannot be read.
    pub async fn search(
        &mut self,
        search: &PatientSearch,
        page: Option<&str>,
        limits: PageLimits,
    ) -> Result<Found> {
        let Some(way) = self.shortest(search).await? else { return Ok(Found::default()) };
        let from = page.map(|page| self.place(page, &way)).transpose()?.flatten();
        let restarted = page.is_some() && from.is_none();
        let (mut found, mut read) = (Found { restarted, ..Found::default() }, 0_u64);
        let first = from.as_ref().map_or(0, |place| place.part);
        for (number, lookup) in way.iter().enumerate().skip(first) {
            let offset = match &from {
                Some(place) if place.part == number => place.offset,
                _ => self.begin(lookup).await?,
            };
            let mut rows = self.rows(offset);
            while let Some((at, line)) = rows.next().await? {
                let is_behind = !line.starts_with(lookup.bytes()) && line.as_slice() > lookup.bytes();
                if is_behind {
                    break;
                }
                let next = |at: u64| Some(format!("{}.{number}.{at}", self.current.generation));
                if line.starts_with(lookup.bytes()) {
                    let row = Row::parse(&line)?;
                    if search.finds(&row.patient) && is_first(&row, &way, number) {
                        if found.patients.len() == limits.patients {
                            return Ok(Found { next: next(at), ..found });
                        }
                        found.patients.push(row.patient);
                    }
                }
                let length = line.len() as u64 + 1;
                read += length;
                if read >= limits.bytes && at + length < self.current.levels[0] {
                    return Ok(Found { next: next(at + length), stopped: true, ..found });
                }
            }
        }
        Ok(found)
    }

    /// Returns the list of lookups with the fewest rows; `None` for a search that finds nobody.
    async fn shortest(&mut self, search: &PatientSearch) -> Result<Option<Vec<Lookup>>> {
        let mut ways = search.ways();
        if ways.len() < 2 {
            return Ok(ways.pop());
        }
        let mut shortest: Option<(u64, Vec<Lookup>)> = None;
        for way in ways {
            let mut bytes = 0;
            for lookup in &way {
                bytes += self.end(lookup).await?.saturating_sub(self.begin(lookup).await?);
            }
            if shortest.as_ref().is_none_or(|(least, _)| bytes < *least) {
                shortest = Some((bytes, way));
            }
        }
        Ok(shortest.map(|(_, way)| way))
    }

    /// Returns where a page begins; `None` if it is a page of another generation.
    fn place(&self, page: &str, way: &[Lookup]) -> Result<Option<Place>> {
        let wrong = || Error::invalid("'page' is not a page of this search");
        let mut parts = page.split('.');
        let (Some(generation), Some(part), Some(offset), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        if generation != self.current.generation {
            return Ok(None);
        }
        let part = part.parse().ok().filter(|part| *part < way.len()).ok_or_else(wrong)?;
        let offset =
            offset.parse().ok().filter(|offset| *offset < self.current.levels[0]).ok_or_else(wrong)?;
        Ok(Some(Place { part, offset }))
    }

    /// Returns the offset of the block in which the rows of a lookup begin.
    async fn begin(&mut self, lookup: &Lookup) -> Result<u64> {
        Ok(self.descend(|key| key < lookup.bytes()).await?.start)
    }

    /// Returns the end of the block in which the rows of a lookup end.
    async fn end(&mut self, lookup: &Lookup) -> Result<u64> {
        let is_before = |key: &[u8]| key < lookup.bytes() || key.starts_with(lookup.bytes());
        Ok(self.descend(is_before).await?.end)
    }

    /// Returns the last block of the rows that begins before a key, or the first block.
    async fn descend(&mut self, is_before: impl Fn(&[u8]) -> bool) -> Result<Range<u64>> {
        let highest = self.current.levels.len() - 1;
        let mut range = 0..self.current.levels[highest];
        for level in (1..=highest).rev() {
            let fences = self.fences(level, range).await?;
            let at = fences.partition_point(|fence| is_before(&fence.key)).saturating_sub(1);
            range = fences.get(at).map(|fence| fence.block.clone()).ok_or_else(|| self.damaged(level))?;
        }
        Ok(range)
    }

    async fn fences(&mut self, level: usize, range: Range<u64>) -> Result<Arc<Vec<Fence>>> {
        if let Some(known) = self.fences.get(&(level, range.start)) {
            return Ok(known.clone());
        }
        let begin = range.start;
        let bytes = self.read(level, range).await?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let fences: Option<Vec<_>> = lines.map(Fence::parse).collect();
        let fences = Arc::new(fences.ok_or_else(|| self.damaged(level))?);
        self.fences.insert((level, begin), fences.clone());
        Ok(fences)
    }

    fn rows(&self, offset: u64) -> Rows<'_> {
        // The line end before a row shows that a row begins there.
        let offset = offset.saturating_sub(1);
        Rows { index: self, offset, buffer: Vec::new(), at: 0, read: 0, is_checked: offset == 0 }
    }

    /// Returns all bytes of a range of a level.
    async fn read(&self, level: usize, range: Range<u64>) -> Result<Vec<u8>> {
        let length = range.end.saturating_sub(range.start);
        if length > PIECE {
            return Err(self.damaged(level));
        }
        let file = format!("{}/{}", self.current.generation, level_name(level));
        let bytes = self.records.index(&file, Some(range)).await?.unwrap_or_default();
        self.cost.reads.fetch_add(1, Ordering::Relaxed);
        self.cost.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.damaged(level)) }
    }

    fn damaged(&self, level: usize) -> Error {
        let file = format!("{INDEX}/{}/{}", self.current.generation, level_name(level));
        Error::damaged(file, "it is missing, or damaged")
    }
}

/// The rows from an offset on.
struct Rows<'i> {
    index: &'i PatientIndex<'i>,
    /// The offset of the buffer.
    offset: u64,
    buffer: Vec<u8>,
    /// The part of the buffer that was returned.
    at: usize,
    /// Bytes that were read.
    read: u64,
    /// Whether the first row is known to begin at a line start.
    is_checked: bool,
}

impl Rows<'_> {
    /// Returns the next row and its offset.
    async fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
                let (at, line) = (self.offset + self.at as u64, rest[..length].to_vec());
                self.at += length + 1;
                if std::mem::replace(&mut self.is_checked, true) {
                    return Ok(Some((at, line)));
                }
                if !line.is_empty() {
                    return Err(Error::invalid("'page' is not a page of this search"));
                }
                continue;
            }
            if rest.len() as u64 > MAX_ROW || !self.fill().await? {
                return if self.buffer.len() == self.at { Ok(None) } else { Err(self.index.damaged(0)) };
            }
        }
    }

    /// Reads the next piece; returns `false` at the end.
    async fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let from = self.offset + self.buffer.len() as u64;
        let piece = if self.read == 0 { FIRST_PIECE } else { PIECE };
        let to = (from + piece).min(self.index.current.levels[0]);
        if from >= to {
            return Ok(false);
        }
        self.buffer.extend(self.index.read(0, from..to).await?);
        self.read += to - from;
        Ok(true)
    }
}
