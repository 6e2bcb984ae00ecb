//! Sorts deletions by patient in bounded memory. The record store has them in any order, in one large file or many
//! files, compressed or not. Sorted runs are written and then merged into the form that [`crate::sorted`] reads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use domain::error::Result;
use domain::ports::files::{FileWriter, Files};

use crate::deletions::{Deletion, DeletionReader};
use crate::sorted::{self, Index, SortedLines};

/// The limits of sorting and merging.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The size of a run in memory, in bytes.
    run: usize,
    /// The number of files that are merged at once, each with a buffer.
    fan_in: usize,
    /// The size of a block in bytes.
    block: u64,
}

const LIMITS: Limits = Limits { run: 16 * 1024 * 1024, fan_in: 32, block: 1024 * 1024 };
/// A file is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;
/// Sorts the deletions of a reader into files with this prefix.
pub(crate) async fn sort(files: &dyn Files, prefix: &str, mut reader: DeletionReader<'_>) -> Result<()> {
    let mut sorter = Sorter::new(files, prefix, LIMITS);
    while let Some(deletion) = reader.next().await? {
        sorter.push(deletion).await?;
    }
    sorter.finish(reader.problems()).await
}

struct Sorter<'f> {
    files: &'f dyn Files,
    prefix: &'f str,
    limits: Limits,
    /// The next run.
    held: Vec<Deletion>,
    held_bytes: usize,
    /// The number of runs so far.
    runs: usize,
    /// Sorted files, by the number of merges of their content.
    levels: Vec<Vec<String>>,
}

impl<'f> Sorter<'f> {
    fn new(files: &'f dyn Files, prefix: &'f str, limits: Limits) -> Self {
        Self { files, prefix, limits, held: Vec::new(), held_bytes: 0, runs: 0, levels: Vec::new() }
    }

    async fn push(&mut self, deletion: Deletion) -> Result<()> {
        self.held_bytes += deletion.bytes();
        self.held.push(deletion);
        if self.held_bytes >= self.limits.run { self.end_run().await } else { Ok(()) }
    }

    async fn finish(mut self, problems: Vec<String>) -> Result<()> {
        self.end_run().await?;
        let keys: Vec<_> = std::mem::take(&mut self.levels).into_iter().flatten().collect();
        let index = self.merge(&keys, &sorted::key(self.prefix)).await?;
        Index { problems, ..index }.write(self.files, self.prefix).await
    }

    /// Writes a run, and merges runs if there are many.
    async fn end_run(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.held.sort_unstable();
        self.held_bytes = 0;
        let key = self.next_key();
        let mut out = Output::new(self.files, &key, self.limits.block).await?;
        for deletion in self.held.drain(..) {
            out.push(deletion).await?;
        }
        out.finish().await?;
        self.add(0, key);
        let mut level = 0;
        while self.levels[level].len() >= self.limits.fan_in {
            let keys = std::mem::take(&mut self.levels[level]);
            let key = self.next_key();
            self.merge(&keys, &key).await?;
            level += 1;
            self.add(level, key);
        }
        Ok(())
    }

    fn next_key(&mut self) -> String {
        self.runs += 1;
        format!("{}run-{}", self.prefix, self.runs)
    }

    fn add(&mut self, level: usize, key: String) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(key);
    }

    /// Merges sorted files into one, and removes them.
    async fn merge(&self, keys: &[String], into: &str) -> Result<Index> {
        let mut inputs = Vec::new();
        let mut heap = BinaryHeap::new();
        for (number, key) in keys.iter().enumerate() {
            let mut input = SortedLines::open(self.files, key, None).await?;
            heap.extend(input.next().await?.map(|first| Reverse((first, number))));
            inputs.push(input);
        }
        let mut out = Output::new(self.files, into, self.limits.block).await?;
        while let Some(Reverse((deletion, number))) = heap.pop() {
            out.push(deletion).await?;
            heap.extend(inputs[number].next().await?.map(|next| Reverse((next, number))));
        }
        let index = out.finish().await?;
        for key in keys {
            self.files.remove(key).await?;
        }
        Ok(index)
    }
}

/// A sorted file that is being written. Only the last deletion of each resource is kept.
struct Output {
    writer: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    block: u64,
    last: Option<Deletion>,
    index: Index,
}

impl Output {
    async fn new(files: &dyn Files, key: &str, block: u64) -> Result<Self> {
        let writer = files.create(key).await?;
        Ok(Self { writer, buffer: Vec::new(), block, last: None, index: Index::default() })
    }

    async fn push(&mut self, deletion: Deletion) -> Result<()> {
        match self.last.replace(deletion) {
            Some(before) if !self.last.as_ref().is_some_and(|last| last.is_same(&before)) => {
                self.write(before).await
            }
            _ => Ok(()),
        }
    }

    async fn write(&mut self, deletion: Deletion) -> Result<()> {
        let Deletion { of, key, at } = deletion;
        let before = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, &(&of, key, at))?;
        self.buffer.push(b'\n');
        let begin = self.index.bytes;
        if self.index.blocks.last().is_none_or(|(_, last)| begin - last >= self.block) {
            self.index.blocks.push((of, begin));
        }
        self.index.bytes += (self.buffer.len() - before) as u64;
        if self.buffer.len() >= FLUSH {
            self.buffer = self.writer.write(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Index> {
        if let Some(last) = self.last.take() {
            self.write(last).await?;
        }
        self.writer.write(self.buffer).await?;
        self.writer.finish().await?;
        Ok(self.index)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::sorted::Sorted;

    const PREFIX: &str = "exports/job/deleted-1/";
    const PATIENTS: [&str; 7] = ["a", "a-b", "a.b", "b", "\n\"\t", "", "\u{e9}"];

    fn deletion() -> impl Strategy<Value = Deletion> {
        let of = prop::option::weighted(0.8, prop::sample::select(&PATIENTS[..]));
        (of, 0..12_u8, 0..5_i64).prop_map(|(of, id, at)| Deletion {
            of: of.map(str::to_owned),
            key: format!("Observation/{id}"),
            at,
        })
    }

    async fn drain(mut lines: SortedLines) -> Vec<Deletion> {
        let mut all = Vec::new();
        while let Some(deletion) = lines.next().await.expect("read") {
            all.push(deletion);
        }
        all
    }

    async fn is_sorted(deletions: Vec<Deletion>, limits: Limits) {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let mut sorter = Sorter::new(&*files, PREFIX, limits);
        let mut latest: BTreeMap<(Option<String>, String), i64> = BTreeMap::new();
        for deletion in deletions {
            let known = latest.entry((deletion.of.clone(), deletion.key.clone())).or_insert(deletion.at);
            *known = (*known).max(deletion.at);
            sorter.push(deletion).await.expect("pushed");
        }
        sorter.finish(vec!["a problem".to_owned()]).await.expect("sorted");
        let expected: Vec<_> = latest.into_iter().map(|((of, key), at)| Deletion { of, key, at }).collect();
        let sorted = Sorted::open(&*files, PREFIX).await.expect("opened");
        let all = match sorted.all().await.expect("opened") {
            Some(lines) => drain(lines).await,
            None => Vec::new(),
        };
        assert_eq!(all, expected);
        for patients in [&[None][..], &[Some("a")], &[Some("a-b"), Some("b")], &[Some("nobody"), None]] {
            let patients: BTreeSet<_> = patients.iter().copied().collect();
            let is_of = |deletion: &&Deletion| patients.contains(&deletion.of.as_deref());
            let mut found = Vec::new();
            for lines in sorted.of(&patients).await.expect("opened") {
                found.extend(drain(lines).await);
            }
            let of_them: Vec<_> = expected.iter().filter(is_of).collect();
            assert_eq!(found.iter().filter(is_of).collect::<Vec<_>>(), of_them, "{patients:?}");
        }
        assert_eq!(sorted.problems(), ["a problem"]);
        let mut left = files.list(PREFIX).await.expect("listed");
        left.sort();
        assert_eq!(left, ["index", "sorted"], "no run is left");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_deletion_is_found_by_its_patient_however_many_runs_there_are(
            deletions in prop::collection::vec(deletion(), 0..60),
            run in 1_usize..800,
            fan_in in 2_usize..5,
            block in 1_u64..200,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(is_sorted(deletions, Limits { run, fan_in, block }));
        }
    }

    #[tokio::test]
    async fn a_chunk_reads_the_blocks_of_its_patients_and_no_others() {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let mut sorter = Sorter::new(&*files, PREFIX, Limits { run: 10_000, fan_in: 4, block: 1_000 });
        for number in (0..5_000).rev() {
            let of = Some(format!("p{number:04}"));
            sorter.push(Deletion { of, key: format!("Observation/o{number}"), at: 1 }).await.expect("pushed");
        }
        sorter.finish(Vec::new()).await.expect("sorted");
        let sorted = Sorted::open(&*files, PREFIX).await.expect("opened");
        let mut read = 0;
        for lines in sorted.of(&BTreeSet::from([Some("p2000"), Some("p4000")])).await.expect("opened") {
            read += drain(lines).await.len();
        }
        assert!((2..200).contains(&read), "{read} of 5000");
    }
}
