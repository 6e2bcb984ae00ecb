//! Chunks whose bytes are not moved. A hundred million records cannot be read, so that a model stands for the reading of
//! patients' records and the writing of files of resources: it counts their requests and lets their time pass. All else
//! is real: listing, planning, rows, queue, references, manifest.
//!
//! - The first record that a task opens has its lines of every type, and one that refers to all of `shared/`,
//!   as the records of a large chunk do together. Every other record is empty.
//! - A record costs one GET. Its bytes pass through the processor and the network of a function.
//! - A file of resources costs what [`requests_of`] says, for its type's share of the bytes that were opened; those that
//!   are small are in the chunk's pack, which is really written.
//!
//! A test compares the counts with those of a small lake that is really read and written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws::Aws;
use domain::clock::{Clock, Random};
use domain::error::Result;
use domain::ids::PatientId;
use domain::pack::SMALL;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{ByteStream, FileWriter, Files, UploadForm};
use domain::ports::jobs::Jobs;
use domain::ports::queue::{Deadline, Delivery, Queue, Settled, Worker};
use domain::ports::records::{
    Area, BlockReader, CohortPage, Entries, Member, Part, Parts, Records, Supporting,
};
use domain::task::Task;
use jiff::SignedDuration;
use platform::Platform;
use security::keys::Keys;
use security::verify::Verifier;
use settings::Settings;

use super::lake::{Lake, SHARES};
use super::s3::lower_bound;
use super::{Client, Generated, latency};

/// Bytes a second of a function with 1,769 MB: of its processor, of the engine on one core of arm64 with caution, and of
/// its network, which they cross twice.
const PROCESSOR: f64 = 200e6;
const NETWORK: f64 = 75e6;
/// Records that the engine has open at once.
const AHEAD: f64 = 4.0;
/// Time is let pass in pieces, because a timer for each record would be most of the simulation.
const PIECE: Duration = Duration::from_millis(250);
/// Bytes of a part of an upload; what has fewer goes up in one request.
const PART: u64 = 8 * 1024 * 1024;

/// What the adapter asks to store an object of so many bytes: PUT, or the requests of an upload in parts.
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

/// The platform of one function, of which the bytes of chunks are modelled.
pub struct Modelled {
    inner: Arc<Aws>,
    model: Arc<Model>,
}

/// What one task of a function did so far.
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
        Self { inner, model: Arc::new(Model { client, lake, task: Mutex::default() }) }
    }

    /// A worker over it, whose tasks begin with nothing.
    pub fn worker(self, make: impl FnOnce(&dyn Platform) -> Arc<dyn Worker>) -> Arc<dyn Worker> {
        let inner = make(&self);
        Arc::new(ModelledWorker { inner, model: self.model })
    }
}

impl Model {
    fn task(&self) -> MutexGuard<'_, Done> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a record of so many bytes; whether it is the task's first.
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

    /// Counts what was opened and lets its time pass.
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

    /// Where a patient is in the lake, from 0 to 1.
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

    async fn bury(&self, task: &Task, story: &str) -> Result<()> {
        self.inner.bury(task, story).await
    }
}

impl Platform for Modelled {
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
        self.inner.jobs()
    }

    fn queue(&self) -> Arc<dyn Queue> {
        self.inner.queue()
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(ModelledFiles { inner: self.inner.files(), model: self.model.clone() })
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(ModelledRecords { inner: self.inner.records(), model: self.model.clone() })
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

struct ModelledRecords {
    inner: Arc<dyn Records>,
    model: Arc<Model>,
}

#[async_trait]
impl Records for ModelledRecords {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        self.inner.member(patient).await
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        self.inner.members(after, count).await
    }

    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries> {
        self.inner.entries(after)
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        self.inner.parts(patient).await
    }

    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>> {
        self.inner.parts_of(patients).await
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let is_first = self.model.open(patient, part.bytes).await;
        let text = if is_first { first_lines(&self.model.lake) } else { String::new() };
        Ok(Box::new(Block(text.into_bytes())))
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        self.inner.open_document(patient, part).await
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        self.inner.area(area).await
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        self.inner.open_area(area, name).await
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        self.inner.supporting(references).await
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        self.inner.provenance(targets).await
    }
}

/// The lines of every type, and one that refers to all of `shared/`.
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

/// All of a file at once.
struct Block(Vec<u8>);

#[async_trait]
impl BlockReader for Block {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        buffer.append(&mut self.0);
        Ok(buffer)
    }
}

struct ModelledFiles {
    inner: Arc<dyn Files>,
    model: Arc<Model>,
}

impl ModelledFiles {
    /// Whether it is the pack of a chunk whose records were opened here.
    fn is_pack(&self, key: &str) -> bool {
        key.ends_with("/pack") && self.model.task().records > 0
    }
}

#[async_trait]
impl Files for ModelledFiles {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        self.create_in_parts(key, None).await
    }

    async fn create_in_parts(&self, key: &str, part_bytes: Option<usize>) -> Result<Box<dyn FileWriter>> {
        let inner = self.inner.create_in_parts(key, part_bytes).await?;
        match self.is_pack(key) {
            true => Ok(Box::new(PackWriter { inner, model: self.model.clone() })),
            false => Ok(inner),
        }
    }

    fn compresses(&self) -> bool {
        self.inner.compresses()
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.inner.size(key).await
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.inner.open(key, range).await
    }

    async fn link(&self, key: &str, lifetime: SignedDuration, file_name: &str) -> Result<Option<String>> {
        self.inner.link(key, lifetime, file_name).await
    }

    async fn upload_form(
        &self,
        key: &str,
        content_type: &str,
        limit: u64,
        lifetime: SignedDuration,
    ) -> Result<Option<UploadForm>> {
        self.inner.upload_form(key, content_type, limit, lifetime).await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.inner.remove(key).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        self.inner.remove_prefix(prefix).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.list(prefix).await
    }
}

/// Writes the pack of a chunk. With it go the files that would be too large for a pack, if there were bytes in them.
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
        // All at once, as the engine does.
        let (finished, ()) = tokio::join!(inner.finish(), tokio::time::sleep(slowest));
        finished
    }
}
