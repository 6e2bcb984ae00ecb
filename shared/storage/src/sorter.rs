//! Sorts any number of rows in bounded memory: sorted runs are written to a store of files, and merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::error::{Error, Result};
use domain::lines::{Lines, StreamReader};
use domain::ports::files::{FileWriter, Files};

/// What is sorted. Each row is a line of a file in between.
pub trait Row: Ord + Sized + Send {
    /// Returns about how many bytes the row takes in memory.
    fn bytes(&self) -> usize;

    /// Returns whether this row stays and the row before it in the order does not, because both are about the same.
    fn replaces(&self, before: &Self) -> bool;

    /// Appends the row to a buffer, as a line without its end.
    fn write(&self, buffer: &mut Vec<u8>) -> Result<()>;

    /// Reads what [`Row::write`] has written.
    fn read(line: &[u8]) -> Result<Self>;
}

/// A row that is only its line. Rows are in the order of their bytes, and equal rows are one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlainRow(pub Vec<u8>);

impl Row for PlainRow {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }

    fn replaces(&self, before: &Self) -> bool {
        self == before
    }

    fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.extend_from_slice(&self.0);
        Ok(())
    }

    fn read(line: &[u8]) -> Result<Self> {
        Ok(Self(line.to_vec()))
    }
}

/// The limits of what is sorted, and merged, at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The bytes of a run in memory.
    pub run: usize,
    /// The number of files that are merged at once. Each of them has a buffer.
    pub fan_in: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { run: 16 * 1024 * 1024, fan_in: 32 }
    }
}

/// A file is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

/// Takes rows in any order. See the [module](self).
pub struct Sorter<'f, R> {
    files: &'f dyn Files,
    prefix: &'f str,
    limits: Limits,
    /// The next run.
    held: Vec<R>,
    held_bytes: usize,
    /// The number of files that were begun.
    begun: usize,
    /// The keys of sorted files, by how often their rows were merged.
    levels: Vec<Vec<String>>,
    /// The sorted files of a sorter that was paused.
    earlier: Vec<String>,
}

impl<'f, R: Row> Sorter<'f, R> {
    /// Sorts with files below a prefix, which ends in `/`.
    pub fn new(files: &'f dyn Files, prefix: &'f str, limits: Limits) -> Self {
        let (held, levels, earlier) = (Vec::new(), Vec::new(), Vec::new());
        Self { files, prefix, limits, held, held_bytes: 0, begun: 0, levels, earlier }
    }

    /// Continues a sort of which these sorted files are left ([`Self::pause`]). They stay as they are until all rows are merged. The
    /// prefix must be another one than theirs.
    pub fn resume(files: &'f dyn Files, prefix: &'f str, limits: Limits, earlier: Vec<String>) -> Self {
        Self { earlier, ..Self::new(files, prefix, limits) }
    }

    pub async fn push(&mut self, row: R) -> Result<()> {
        self.held_bytes += row.bytes();
        self.held.push(row);
        if self.held_bytes >= self.limits.run { self.end_run().await } else { Ok(()) }
    }

    /// Returns all rows in their order.
    pub async fn finish(self) -> Result<Merged<'f, R>> {
        let files = self.files;
        Merged::open(files, self.pause().await?).await
    }

    /// Writes all rows into sorted files. Returns the keys of all of them, for [`Self::resume`].
    pub async fn pause(mut self) -> Result<Vec<String>> {
        self.end_run().await?;
        Ok(self.earlier.into_iter().chain(self.levels.into_iter().flatten()).collect())
    }

    /// Writes a run, and merges files where there are many.
    async fn end_run(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.held.sort_unstable();
        self.held_bytes = 0;
        let key = self.next_key();
        let mut out = Output::new(self.files, &key).await?;
        let mut unique = Unique::default();
        for row in self.held.drain(..) {
            if let Some(row) = unique.push(row) {
                out.write(&row).await?;
            }
        }
        if let Some(last) = unique.0 {
            out.write(&last).await?;
        }
        out.finish().await?;
        self.add(0, key);
        let mut level = 0;
        while self.levels[level].len() >= self.limits.fan_in {
            let keys = std::mem::take(&mut self.levels[level]);
            let key = self.next_key();
            self.merge(keys, &key).await?;
            level += 1;
            self.add(level, key);
        }
        Ok(())
    }

    /// Merges sorted files into one, and removes them.
    async fn merge(&self, keys: Vec<String>, into: &str) -> Result<()> {
        let mut merged = Merged::<R>::open(self.files, keys).await?;
        let mut out = Output::new(self.files, into).await?;
        while let Some(row) = merged.next().await? {
            out.write(&row).await?;
        }
        out.finish().await?;
        merged.remove().await
    }

    fn next_key(&mut self) -> String {
        self.begun += 1;
        format!("{}run-{}", self.prefix, self.begun)
    }

    fn add(&mut self, level: usize, key: String) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(key);
    }
}

/// Keeps one of several rows about the same: the last one.
struct Unique<R>(Option<R>);

impl<R> Default for Unique<R> {
    fn default() -> Self {
        Self(None)
    }
}

impl<R: Row> Unique<R> {
    /// Takes the next row. Returns the one before it, if that one stays.
    fn push(&mut self, row: R) -> Option<R> {
        let before = self.0.replace(row)?;
        let is_replaced = self.0.as_ref().is_some_and(|row| row.replaces(&before));
        (!is_replaced).then_some(before)
    }
}

/// The rows of sorted files in their order, each once.
pub struct Merged<'f, R> {
    files: &'f dyn Files,
    keys: Vec<String>,
    inputs: Vec<Input>,
    heap: BinaryHeap<Reverse<(R, usize)>>,
    unique: Unique<R>,
}

impl<'f, R: Row> Merged<'f, R> {
    /// Merges sorted files of a store.
    pub async fn open(files: &'f dyn Files, keys: Vec<String>) -> Result<Self> {
        let (mut inputs, mut heap) = (Vec::new(), BinaryHeap::new());
        for (number, key) in keys.iter().enumerate() {
            let mut input = Input(Lines::new(Box::new(StreamReader(files.open(key, None).await?))));
            heap.extend(input.next().await?.map(|first| Reverse((first, number))));
            inputs.push(input);
        }
        Ok(Self { files, keys, inputs, heap, unique: Unique::default() })
    }

    /// Returns the next row; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<R>> {
        while let Some(Reverse((row, number))) = self.heap.pop() {
            self.heap.extend(self.inputs[number].next().await?.map(|next| Reverse((next, number))));
            if let Some(row) = self.unique.push(row) {
                return Ok(Some(row));
            }
        }
        Ok(self.unique.0.take())
    }

    /// Removes the sorted files.
    pub async fn remove(self) -> Result<()> {
        drop(self.inputs);
        for key in &self.keys {
            self.files.remove(key).await?;
        }
        Ok(())
    }
}

/// A sorted file that is read.
struct Input(Lines);

impl Input {
    async fn next<R: Row>(&mut self) -> Result<Option<R>> {
        let Some(line) = self.0.next().await? else { return Ok(None) };
        let text = line.text.ok_or_else(|| Error::internal("a line of a sorted file is too long"))?;
        R::read(text).map(Some)
    }
}

/// A sorted file that is being written.
struct Output {
    writer: Box<dyn FileWriter>,
    buffer: Vec<u8>,
}

impl Output {
    async fn new(files: &dyn Files, key: &str) -> Result<Self> {
        Ok(Self { writer: files.create(key).await?, buffer: Vec::new() })
    }

    async fn write(&mut self, row: &impl Row) -> Result<()> {
        row.write(&mut self.buffer)?;
        self.buffer.push(b'\n');
        if self.buffer.len() >= FLUSH {
            self.buffer = self.writer.write(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.writer.write(self.buffer).await?;
        self.writer.finish().await
    }
}
