//! Models chunks without moving their bytes. A hundred million records cannot be read in a test, so a model replaces the reading of
//! patients' records and the writing of files of resources: it counts their requests and lets their time pass. Everything else
//! is real: listing, planning, rows, queue, references and manifest.
//!
//! - A record has one line, which refers to the same resources of `shared/` as the real record. The first record that a task opens
//!   also has a line of every type.
//! - A record costs one GET. Its bytes pass through the processor and the network of a function.
//! - A file of resources costs the requests of [`requests_of`] for its type's share of the bytes. Small files
//!   are in the chunk's pack, which is really written.
//! - A request that a busy partition refuses is sent again like by the SDK, with its waits and its [`retries`](super::retries).
//!   If the SDK would give up, the record or the file fails, and the engine does what it does after that.
//!
//! A test compares the counts with those of a small lake that is really read and written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws::Aws;
use domain::error::{Error, Result, Store};
use domain::ids::PatientId;
use domain::pack::SMALL;
use domain::ports::files::FileWriter;
use domain::ports::queue::{Deadline, Delivery, Settled, Worker};
use domain::ports::records::{BlockReader, Part};
use domain::task::Task;
use futures_util::future::try_join_all;
use platform::Platform;

use super::lake::{Lake, SHARES};
use super::retries::Retries;
use super::{Client, Sent, latency};
use crate::hooked::{Hook, Hooked};

/// Bytes per second of a function with 1,769 MB: a cautious estimate for the engine on one arm64 core, and the bandwidth of
/// the network, which the bytes cross twice.
const PROCESSOR: f64 = 200e6;
const NETWORK: f64 = 75e6;
/// The number of records that the engine opens in parallel.
const AHEAD: u32 = 4;
/// Time passes in steps of this length, because a timer for each record would slow the simulation down.
const PIECE: Duration = Duration::from_millis(250);
/// The size of a part of an upload in bytes; a smaller file is stored by one request.
const PART: u64 = 8 * 1024 * 1024;

/// Returns the requests by which the adapter stores an object of this size: one PUT, or the requests of a multipart upload.
pub fn requests_of(bytes: u64) -> [(&'static str, u64); 4] {
    if bytes < PART {
        return [
            ("PutObject", 1),
            ("CreateMultipartUpload", 0),
            ("UploadPart", 0),
            ("CompleteMultipartUpload", 0),
        ];
    }
    let parts = bytes.div_ceil(PART);
    [("PutObject", 0), ("CreateMultipartUpload", 1), ("UploadPart", parts), ("CompleteMultipartUpload", 1)]
}

/// The platform of one function, with a model of the chunks' bytes.
pub struct Modelled(Hooked<Aws, Model>);

/// The work of one task so far.
#[derive(Debug, Default)]
struct Done {
    records: u64,
    bytes: u64,
    /// Time that has not passed yet, and requests that are not counted yet.
    owed: Duration,
    uncounted: u64,
    /// The position in the lake of the record that was opened last, from 0 to 1.
    position: f64,
}

#[derive(Debug)]
struct Model {
    client: Client,
    lake: Lake,
    retries: Retries,
    task: Mutex<Done>,
}

impl Modelled {
    /// `retries` are those of the function's client for S3.
    pub fn new(inner: Arc<Aws>, client: Client, lake: Lake, retries: Retries) -> Self {
        let model = Model { client, lake, retries, task: Mutex::default() };
        Self(Hooked { inner, hook: Arc::new(model) })
    }

    /// Returns a worker over this platform; each task starts with empty counts.
    pub fn worker(
        self,
        make: impl FnOnce(&(dyn Platform + 'static)) -> Result<Arc<dyn Worker>>,
    ) -> Arc<dyn Worker> {
        let inner = make(&self.0).expect("its ports");
        Arc::new(ModelledWorker { inner, model: self.0.hook })
    }
}

impl Model {
    fn task(&self) -> MutexGuard<'_, Done> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a record of this size; returns whether it is the first record of the task.
    async fn open(&self, number: u64, bytes: u64) -> Result<bool> {
        let (is_first, is_due) = {
            let mut task = self.task();
            let is_first = task.records == 0;
            task.records += 1;
            task.bytes += bytes;
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let (moved, position) = (bytes as f64, number as f64 / self.lake.patients.max(1) as f64);
            let first_byte = latency::base("GetObject") / 1_000.0 / f64::from(AHEAD);
            task.owed += Duration::from_secs_f64(first_byte + moved / PROCESSOR + 2.0 * moved / NETWORK);
            task.uncounted += 1;
            task.position = position;
            (is_first, task.owed >= PIECE)
        };
        if is_due {
            self.settle().await?;
        }
        Ok(is_first)
    }

    /// Sends the requests for the opened records and lets their time pass.
    async fn settle(&self) -> Result<()> {
        let (owed, uncounted, position) = {
            let mut task = self.task();
            (std::mem::take(&mut task.owed), std::mem::take(&mut task.uncounted), task.position)
        };
        if uncounted == 0 {
            return Ok(());
        }
        let clock = self.client.simulation().clock();
        let started = clock.elapsed();
        self.send("GetObject", uncounted, Some(position), Store::Records).await?;
        let waited = clock.elapsed().saturating_sub(started);
        tokio::time::sleep(owed.saturating_sub(waited)).await;
        Ok(())
    }

    /// Sends requests to the lake or to the bucket of files. It returns at once if the partition accepts all of them. Otherwise
    /// those in flight wait and are sent again, and the rest follow.
    async fn send(
        &self,
        operation: &'static str,
        times: u64,
        position: Option<f64>,
        store: Store,
    ) -> Result<()> {
        let mut left = times;
        while left > 0 {
            let Sent { accepted, mut refused } = self.attempt(operation, left, position);
            left -= accepted + refused;
            self.retries.accepted(accepted);
            let mut attempts = 1;
            while refused > 0 {
                let wait = self
                    .retries
                    .wait(attempts, refused)
                    .ok_or_else(|| Error::unavailable(format!("{operation}: SlowDown")).of_store(store))?;
                tokio::time::sleep(wait + latency::of_base(operation)).await;
                let again = self.attempt(operation, refused, position);
                self.retries.accepted_again(again.accepted);
                refused = again.refused;
                attempts += 1;
            }
        }
        Ok(())
    }

    fn attempt(&self, operation: &'static str, times: u64, position: Option<f64>) -> Sent {
        let simulation = self.client.simulation();
        let (stage, now) = (self.client.stage(), simulation.clock().elapsed());
        simulation.state().modelled(stage, operation, times, AHEAD.into(), position, now)
    }
}

struct ModelledWorker {
    inner: Arc<dyn Worker>,
    model: Arc<Model>,
}

#[async_trait]
impl Worker for ModelledWorker {
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()> {
        *self.model.task() = Done::default();
        self.inner.handle(task, deadline).await
    }

    async fn admit(&self, delivery: &Delivery) -> Option<Settled> {
        self.inner.admit(delivery).await
    }

    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled {
        self.inner.settle(delivery, handled).await
    }

    async fn bury(&self, task: &Task, diagnostics: &str) -> Result<()> {
        self.inner.bury(task, diagnostics).await
    }
}

impl Hook for Model {
    /// Returns `false`, because the simulation counts the requests itself.
    fn follows(&self, _: Store) -> bool {
        false
    }

    async fn record(&self, patient: &PatientId, part: &Part) -> Option<Box<dyn BlockReader>> {
        let number = self.lake.number(patient.as_str())?;
        let mut text = self.lake.patient_line(number);
        match self.open(number, part.bytes).await {
            Ok(true) => text.push_str(&self.lake.lines(number, 0)),
            Ok(false) => {}
            Err(error) => return Some(Box::new(Failed(Some(error)))),
        }
        Some(Box::new(Block(text.into_bytes())))
    }

    fn writer(self: &Arc<Self>, key: &str, inner: Box<dyn FileWriter>) -> Box<dyn FileWriter> {
        // This is the pack of a chunk whose records were opened here.
        match key.ends_with("/pack") && self.task().records > 0 {
            true => Box::new(PackWriter { inner, model: self.clone() }),
            false => inner,
        }
    }
}

/// A reader that returns a whole file at once.
struct Block(Vec<u8>);

#[async_trait]
impl BlockReader for Block {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        buffer.append(&mut self.0);
        Ok(buffer)
    }
}

/// A reader of a file that could not be opened.
struct Failed(Option<Error>);

#[async_trait]
impl BlockReader for Failed {
    async fn read(&mut self, _: Vec<u8>) -> Result<Vec<u8>> {
        Err(self.0.take().unwrap_or_else(|| Error::internal("a reader was used after its error")))
    }
}

/// Writes the pack of a chunk. When it finishes, it sends the requests of the files that would be too large for a pack if their bytes
/// existed.
struct PackWriter {
    inner: Box<dyn FileWriter>,
    model: Arc<Model>,
}

#[async_trait]
impl FileWriter for PackWriter {
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.inner.write(buffer).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        let Self { inner, model } = *self;
        model.settle().await?;
        let bytes = model.task().bytes;
        let of_patients = 100 - SHARES.iter().map(|(_, share)| share).sum::<u64>();
        let shares = SHARES.iter().map(|(_, share)| *share).chain([of_patients]);
        let (mut slowest, mut files) = (Duration::ZERO, Vec::new());
        for size in shares.map(|share| bytes * share / 100).filter(|size| *size >= SMALL as u64) {
            for (operation, times) in requests_of(size).into_iter().filter(|(_, times)| *times > 0) {
                slowest = slowest.max(latency::of_base(operation));
                files.push(model.send(operation, times, None, Store::Files));
            }
        }
        // All files are written in parallel, as in the engine.
        let (finished, sent, ()) =
            tokio::join!(inner.finish(), try_join_all(files), tokio::time::sleep(slowest));
        sent.and(finished)
    }
}
