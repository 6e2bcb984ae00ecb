//! Divides the referenced resources into shards, by the hash of their references ([`Span`]). One shard is in memory, and the others are in
//! files; so the memory does not grow with the number of references. A shard that becomes too large is divided into two.
//!
//! The state can be written as a checkpoint between any two steps, and another invocation continues there. The files of a checkpoint are
//! never changed or removed by an invocation that continues after it, because it may be repeated.

use std::collections::BTreeSet;
use std::mem::take;

use domain::error::{Error, Result};
use domain::filter::ReferredBy;
use domain::lines::{Lines, StreamReader};
use domain::pack::Location;
use domain::ports::files::{FileWriter, Files, read_all, write_all};
use serde::{Deserialize, Serialize};

use super::message::{Message, News};
use super::span::Span;
use super::{Known, PassedOver, Walk};
use crate::references;

/// The maximum size of a checkpoint in bytes, without the files that it names.
const MAX_CHECKPOINT: usize = 64 * 1024 * 1024;
/// A file is written when its buffer has this many bytes.
const FLUSH: usize = 512 * 1024;

/// The number of references and messages in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardSizes {
    /// The number of references of a shard above which it is divided: 20 MB.
    pub references: usize,
    /// The number of messages to other shards that are held before they are written: 2 MB.
    pub messages: usize,
}

impl ShardSizes {
    /// Returns the number of parts of files of messages above which a shard receives its messages before further files of references are
    /// read: 100,000, about 15 MB of a checkpoint.
    fn pieces(self) -> usize {
        self.messages.saturating_mul(5)
    }
}

impl Default for ShardSizes {
    fn default() -> Self {
        Self { references: 100_000, messages: 20_000 }
    }
}

/// The state between two invocations.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Files of references that are not read yet. The last one is the next one.
    sources: Vec<Location>,
    shards: Vec<Shard>,
    passed_over: PassedOver,
    /// The damaged files of `shared/` that were reported, each with its problem.
    pub(crate) damaged: Vec<(String, String)>,
}

impl Checkpoint {
    /// Returns the beginning, before anything is read. `sources` are the files of references.
    pub(crate) fn beginning(sources: &[Location]) -> Self {
        Self { sources: sources.iter().rev().cloned().collect(), ..Self::default() }
    }

    pub(crate) async fn read(files: &dyn Files, key: &str) -> Result<Self> {
        serde_json::from_slice(&read_all(files, key, MAX_CHECKPOINT).await?).map_err(Error::reading)
    }
}

/// A shard that is not in memory.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shard {
    span: Span,
    /// The file with what is known of its resources; `None` if nothing is.
    rows: Option<String>,
    /// Messages that it has not received yet.
    inbox: Vec<Piece>,
    has_exported: bool,
    has_left_out: bool,
    has_candidates: bool,
}

/// A part of a file of messages.
#[derive(Debug, Serialize, Deserialize)]
struct Piece {
    key: String,
    from: u64,
    to: u64,
}

/// A resource in the file of its shard, and whether it is still fetched.
type StoredRow = (String, Known, bool);

/// The next step of the walk.
#[derive(Debug)]
pub(crate) enum Step {
    /// References or messages were read.
    Read,
    /// These resources must be fetched.
    Fetch(BTreeSet<String>),
    /// All references were followed.
    Done,
}

/// See the [module](self).
pub(crate) struct Shards<'f> {
    files: &'f dyn Files,
    /// The prefix of the files that this attempt writes, and the number of those that it has begun.
    prefix: String,
    begun: u32,
    sizes: ShardSizes,
    /// The shard in memory.
    pub(crate) walk: Walk,
    /// The messages that it has not received yet.
    inbox: Vec<Piece>,
    others: Vec<Shard>,
    sources: Vec<Location>,
}

impl<'f> Shards<'f> {
    /// Continues after a checkpoint. `types` are those of [`Walk`].
    pub(crate) async fn open(
        files: &'f dyn Files,
        prefix: String,
        sizes: ShardSizes,
        checkpoint: Checkpoint,
        types: BTreeSet<String>,
    ) -> Result<Self> {
        let Checkpoint { sources, mut shards, passed_over, .. } = checkpoint;
        let first = shards.pop().unwrap_or_default();
        let walk = Walk::new(types, passed_over);
        let mut opened =
            Self { files, prefix, begun: 0, sizes, walk, inbox: Vec::new(), others: shards, sources };
        opened.load(first).await?;
        Ok(opened)
    }

    /// Makes the next step. At most `at_once` resources are fetched.
    pub(crate) async fn next(&mut self, at_once: usize) -> Result<Step> {
        if let Some(piece) = self.inbox.pop() {
            return self.read_piece(&piece).await.map(|()| Step::Read);
        }
        if self.pieces() > self.sizes.pieces() {
            // Otherwise the checkpoint would grow with the number of references.
            let largest = self.others.iter().map(|shard| shard.inbox.len()).max();
            if self.switch(|shard| Some(shard.inbox.len()) >= largest).await? {
                return Ok(Step::Read);
            }
        }
        if let Some(source) = self.sources.pop() {
            return self.read_source(&source).await.map(|()| Step::Read);
        }
        for by in [ReferredBy::Exported, ReferredBy::LeftOut] {
            let batch = self.walk.next(by, at_once);
            if !batch.is_empty() {
                return Ok(Step::Fetch(batch));
            }
            if self.switch(|shard| shard.has_wanted(by)).await? {
                return Ok(Step::Read);
            }
        }
        if self.walk.has_candidates {
            self.walk.choose();
            return Ok(Step::Read);
        }
        Ok(if self.switch(|shard| shard.has_candidates).await? { Step::Read } else { Step::Done })
    }

    /// Returns the number of parts of files of messages that no shard has received yet.
    fn pieces(&self) -> usize {
        self.others.iter().map(|shard| shard.inbox.len()).sum()
    }

    async fn read_source(&mut self, source: &Location) -> Result<()> {
        let mut lines = references::open(self.files, source).await?;
        while let Some(line) = lines.next().await? {
            let Some((reference, mention)) = line.text.and_then(references::parse) else { continue };
            if self.walk.follows(reference.split('/').next().unwrap_or_default()) {
                self.walk.send(reference, News::Mentioned(mention));
                self.bound().await?;
            }
        }
        Ok(())
    }

    async fn read_piece(&mut self, piece: &Piece) -> Result<()> {
        let stream = self.files.open(&piece.key, Some(piece.from..piece.to)).await?;
        let mut lines = Lines::new(Box::new(StreamReader(stream)));
        while let Some(line) = lines.next().await? {
            let Message(reference, news) = Message::read(whole(line.text)?)?;
            self.walk.send(&reference, news);
            self.bound().await?;
        }
        Ok(())
    }

    /// Divides the shard in memory if it is too large, and writes the messages to others if there are many.
    pub(crate) async fn bound(&mut self) -> Result<()> {
        while self.walk.known.len() > self.sizes.references
            && let Some((own, other)) = self.walk.span.halves()
        {
            let half = self.walk.split(own, other);
            let shard = self.stored(half, Vec::new()).await?;
            self.others.push(shard);
        }
        if self.walk.unsent() > self.sizes.messages { self.flush().await } else { Ok(()) }
    }

    /// Writes the messages to other shards into a file.
    async fn flush(&mut self) -> Result<()> {
        let messages = self.walk.take_messages();
        if messages.is_empty() {
            return Ok(());
        }
        let mut texts = vec![Vec::new(); self.others.len()];
        for message in messages {
            let shard = self.others.iter().position(|shard| shard.span.has(&message.0));
            let shard = shard.ok_or_else(|| Error::internal("a reference is in no shard"))?;
            message.write(&mut texts[shard])?;
        }
        let key = self.next_key();
        let mut bytes = Vec::new();
        for (shard, text) in self.others.iter_mut().zip(texts) {
            if !text.is_empty() {
                let from = bytes.len() as u64;
                bytes.extend_from_slice(&text);
                shard.inbox.push(Piece { key: key.clone(), from, to: bytes.len() as u64 });
            }
        }
        write_all(self.files, &key, bytes).await
    }

    /// Replaces the shard in memory by another one that fulfils a condition. Returns whether there is one.
    async fn switch(&mut self, is_wanted: impl Fn(&Shard) -> bool) -> Result<bool> {
        self.flush().await?;
        let Some(next) = self.others.iter().position(is_wanted) else { return Ok(false) };
        let next = self.others.swap_remove(next);
        let stored = self.store().await?;
        self.others.push(stored);
        self.load(next).await.map(|()| true)
    }

    /// Writes the shard in memory, which is then empty.
    async fn store(&mut self) -> Result<Shard> {
        let (walk, inbox) = (self.walk.take_rows(), take(&mut self.inbox));
        self.stored(walk, inbox).await
    }

    async fn stored(&mut self, walk: Walk, inbox: Vec<Piece>) -> Result<Shard> {
        let Walk { span, known, by_exported, by_left_out, has_candidates, .. } = walk;
        let mut shard = Shard {
            span,
            rows: None,
            inbox,
            has_exported: !by_exported.is_empty(),
            has_left_out: !by_left_out.is_empty(),
            has_candidates,
        };
        if known.is_empty() {
            return Ok(shard);
        }
        let key = self.next_key();
        let mut writer = self.files.create(&key).await?;
        let mut buffer = Vec::new();
        for (reference, known) in known {
            let is_wanted = by_exported.contains(&reference) || by_left_out.contains(&reference);
            let row: StoredRow = (reference, known, is_wanted);
            serde_json::to_writer(&mut buffer, &row)?;
            buffer.push(b'\n');
            if buffer.len() >= FLUSH {
                buffer = writer.write(buffer).await?;
            }
        }
        finish(writer, buffer).await?;
        shard.rows = Some(key);
        Ok(shard)
    }

    async fn load(&mut self, shard: Shard) -> Result<()> {
        let Shard { span, rows, inbox, has_candidates, .. } = shard;
        (self.walk.span, self.walk.has_candidates, self.inbox) = (span, has_candidates, inbox);
        let Some(key) = rows else { return Ok(()) };
        let mut lines = Lines::new(Box::new(StreamReader(self.files.open(&key, None).await?)));
        while let Some(line) = lines.next().await? {
            let (reference, known, is_wanted): StoredRow =
                serde_json::from_slice(whole(line.text)?).map_err(Error::reading)?;
            if is_wanted {
                self.walk.want(&reference, known.by);
            }
            self.walk.known.insert(reference, known);
        }
        Ok(())
    }

    /// Writes a checkpoint. Returns its key.
    pub(crate) async fn checkpoint(&mut self, damaged: Vec<(String, String)>) -> Result<String> {
        self.flush().await?;
        let stored = self.store().await?;
        self.others.push(stored);
        let checkpoint = Checkpoint {
            sources: take(&mut self.sources),
            shards: take(&mut self.others),
            passed_over: self.walk.passed_over().clone(),
            damaged,
        };
        let key = format!("{}checkpoint", self.prefix);
        let text = fitting(serde_json::to_vec(&checkpoint)?)?;
        write_all(self.files, &key, text).await?;
        Ok(key)
    }

    fn next_key(&mut self) -> String {
        self.begun += 1;
        format!("{}{}", self.prefix, self.begun)
    }
}

impl Shard {
    /// Returns whether it may have references to fetch that resources of this kind have.
    fn has_wanted(&self, by: ReferredBy) -> bool {
        match by {
            ReferredBy::Exported => self.has_exported || !self.inbox.is_empty(),
            ReferredBy::LeftOut => self.has_left_out,
        }
    }
}

/// Returns the text of a checkpoint, unless it is too large to be read again.
fn fitting(text: Vec<u8>) -> Result<Vec<u8>> {
    if text.len() > MAX_CHECKPOINT {
        return Err(Error::TooLarge(
            "the export refers to too many resources in shared/; export fewer patients or fewer types at once".to_owned(),
        ));
    }
    Ok(text)
}

async fn finish(mut writer: Box<dyn FileWriter>, rest: Vec<u8>) -> Result<()> {
    writer.write(rest).await?;
    writer.finish().await
}

/// Returns the text of a line that this module wrote.
fn whole(text: Option<&[u8]>) -> Result<&[u8]> {
    text.ok_or_else(|| Error::internal("a line of a shard is too long"))
}

#[cfg(test)]
mod tests;
