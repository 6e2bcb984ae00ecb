//! Joins the references of many chunks into one file. An export of ten million patients has ten thousand files of
//! references. To read them all would take the supporting chunk longer than a task may run.

use std::ops::Range;

use domain::chunk::{Covered, Work};
use domain::error::Result;
use domain::ids::JobId;

use crate::plan::WINDOW;
use crate::writer::ChunkWriter;
use crate::{Generator, references};

/// The size of the gather chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatherSizes {
    /// The maximum number of reference files that the supporting chunk reads itself. If there are more, each gather chunk joins the
    /// references of this many chunk indexes. At least 1.
    pub files: u32,
}

impl Default for GatherSizes {
    fn default() -> Self {
        Self { files: 256 }
    }
}

impl GatherSizes {
    /// Returns the work that joins the references of the chunks with indexes before `end`.
    pub(crate) fn works(self, end: u32) -> Vec<Work> {
        let from = (0..end).step_by(self.files as usize);
        from.map(|from| Work::Gather { from, to: end.min(from + self.files) }).collect()
    }
}

impl Generator {
    /// Writes one joined file of references.
    pub(crate) async fn gather(
        &self,
        id: &JobId,
        writer: &mut ChunkWriter<'_>,
        indexes: Range<u32>,
    ) -> Result<()> {
        for from in indexes.clone().step_by(WINDOW as usize) {
            let results = self.jobs.results(id, from..indexes.end.min(from + WINDOW)).await?;
            let own = results.into_iter().filter(|stored| stored.covered != Covered::Gather);
            let sources: Vec<_> = own.filter_map(|stored| stored.result.references).collect();
            for source in &sources {
                let mut lines = references::open(&*self.files, source).await?;
                while let Some(line) = lines.next().await? {
                    if let Some((reference, mention)) = line.text.and_then(references::parse) {
                        writer.add_reference(reference, mention).await?;
                    }
                }
            }
        }
        Ok(())
    }
}
