//! One stage of a ZIP in the store: continues after a checkpoint, and writes one segment of the ZIP under keys of its own. The segments
//! are then joined. Therefore two workers can run the same stage, or one can die: the segments that count are those of the checkpoint
//! that was recorded.

use domain::error::{Error, Result};
use domain::ports::files::{FilePart, Joiner, MIN_JOINED, read_all, write_all};

use crate::checkpoint::{Checkpoint, Segment};
use crate::make::Maker;
use crate::writer::{Archive, Earlier, Paused, Sink};

/// The size of a stage.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A stage ends before the part with which it would have more bytes of the copy than this, but has at least one part.
    pub bytes: u64,
    /// The maximum number of files of a stage, whose directory is in memory.
    pub entries: u64,
    /// The minimum size of a segment that others follow. A shorter one is copied into the next one.
    pub least: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 128 * 1024 * 1024, entries: 20_000, least: MIN_JOINED }
    }
}

/// The maximum size of the directory records or hashes of a segment that is copied. It has at most 20,000 files with names of 200 bytes.
const MAX_RECORDS: usize = 16 * 1024 * 1024;

impl Maker {
    /// Returns whether the next part alone is larger than a stage, so that a worker should begin it with all its time.
    pub fn is_next_large(&self, checkpoint: &Checkpoint, limits: &Limits) -> bool {
        self.size_of(checkpoint.position.next) > limits.bytes
    }

    /// Runs a stage, whose files have this prefix. It also ends when the time is `up`, but has at least one part.
    pub async fn stage(
        &self,
        checkpoint: &Checkpoint,
        prefix: String,
        limits: &Limits,
        up: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Checkpoint> {
        let Checkpoint { mut position, written, mut segments, .. } = checkpoint.clone();
        let mut segment = Segment { prefix, bytes: 0 };
        let sink = Sink::Store(self.files.create(&segment.data()).await?);
        let short = segments.pop_if(|last| last.bytes < limits.least);
        let mut paused = Paused { written, directory: Vec::new(), sums: String::new() };
        if let Some(short) = &short {
            paused.directory = read_all(&*self.files, &short.directory(), MAX_RECORDS).await?;
            let sums = read_all(&*self.files, &short.sums(), MAX_RECORDS).await?;
            paused.sums = String::from_utf8(sums).map_err(Error::internal)?;
        }
        let mut archive = Archive::resume(sink, self.modified, paused);
        if let Some(short) = &short {
            archive.copy_segment(short, &*self.files).await?;
        }
        let (first, copied, entries) = (position.next, position.copied, archive.entries());
        while position.next < self.parts() {
            let bytes = position.copied - copied + self.size_of(position.next);
            let is_full = bytes > limits.bytes || archive.entries() - entries >= limits.entries;
            if position.next > first && (is_full || up()) {
                break;
            }
            self.write_part(&mut archive, &mut position).await?;
        }
        let before: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let is_whole = position.next == self.parts();
        let paused = match is_whole {
            true => archive.finish(Some(Earlier { files: &*self.files, segments: &segments })).await?,
            false => archive.pause().await?,
        };
        segment.bytes = paused.written.bytes - before;
        if !is_whole {
            write_all(&*self.files, &segment.directory(), paused.directory).await?;
            write_all(&*self.files, &segment.sums(), paused.sums.into_bytes()).await?;
        }
        segments.push(segment);
        Ok(Checkpoint { position, written: paused.written, segments, is_whole })
    }

    /// Joins the segments of a whole ZIP. It can be repeated.
    pub async fn join(&self, checkpoint: &Checkpoint, joiner: &dyn Joiner, key: &str) -> Result<()> {
        let part = |segment: &Segment| FilePart { key: segment.data(), bytes: segment.bytes };
        let parts: Vec<_> = checkpoint.segments.iter().map(part).collect();
        joiner.join(key, &parts).await
    }
}
