//! The keys of resources that a chunk has read, and that another chunk may list as deleted: a resource that moved to another patient, for
//! example. [`crate::relist`] compares them with the deletions.

use domain::error::Result;
use domain::pack::{Location, SMALL};
use domain::ports::files::{FileWriter, Files};

use crate::pack::Pack;

/// The keys of one attempt at a chunk, one per line. A key may occur several times.
pub(crate) struct ExistingKeys<'a> {
    files: &'a dyn Files,
    key: String,
    buffer: Vec<u8>,
    writer: Option<Box<dyn FileWriter>>,
}

impl<'a> ExistingKeys<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: &str) -> Self {
        Self { files, key: format!("{prefix}existing.txt"), buffer: Vec::new(), writer: None }
    }

    pub(crate) fn add(&mut self, key: &str) {
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.push(b'\n');
    }

    /// Writes the keys to the store if there are many.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if self.buffer.len() < SMALL {
            return Ok(());
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.files.create(&self.key).await?),
        };
        self.buffer = writer.write(std::mem::take(&mut self.buffer)).await?;
        Ok(())
    }

    /// Ends the file, which is in the pack if it is small; `None` if there are no keys.
    pub(crate) async fn finish(mut self, pack: &mut Pack<'_>) -> Result<Option<Location>> {
        if self.writer.is_none() {
            return match self.buffer.as_slice() {
                [] => Ok(None),
                keys => pack.append(keys).await.map(Some),
            };
        }
        self.write().await?;
        match self.writer {
            Some(writer) => writer.finish().await.map(|()| Some(Location::object(self.key))),
            None => Ok(None),
        }
    }
}
