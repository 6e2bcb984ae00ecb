//! Holds lines until the whole patient is read: in memory up to a limit, then in the store.

use domain::error::Result;
use domain::lines::{Lines, MemoryReader, StreamReader};
use domain::ports::files::{FileWriter, Files};
use domain::ports::records::BLOCK;

/// The maximum number of bytes in memory.
const MAX_HELD: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Spool {
    held: Vec<u8>,
    /// The size of all held lines, with their line ends.
    bytes: u64,
    spilled: Option<(String, Box<dyn FileWriter>)>,
}

impl Spool {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.spilled.is_none()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds a line. `key` is the file for lines that do not fit in memory.
    pub(crate) async fn push(
        &mut self,
        line: &[u8],
        key: impl FnOnce() -> String,
        files: &dyn Files,
    ) -> Result<()> {
        self.held.extend_from_slice(line);
        self.held.push(b'\n');
        self.bytes += line.len() as u64 + 1;
        if self.held.len() < MAX_HELD {
            return Ok(());
        }
        let writer = match &mut self.spilled {
            Some((_, writer)) => writer,
            none => {
                let key = key();
                let writer = files.create(&key).await?;
                &mut none.insert((key, writer)).1
            }
        };
        self.held = writer.write(std::mem::take(&mut self.held)).await?;
        Ok(())
    }

    /// Returns the lines in order, and the key of a file to remove after they are read.
    pub(crate) async fn replay(self, files: &dyn Files) -> Result<(Lines, Option<String>)> {
        match self.finish().await? {
            Held::Memory(bytes) => Ok((in_memory(bytes), None)),
            Held::File(key) => Ok((in_file(&key, files).await?, Some(key))),
        }
    }

    /// Ends the spool. Its lines can then be read several times.
    pub(crate) async fn finish(self) -> Result<Held> {
        let Some((key, mut writer)) = self.spilled else { return Ok(Held::Memory(self.held)) };
        writer.write(self.held).await?;
        writer.finish().await?;
        Ok(Held::File(key))
    }
}

/// The lines of a spool to which no more lines are added.
pub(crate) enum Held {
    Memory(Vec<u8>),
    File(String),
}

impl Held {
    /// Returns the lines in order.
    pub(crate) async fn lines(&self, files: &dyn Files) -> Result<Lines> {
        match self {
            Self::Memory(bytes) => Ok(in_memory(bytes.clone())),
            Self::File(key) => in_file(key, files).await,
        }
    }

    pub(crate) async fn remove(self, files: &dyn Files) -> Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(key) => files.remove(&key).await,
        }
    }
}

fn in_memory(bytes: Vec<u8>) -> Lines {
    Lines::new(Box::new(MemoryReader::new(bytes, BLOCK)))
}

async fn in_file(key: &str, files: &dyn Files) -> Result<Lines> {
    Ok(Lines::new(Box::new(StreamReader(files.open(key, None).await?))))
}

#[cfg(test)]
pub(crate) mod tests;
