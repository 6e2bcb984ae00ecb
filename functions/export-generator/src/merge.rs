//! Joins small files of several chunks (Bulk Data 4.0, `_minimumFileSize`). Which ones is decided when all chunks are
//! done, and each join is a chunk of its own: it may run anywhere, twice, and beside the others.

use std::collections::BTreeMap;

use shared::domain::chunk::{Chunk, OutputFile, Purpose, Work};
use shared::domain::ids::ChunkId;
use shared::domain::states::Running;
use shared::error::Result;

use crate::Generator;
use crate::collect::Collector;

/// Chunks read at once.
const PAGE: usize = 200;

/// The joins of an export.
#[derive(Default)]
pub(crate) struct Merges(Vec<(Purpose, String, ChunkId, ChunkId)>);

impl Merges {
    /// Notes a join that is planned.
    pub(crate) fn note(&mut self, work: &Work) {
        if let Work::Merge { purpose, resource_type, from, to } = work {
            self.0.push((*purpose, resource_type.clone(), *from, *to));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a file of a chunk is in a join, and not in the manifest.
    pub(crate) fn has(&self, chunk: ChunkId, file: &OutputFile, least: u64) -> bool {
        file.size < least
            && self.0.iter().any(|(purpose, resource_type, from, to)| {
                (*purpose, resource_type) == (file.purpose, &file.resource_type)
                    && (*from..=*to).contains(&chunk)
            })
    }
}

/// Small files of one type that follow each other.
struct Group {
    from: ChunkId,
    to: ChunkId,
    files: u32,
    bytes: u64,
}

impl Generator {
    /// The joins that make files of at least `least` bytes, as chunks from the index `next` on.
    pub(crate) async fn plan_merges(&self, running: &Running, least: u64, next: u32) -> Result<Vec<Chunk>> {
        let output = &running.core.request.output;
        let (most, single) = (output.max_file_bytes.unwrap_or(u64::MAX), output.one_document_per_file);
        let mut groups: BTreeMap<(Purpose, String), Vec<Group>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.jobs.chunks(&running.core.id, after, PAGE).await?;
            for stored in page.chunks {
                let id = stored.chunk.id;
                let files = stored.result.into_iter().flat_map(|result| result.files);
                // Clients that want each DocumentReference alone get it so.
                let is_single = |file: &OutputFile| single && file.resource_type == "DocumentReference";
                for file in files.filter(|file| file.size < least && !is_single(file)) {
                    let known = groups.entry((file.purpose, file.resource_type)).or_default();
                    match known.last_mut() {
                        // Files of one chunk stay together, so that chunks name a join.
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
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut chunks = Vec::new();
        for ((purpose, resource_type), mut known) in groups {
            // What is left at the end joins those before it, if there is room.
            if let [.., before, rest] = known.as_mut_slice()
                && rest.bytes < least
                && before.bytes + rest.bytes <= most
            {
                (before.to, before.files) = (rest.to, before.files + rest.files);
                known.pop();
            }
            for group in known.into_iter().filter(|group| group.files > 1) {
                let work = Work::Merge {
                    purpose,
                    resource_type: resource_type.clone(),
                    from: group.from,
                    to: group.to,
                };
                let index = next + u32::try_from(chunks.len()).unwrap_or(u32::MAX - next);
                chunks.push(Chunk::new(ChunkId::first(index), work, 0));
            }
        }
        Ok(chunks)
    }

    /// Writes one joined file.
    pub(crate) async fn merge(
        &self,
        running: &Running,
        collector: &mut Collector<'_>,
        (purpose, resource_type): (Purpose, &str),
        (from, to): (ChunkId, ChunkId),
    ) -> Result<()> {
        let least = running.core.request.output.min_file_bytes.unwrap_or_default();
        let is_it = |file: &&OutputFile| {
            file.purpose == purpose && file.resource_type == resource_type && file.size < least
        };
        let mut after = from.before();
        loop {
            let page = self.jobs.chunks(&running.core.id, after, PAGE).await?;
            for stored in page.chunks.into_iter().filter(|stored| stored.chunk.id >= from) {
                if stored.chunk.id > to {
                    return Ok(());
                }
                for file in stored.result.iter().flat_map(|result| &result.files).filter(is_it) {
                    collector.outputs.append(file).await?;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
