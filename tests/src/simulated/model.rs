//! Models chunks without moving their bytes. A hundred million records cannot be read in a test, so a model replaces the reading of
//! patients' records and the writing of files of resources: it counts their requests and lets their time pass. Everything else
//! is real: listing, planning, rows, queue, references and manifest.
//!
//! - The first record that a task opens has lines of every type, and one line that refers to all of `shared/`,
//!   like the records of a large chunk together. Every other record is empty.
//! - A record costs one GET. Its bytes pass through the processor and the network of a function.
//! - A file of resources costs the requests of [`requests_of`] for its type's share of the bytes. Small files
//!   are in the chunk's pack, which is really written.
//!
//! A test compares the counts with those of a small lake that is really read and written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws::Aws;
use domain::error::{Result, Store};
use domain::ids::PatientId;
use domain::pack::SMALL;
use domain::ports::files::FileWriter;
use domain::ports::queue::{Deadline, Delivery, Settled, Worker};
use domain::ports::records::{BlockReader, Part};
use domain::task::Task;
use platform::Platform;

use super::lake::{Lake, SHARES};
use super::s3::lower_bound;
use super::{Client, Generated, latency};
use crate::hooked::{Hook, Hooked};

/// Bytes per second of a function with 1,769 MB: a cautious estimate for the engine on one arm64 core, and the bandwidth of
/// the network, which the bytes cross twice.
const PROCESSOR: f64 = 200e6;
const NETWORK: f64 = 75e6;
/// The number of records that the engine opens in parallel.
const AHEAD: f64 = 4.0;
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
}

#[derive(Debug)]
struct Model {
    client: Client,
    lake: Lake,
    task: Mutex<Done>,
}

impl Modelled {
    pub fn new(inner: Arc<Aws>, client: Client, lake: Lake) -> Self {
        Self(Hooked { inner, hook: Arc::new(Model { client, lake, task: Mutex::default() }) })
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
    async fn open(&self, patient: &PatientId, bytes: u64) -> bool {
        let (is_first, due) = {
            let mut task = self.task();
            let is_first = task.records == 0;
            task.records += 1;
            task.bytes += bytes;
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let moved = bytes as f64;
            let seconds =
                latency::base("GetObject") / 1_000.0 / AHEAD + moved / PROCESSOR + 2.0 * moved / NETWORK;
            task.owed += Duration::from_secs_f64(seconds);
            task.uncounted += 1;
            (is_first, task.owed >= PIECE)
        };
        if due {
            self.settle(Some(patient)).await;
        }
        is_first
    }

    /// Counts the opened records and lets their time pass.
    async fn settle(&self, patient: Option<&PatientId>) {
        let (owed, uncounted) = {
            let mut task = self.task();
            (std::mem::take(&mut task.owed), std::mem::take(&mut task.uncounted))
        };
        if uncounted == 0 {
            return;
        }
        let place = patient.map_or(0.0, |patient| self.place(patient));
        let waits = self.count("GetObject", uncounted, Some(place));
        tokio::time::sleep(owed.max(waits)).await;
    }

    /// Returns the position of a patient in the lake, from 0 to 1.
    fn place(&self, patient: &PatientId) -> f64 {
        let number = lower_bound(&self.lake, &format!("Patient/{patient}/"));
        #[expect(clippy::cast_precision_loss, reason = "a share of the whole")]
        (number as f64 / self.lake.count().max(1) as f64)
    }

    fn count(&self, operation: &'static str, times: u64, place: Option<f64>) -> Duration {
        let simulation = self.client.simulation();
        let now = simulation.clock().elapsed();
        simulation.state().modelled(self.client.stage(), operation, times, place, now)
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
        let is_first = self.open(patient, part.bytes).await;
        let text = if is_first { first_lines(&self.lake) } else { String::new() };
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

/// Returns lines of every type, and one line that refers to all of `shared/`.
fn first_lines(lake: &Lake) -> String {
    let member = |kind: &str, number: u64| format!("{{\"member\":{{\"reference\":\"{kind}/{number}\"}}}}");
    let team: Vec<_> = (0..lake.shared)
        .flat_map(|number| [member("Practitioner", number), member("Organization", number)])
        .collect();
    format!(
        "{}{{\"resourceType\":\"Patient\",\"id\":\"first\"}}\n{{\"resourceType\":\"CareTeam\",\"id\":\"all\",\"participant\":[{}]}}\n",
        lake.lines(0, 0),
        team.join(",")
    )
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

/// Writes the pack of a chunk. When it finishes, it counts the files that would be too large for a pack if their bytes existed.
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
        model.settle(None).await;
        let bytes = model.task().bytes;
        let of_patients = 100 - SHARES.iter().map(|(_, share)| share).sum::<u64>();
        let shares = SHARES.iter().map(|(_, share)| *share).chain([of_patients]);
        let mut slowest = Duration::ZERO;
        for size in shares.map(|share| bytes * share / 100).filter(|size| *size >= SMALL as u64) {
            for (operation, times) in requests_of(size).into_iter().filter(|(_, times)| *times > 0) {
                let waits = model.count(operation, times, None);
                slowest = slowest.max(waits).max(Duration::from_secs_f64(latency::base(operation) / 1_000.0));
            }
        }
        // All files are written in parallel, as in the engine.
        let (finished, ()) = tokio::join!(inner.finish(), tokio::time::sleep(slowest));
        finished
    }
}
