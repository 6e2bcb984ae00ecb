//! Joins small files of several chunks (Bulk Data 4.0, `_minimumFileSize`). The joins are planned when all chunks are
//! done. Each join is a chunk: it may run on any worker, twice, and concurrently with others.

use std::collections::BTreeMap;

use domain::chunk::{Covered, OutputFile, Purpose, Work};
use domain::error::Result;
use domain::ids::ChunkId;
use domain::ports::queue::Deadline;
use domain::states::Running;

use crate::Generator;
use crate::plan::WINDOW;
use crate::writer::ChunkWriter;

/// The joins of an export.
#[derive(Default)]
pub(crate) struct Merges(Vec<(Purpose, String, ChunkId, ChunkId)>);

impl Merges {
    /// Adds a planned join.
    pub(crate) fn add_merge(&mut self, covered: &Covered) {
        if let Covered::Merge { purpose, resource_type, from, to } = covered {
            self.0.push((*purpose, resource_type.clone(), *from, *to));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether a file of a chunk is in a join, and therefore not in the manifest.
    pub(crate) fn has(&self, chunk: ChunkId, file: &OutputFile, least: u64) -> bool {
        file.size < least
            && self.0.iter().any(|(purpose, resource_type, from, to)| {
                (*purpose, resource_type) == (file.purpose, &file.resource_type)
                    && (*from..=*to).contains(&chunk)
            })
    }
}

/// Returns whether a file stays in the manifest after all deletions were listed again.
pub(crate) fn is_last_list(covered: &Covered, file: &OutputFile) -> bool {
    file.purpose != Purpose::Deleted || matches!(covered, Covered::Relist | Covered::Merge { .. })
}

/// One join: the small files of a type that the chunks `from` to `to` wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge<'w> {
    pub(crate) purpose: Purpose,
    pub(crate) resource_type: &'w str,
    pub(crate) from: ChunkId,
    pub(crate) to: ChunkId,
}

/// Small, consecutive files of one type.
struct Group {
    from: ChunkId,
    to: ChunkId,
    files: u32,
    bytes: u64,
}

impl Generator {
    /// Returns the joins that make files of at least `least` bytes from the chunks with indexes before `end`. The
    /// result and its order are deterministic.
    pub(crate) async fn plan_merges(
        &self,
        running: &Running,
        least: u64,
        (end, is_relisted): (u32, bool),
    ) -> Result<Vec<Work>> {
        let output = &running.header.request.output;
        let (most, single) = (output.max_file_bytes.unwrap_or(u64::MAX), output.one_document_per_file);
        let mut groups: BTreeMap<(Purpose, String), Vec<Group>> = BTreeMap::new();
        for from in (0..end).step_by(WINDOW as usize) {
            let results = self.jobs.results(&running.header.id, from..end.min(from + WINDOW)).await?;
            for stored in
                results.into_iter().filter(|stored| !matches!(stored.covered, Covered::Merge { .. }))
            {
                let id = stored.chunk;
                let files = stored.result.files.into_iter();
                // Such clients get each DocumentReference in its own file.
                let is_single = |file: &OutputFile| single && file.resource_type == "DocumentReference";
                let files = files.filter(|file| !is_relisted || is_last_list(&stored.covered, file));
                for file in files.filter(|file| file.size < least && !is_single(file)) {
                    let known = groups.entry((file.purpose, file.resource_type)).or_default();
                    match known.last_mut() {
                        // Files of one chunk stay together, because a join is described by chunks.
                        Some(last)
                            if last.to == id || (last.bytes < least && last.bytes + file.size <= most) =>
                        {
                            last.to = id;
                            last.files += 1;
                            last.bytes += file.size;
                        }
                        _ => known.push(Group { from: id, to: id, files: 1, bytes: file.size }),
                    }
                }
            }
        }
        let mut works = Vec::new();
        for ((purpose, resource_type), mut known) in groups {
            // The remaining files join the previous group, if there is room.
            if let [.., before, rest] = known.as_mut_slice()
                && rest.bytes < least
                && before.bytes + rest.bytes <= most
            {
                (before.to, before.files) = (rest.to, before.files + rest.files);
                known.pop();
            }
            for group in known.into_iter().filter(|group| group.files > 1) {
                works.push(Work::Merge {
                    purpose,
                    resource_type: resource_type.clone(),
                    from: group.from,
                    to: group.to,
                });
            }
        }
        Ok(works)
    }

    /// Writes one joined file. If the time is over, the rest of the files, which is returned, becomes another file.
    pub(crate) async fn merge(
        &self,
        running: &Running,
        writer: &mut ChunkWriter<'_>,
        merge: Merge<'_>,
        deadline: &dyn Deadline,
    ) -> Result<Option<Work>> {
        let Merge { purpose, resource_type, from, to } = merge;
        let least = running.header.request.output.min_file_bytes.unwrap_or_default();
        let is_it = |file: &&OutputFile| {
            file.purpose == purpose && file.resource_type == resource_type && file.size < least
        };
        let (mut index, end) = (from.index, to.index + 1);
        // The index of the chunks whose files were joined last.
        let mut last = None;
        while index < end {
            let next = end.min(index + WINDOW);
            let results = self.jobs.results(&running.header.id, index..next).await?;
            for stored in results.into_iter().filter(|stored| (from..=to).contains(&stored.chunk)) {
                let files = || stored.result.files.iter().filter(is_it);
                // The chunks of one index stay together.
                let is_next = last.is_some_and(|last| last < stored.chunk.index);
                if is_next && files().next().is_some() && deadline.is_near(self.clock.now()) {
                    let (resource_type, from) =
                        (resource_type.to_owned(), ChunkId::first(stored.chunk.index));
                    return Ok(Some(Work::Merge { purpose, resource_type, from, to }));
                }
                for file in files() {
                    last = Some(stored.chunk.index);
                    writer.append(file).await?;
                }
            }
            index = next;
        }
        Ok(None)
    }
}
