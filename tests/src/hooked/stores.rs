//! Hooks around the calls for jobs, the queue and files.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::chunk::Progress;
use domain::error::{Result, Store};
use domain::ids::{ChunkId, JobId};
use domain::job::{Job, JobState};
use domain::ports::files::{Announced, ByteStream, FilePart, FileWriter, Files, Joiner, Linked, UploadForm};
use domain::ports::jobs::{
    Append, DoneChunk, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob, StoredResult,
};
use domain::ports::queue::{Delivery, Inbox, Queue, TaskGroup};
use domain::task::Task;
use jiff::SignedDuration;

use super::{Hook, Made, Port, Stream};

#[async_trait]
impl<H: Hook> Jobs for Port<dyn Jobs, H> {
    async fn create(&self, job: &Job) -> Result<()> {
        self.call(Store::Database, self.inner.create(job)).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        self.call(Store::Database, self.inner.get(id)).await
    }

    async fn peek(&self, id: &JobId) -> Result<Option<Arc<StoredJob>>> {
        self.call(Store::Database, self.inner.peek(id)).await
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        self.call(Store::Database, self.inner.replace(job, version)).await
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        self.call(Store::Database, self.inner.remove(id)).await
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        self.call(Store::Database, self.inner.list(query)).await
    }

    async fn count(&self, states: &[JobState], at_most: usize) -> Result<usize> {
        self.call(Store::Database, self.inner.count(states, at_most)).await
    }

    async fn is_running(&self, id: &JobId) -> Result<bool> {
        self.call(Store::Database, self.inner.is_running(id)).await
    }

    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>> {
        self.call(Store::Database, self.inner.append(job, append)).await
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        self.call(Store::Database, self.inner.chunk(job, chunk)).await
    }

    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>> {
        self.call(Store::Database, self.inner.chunks(job, indexes)).await
    }

    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>> {
        self.call(Store::Database, self.inner.results(job, indexes)).await
    }

    async fn finish_chunk(&self, job: &JobId, done: DoneChunk<'_>) -> Result<Finished> {
        self.call(Store::Database, self.inner.finish_chunk(job, done)).await
    }
}

#[async_trait]
impl<H: Hook> Queue for Port<dyn Queue, H> {
    async fn send(&self, group: &TaskGroup, tasks: &[Task]) -> Result<()> {
        self.call(Store::Queue, self.inner.send(group, tasks)).await
    }
}

/// Returns a store of files with a hook.
pub fn files<H: Hook>(inner: Arc<dyn Files>, hook: Arc<H>) -> Arc<dyn Files> {
    Arc::new(Port { inner, hook })
}

/// Returns the receiving end of a queue with the same hook as its sending end.
pub fn inbox<H: Hook>(inner: Arc<dyn Inbox>, hook: Arc<H>) -> Arc<dyn Inbox> {
    Arc::new(Port { inner, hook })
}

#[async_trait]
impl<H: Hook> Inbox for Port<dyn Inbox, H> {
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>> {
        self.call(Store::Queue, self.inner.receive(visibility)).await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        self.call(Store::Queue, self.inner.acknowledge(delivery)).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.call(Store::Queue, self.inner.release(delivery, delay)).await
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.call(Store::Queue, self.inner.extend(delivery, visibility)).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        self.call(Store::Queue, self.inner.dead()).await
    }
}

impl<H: Hook> Port<dyn Files, H> {
    fn writer(&self, key: &str, inner: Box<dyn FileWriter>) -> Box<dyn FileWriter> {
        let inner = self.hook.writer(key, inner);
        match self.hook.follows(Store::Files) {
            true => Box::new(Stream { inner, hook: self.hook.clone() }),
            false => inner,
        }
    }
}

#[async_trait]
impl<H: Hook> Files for Port<dyn Files, H> {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        Ok(self.writer(key, self.call(Store::Files, self.inner.create(key)).await?))
    }

    async fn create_in_parts(&self, key: &str, part_bytes: Option<usize>) -> Result<Box<dyn FileWriter>> {
        let created = self.call(Store::Files, self.inner.create_in_parts(key, part_bytes)).await?;
        Ok(self.writer(key, created))
    }

    fn compresses(&self) -> bool {
        self.inner.compresses()
    }

    async fn swap(&self, key: &str, known: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool> {
        self.call(Store::Files, self.inner.swap(key, known, bytes)).await
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.call(Store::Files, self.inner.size(key)).await
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        Ok(self.hook.read(self.call(Store::Files, self.inner.open(key, range)).await?))
    }

    async fn link(&self, key: &str, lifetime: SignedDuration, file: Linked<'_>) -> Result<Option<String>> {
        match self.hook.link(key) {
            Some(link) => Ok(Some(link)),
            None => self.call(Store::Files, self.inner.link(key, lifetime, file)).await,
        }
    }

    fn has_links(&self) -> bool {
        self.hook.has_links() || self.inner.has_links()
    }

    fn takes_uploads(&self) -> bool {
        self.hook.takes_uploads() || self.inner.takes_uploads()
    }

    async fn upload_form(&self, key: &str, upload: Announced<'_>) -> Result<Option<UploadForm>> {
        match self.hook.upload_form(key, &upload) {
            Some(form) => Ok(Some(form)),
            None => self.call(Store::Files, self.inner.upload_form(key, upload)).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.call(Store::Files, self.inner.remove(key)).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.call(Store::Files, self.inner.remove_prefix(prefix)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.call(Store::Files, self.inner.list(prefix)).await
    }
}

#[async_trait]
impl<H: Hook> Joiner for Port<dyn Joiner, H> {
    async fn join(&self, key: &str, parts: &[FilePart]) -> Result<()> {
        self.call(Store::Files, self.inner.join(key, parts)).await
    }
}

const WRITES: Made = Made { store: Store::Files, writes: true };

#[async_trait]
impl<H: Hook> FileWriter for Stream<dyn FileWriter, H> {
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.hook.call(WRITES, self.inner.write(buffer)).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.hook.call(WRITES, self.inner.finish()).await
    }
}
