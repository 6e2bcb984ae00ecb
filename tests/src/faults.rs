//! A platform that dies at its n-th call, before or after doing what it was asked, and stays dead. It wraps a
//! real one, so that what was stored before is really there.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use shared::adapters::local::Local;
use shared::clock::{Clock, Ids};
use shared::config::Settings;
use shared::domain::chunk::{Chunk, ChunkResult, Progress};
use shared::domain::ids::{ChunkId, JobId};
use shared::domain::job::Job;
use shared::domain::request::SizeClass;
use shared::domain::task::Task;
use shared::error::{Error, Result};
use shared::platform::Platform;
use shared::ports::files::{ByteStream, FileWriter, Files, UploadForm};
use shared::ports::grants::Grants;
use shared::ports::jobs::{ChunkPage, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob};
use shared::ports::queue::Queue;
use shared::ports::records::Records;
use shared::security::keys::Keys;
use shared::security::verify::Verifier;

/// What the fault does to the call that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The process dies before the call did anything.
    Before,
    /// The call did its work, and the process dies before it hears so.
    After,
    /// Writing finds the disk full; nothing dies.
    DiskFull,
}

/// Shared by all ports of one platform.
pub struct Faults {
    strike: Strike,
    calls_left: AtomicI64,
    struck: AtomicBool,
}

impl Faults {
    pub fn at(call: i64, strike: Strike) -> Arc<Self> {
        Arc::new(Self { strike, calls_left: AtomicI64::new(call), struck: AtomicBool::new(false) })
    }

    /// Whether the fault came.
    pub fn has_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }

    async fn call<T>(&self, writes: bool, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.strike == Strike::DiskFull {
            if writes && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)));
            }
            return call.await;
        }
        if self.has_struck() {
            return Err(dead());
        }
        if self.calls_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return call.await;
        }
        self.struck.store(true, Ordering::SeqCst);
        if self.strike == Strike::After {
            call.await?;
        }
        Err(dead())
    }
}

fn dead() -> Error {
    Error::unavailable("the process died here")
}

/// See the [module](self).
pub struct Faulty {
    inner: Local,
    faults: Arc<Faults>,
}

impl Faulty {
    pub fn new(inner: Local, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

impl Platform for Faulty {
    fn settings(&self) -> Arc<Settings> {
        self.inner.settings()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }

    fn ids(&self) -> Arc<dyn Ids> {
        self.inner.ids()
    }

    fn jobs(&self) -> Arc<dyn Jobs> {
        Arc::new(FaultyJobs { inner: self.inner.jobs(), faults: self.faults.clone() })
    }

    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(FaultyQueue { inner: self.inner.queue(), faults: self.faults.clone() })
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(FaultyFiles { inner: self.inner.files(), faults: self.faults.clone() })
    }

    fn records(&self) -> Arc<dyn Records> {
        self.inner.records()
    }

    fn grants(&self) -> Arc<dyn Grants> {
        self.inner.grants()
    }

    fn keys(&self) -> Arc<Keys> {
        self.inner.keys()
    }

    fn verifier(&self) -> Arc<Verifier> {
        self.inner.verifier()
    }
}

struct FaultyJobs {
    inner: Arc<dyn Jobs>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Jobs for FaultyJobs {
    async fn create(&self, job: &Job) -> Result<()> {
        self.faults.call(false, self.inner.create(job)).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        self.faults.call(false, self.inner.get(id)).await
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        self.faults.call(false, self.inner.replace(job, version)).await
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        self.faults.call(false, self.inner.remove(id)).await
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        self.faults.call(false, self.inner.list(query)).await
    }

    async fn add_chunks(&self, job: &JobId, chunks: &[Chunk], last: bool) -> Result<Progress> {
        self.faults.call(false, self.inner.add_chunks(job, chunks, last)).await
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        self.faults.call(false, self.inner.chunk(job, chunk)).await
    }

    async fn chunks(&self, job: &JobId, after: Option<ChunkId>, count: usize) -> Result<ChunkPage> {
        self.faults.call(false, self.inner.chunks(job, after, count)).await
    }

    async fn finish_chunk(
        &self,
        job: &JobId,
        chunk: ChunkId,
        result: &ChunkResult,
        rest: Option<&Chunk>,
    ) -> Result<Finished> {
        self.faults.call(false, self.inner.finish_chunk(job, chunk, result, rest)).await
    }
}

struct FaultyQueue {
    inner: Arc<dyn Queue>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn send(&self, size: SizeClass, tasks: &[Task]) -> Result<()> {
        self.faults.call(false, self.inner.send(size, tasks)).await
    }
}

struct FaultyFiles {
    inner: Arc<dyn Files>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Files for FaultyFiles {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        let inner = self.faults.call(false, self.inner.create(key)).await?;
        Ok(Box::new(FaultyWriter { inner, faults: self.faults.clone() }))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.faults.call(false, self.inner.size(key)).await
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.faults.call(false, self.inner.open(key, range)).await
    }

    async fn link(&self, key: &str, lifetime: SignedDuration, file_name: &str) -> Result<Option<String>> {
        self.faults.call(false, self.inner.link(key, lifetime, file_name)).await
    }

    async fn upload_form(
        &self,
        key: &str,
        content_type: &str,
        limit: u64,
        lifetime: SignedDuration,
    ) -> Result<Option<UploadForm>> {
        self.faults.call(false, self.inner.upload_form(key, content_type, limit, lifetime)).await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.faults.call(false, self.inner.remove(key)).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.faults.call(false, self.inner.remove_prefix(prefix)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.faults.call(false, self.inner.list(prefix)).await
    }
}

struct FaultyWriter {
    inner: Box<dyn FileWriter>,
    faults: Arc<Faults>,
}

#[async_trait]
impl FileWriter for FaultyWriter {
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.faults.clone().call(true, self.inner.write(buffer)).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.faults.clone().call(true, self.inner.finish()).await
    }
}
