//! Sorts deletions by patient in bounded memory. The record store has them in any order, in one large file or many
//! files, compressed or not. The result is one file with an index, which [`crate::sorted`] reads.

use domain::error::Result;
use domain::ports::files::{FileWriter, Files};
use storage::sorter::{Limits, Row, Sorter};

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

    /// Only the last deletion of each resource is kept.
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
    while let Some(deletion) = reader.next().await? {
        sorter.push(deletion).await?;
    }
    write(files, prefix, sorter, BLOCK, reader.problems()).await
}

/// Writes the sorted file and its index.
async fn write(
    files: &dyn Files,
    prefix: &str,
    sorter: Sorter<'_, Deletion>,
    block: u64,
    problems: Vec<String>,
) -> Result<()> {
    let mut merged = sorter.finish().await?;
    let mut out = Output::new(files, &sorted::key(prefix), block).await?;
    while let Some(deletion) = merged.next().await? {
        out.write(deletion).await?;
    }
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
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::sorted::{Sorted, SortedLines};

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

    async fn is_sorted(deletions: Vec<Deletion>, limits: Limits, block: u64) {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let mut sorter = Sorter::new(&*files, PREFIX, limits);
        let mut latest: BTreeMap<(Option<String>, String), i64> = BTreeMap::new();
        for deletion in deletions {
            let known = latest.entry((deletion.of.clone(), deletion.key.clone())).or_insert(deletion.at);
            *known = (*known).max(deletion.at);
            sorter.push(deletion).await.expect("pushed");
        }
        let problems = vec!["a problem".to_owned()];
        write(&*files, PREFIX, sorter, block, problems).await.expect("sorted");
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
            runtime.expect("a runtime").block_on(is_sorted(deletions, Limits { run, fan_in }, block));
        }
    }

    #[tokio::test]
    async fn a_chunk_reads_the_blocks_of_its_patients_and_no_others() {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let mut sorter = Sorter::new(&*files, PREFIX, Limits { run: 10_000, fan_in: 4 });
        for number in (0..5_000).rev() {
            let of = Some(format!("p{number:04}"));
            sorter.push(Deletion { of, key: format!("Observation/o{number}"), at: 1 }).await.expect("pushed");
        }
        write(&*files, PREFIX, sorter, 1_000, Vec::new()).await.expect("sorted");
        let sorted = Sorted::open(&*files, PREFIX).await.expect("opened");
        let mut read = 0;
        for lines in sorted.of(&BTreeSet::from([Some("p2000"), Some("p4000")])).await.expect("opened") {
            read += drain(lines).await.len();
        }
        assert!((2..200).contains(&read), "{read} of 5000");
    }
}
