//! A platform that dies at its n-th call, before or after doing what it was asked, and stays dead. It wraps a
//! real one, so that what was stored before is really there. Or one store that does not answer for a while.

mod records;

use self::records::FaultyRecords;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use contract::FixedClock;
use domain::chunk::{Chunk, ChunkResult, Progress};
use domain::clock::{Clock, Random};
use domain::error::{Error, Result, Store};
use domain::ids::{ChunkId, JobId};
use domain::job::Job;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{ByteStream, FileWriter, Files, UploadForm};
use domain::ports::jobs::{Append, Finished, JobPage, JobQuery, Jobs, StoredChunk, StoredJob, StoredResult};
use domain::ports::queue::{Delivery, Inbox, Queue};
use domain::ports::records::Records;
use domain::request::SizeClass;
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use local::Local;
use platform::Platform;
use security::keys::Keys;
use security::verify::Verifier;
use settings::Settings;

/// What the fault does to the call that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The process dies before the call did anything.
    Before,
    /// The call did its work, and the process dies before it hears so.
    After,
    /// Writing finds the disk full; nothing dies.
    DiskFull,
    /// From then on every call for files ends in a defect of ours; nothing dies.
    Defect,
}

/// Shared by all ports of one platform.
pub struct Faults {
    strike: Strike,
    calls_left: AtomicI64,
    struck: AtomicBool,
    outage: Option<Outage>,
}

/// A store that does not answer until then.
struct Outage {
    store: Store,
    clock: FixedClock,
    until: Timestamp,
}

impl Faults {
    pub fn at(call: i64, strike: Strike) -> Arc<Self> {
        Arc::new(Self {
            strike,
            calls_left: AtomicI64::new(call),
            struck: AtomicBool::new(false),
            outage: None,
        })
    }

    /// From the call on, the store does not answer until the time has come; nothing dies.
    pub fn outage(store: Store, call: i64, clock: FixedClock, until: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            strike: Strike::Before,
            calls_left: AtomicI64::new(call),
            struck: AtomicBool::new(false),
            outage: Some(Outage { store, clock, until }),
        })
    }

    /// Whether the fault came.
    pub fn has_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }

    async fn call<T>(&self, store: Store, writes: bool, call: impl Future<Output = Result<T>>) -> Result<T> {
        if let Some(outage) = &self.outage {
            let is_down = outage.store == store
                && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0
                && outage.clock.now() < outage.until;
            if is_down {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::unavailable("no route to the store").of_store(store));
            }
            return call.await;
        }
        if self.strike == Strike::DiskFull {
            if writes && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)));
            }
            return call.await;
        }
        if self.strike == Strike::Defect {
            if store == Store::Files && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::internal("a defect"));
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

impl Faulty {
    /// The receiving end of the queue, which fails as the sending one does.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(FaultyInbox { inner: self.inner.inbox(), faults: self.faults.clone() })
    }
}

impl Platform for Faulty {
    fn settings(&self) -> Arc<Settings> {
        self.inner.settings()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock()
    }

    fn random(&self) -> Arc<dyn Random> {
        self.inner.random()
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
        Arc::new(FaultyRecords { inner: self.inner.records(), faults: self.faults.clone() })
    }

    fn expiring(&self) -> Arc<dyn ExpiringStore> {
        self.inner.expiring()
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
        self.faults.call(Store::Database, false, self.inner.create(job)).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<StoredJob>> {
        self.faults.call(Store::Database, false, self.inner.get(id)).await
    }

    async fn replace(&self, job: &Job, version: u64) -> Result<u64> {
        self.faults.call(Store::Database, false, self.inner.replace(job, version)).await
    }

    async fn remove(&self, id: &JobId) -> Result<()> {
        self.faults.call(Store::Database, false, self.inner.remove(id)).await
    }

    async fn list(&self, query: &JobQuery) -> Result<JobPage> {
        self.faults.call(Store::Database, false, self.inner.list(query)).await
    }

    async fn is_running(&self, id: &JobId) -> Result<bool> {
        self.faults.call(Store::Database, false, self.inner.is_running(id)).await
    }

    async fn append(&self, job: &JobId, append: Append<'_>) -> Result<Option<Progress>> {
        self.faults.call(Store::Database, false, self.inner.append(job, append)).await
    }

    async fn chunk(&self, job: &JobId, chunk: ChunkId) -> Result<Option<StoredChunk>> {
        self.faults.call(Store::Database, false, self.inner.chunk(job, chunk)).await
    }

    async fn chunks(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredChunk>> {
        self.faults.call(Store::Database, false, self.inner.chunks(job, indexes)).await
    }

    async fn results(&self, job: &JobId, indexes: Range<u32>) -> Result<Vec<StoredResult>> {
        self.faults.call(Store::Database, false, self.inner.results(job, indexes)).await
    }

    async fn finish_chunk(
        &self,
        job: &JobId,
        chunk: &Chunk,
        result: &ChunkResult,
        rest: Option<&Chunk>,
    ) -> Result<Finished> {
        self.faults.call(Store::Database, false, self.inner.finish_chunk(job, chunk, result, rest)).await
    }
}

struct FaultyQueue {
    inner: Arc<dyn Queue>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn send(&self, size: SizeClass, tasks: &[Task]) -> Result<()> {
        self.faults.call(Store::Queue, false, self.inner.send(size, tasks)).await
    }
}

struct FaultyInbox {
    inner: Arc<dyn Inbox>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Inbox for FaultyInbox {
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>> {
        self.faults.call(Store::Queue, false, self.inner.receive(visibility)).await
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<()> {
        self.faults.call(Store::Queue, false, self.inner.acknowledge(delivery)).await
    }

    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()> {
        self.faults.call(Store::Queue, false, self.inner.release(delivery, delay)).await
    }

    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()> {
        self.faults.call(Store::Queue, false, self.inner.extend(delivery, visibility)).await
    }

    async fn dead(&self) -> Result<Option<Delivery>> {
        self.faults.call(Store::Queue, false, self.inner.dead()).await
    }
}

struct FaultyFiles {
    inner: Arc<dyn Files>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Files for FaultyFiles {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        let inner = self.faults.call(Store::Files, false, self.inner.create(key)).await?;
        Ok(Box::new(FaultyWriter { inner, faults: self.faults.clone() }))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.faults.call(Store::Files, false, self.inner.size(key)).await
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.faults.call(Store::Files, false, self.inner.open(key, range)).await
    }

    async fn link(&self, key: &str, lifetime: SignedDuration, file_name: &str) -> Result<Option<String>> {
        self.faults.call(Store::Files, false, self.inner.link(key, lifetime, file_name)).await
    }

    async fn upload_form(
        &self,
        key: &str,
        content_type: &str,
        limit: u64,
        lifetime: SignedDuration,
    ) -> Result<Option<UploadForm>> {
        self.faults
            .call(Store::Files, false, self.inner.upload_form(key, content_type, limit, lifetime))
            .await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.faults.call(Store::Files, false, self.inner.remove(key)).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.faults.call(Store::Files, false, self.inner.remove_prefix(prefix)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.faults.call(Store::Files, false, self.inner.list(prefix)).await
    }
}

struct FaultyWriter {
    inner: Box<dyn FileWriter>,
    faults: Arc<Faults>,
}

#[async_trait]
impl FileWriter for FaultyWriter {
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.faults.clone().call(Store::Files, true, self.inner.write(buffer)).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.faults.clone().call(Store::Files, true, self.inner.finish()).await
    }
}
