//! AWS in this process: an HTTP client for the SDK that responds like DynamoDB, S3 and SQS, so that the real adapters
//! run over it unchanged. Time is simulated, every request is counted, and each request can be made to fail.
//!
//! - [`Simulation`] is the account: tables, buckets, queues, meters and faults, changed by one request at a time.
//! - [`Client`] is the HTTP client of one worker; it tells the simulation who sends a request and which worker a fault strikes.
//! - [`functions`] delivers the queue's messages to workers, like Lambda; [`platform`] creates a platform over a client.
//! - [`account`] is the World on it: every function of `template.yaml`, and a record of the AWS calls of each.
//! - [`lake`] generates the records of any number of patients by a formula.
//!
//! A simulation runs on one thread, in a runtime whose clock is paused: see [`run`].

mod access;
pub mod account;
mod client;
mod clock;
pub mod cuts;
mod dynamodb;
mod faults;
pub mod functions;
pub mod lake;
pub mod latency;
mod limits;
mod meter;
pub mod model;
pub mod names;
pub mod platform;
pub mod prices;
pub(crate) mod random;
mod recorder;
mod request;
mod response;
pub mod retries;
mod s3;
pub mod scale;
mod sqs;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

pub use self::client::{Client, outside_memory};
pub use self::clock::SimulatedClock;
pub use self::faults::{Cut, Faults, Storm};
pub use self::meter::{Hottest, Meter, Stage};
pub use self::recorder::Record;
pub use self::request::Service;
pub use self::s3::Generated;

use self::limits::{Limited, Limits};
use self::random::mixed;
use self::request::Call;
use self::response::SimulatedResponse;

/// Runs a story in simulated time: on a runtime of one thread whose clock jumps to the next timer.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    // The SDK takes the jitter of its retries from this generator; the seed makes it the same in every run.
    fastrand::seed(1);
    runtime.expect("a runtime").block_on(story)
}

/// Runs a story like [`run`], on a thread with a stack that is large enough for the futures of a whole World.
///
/// # Panics
///
/// The story panics.
pub fn run_with_large_stack<F: Future<Output: Send + 'static>>(
    story: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(|| run(story()));
    thread.expect("a thread").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct Simulation {
    state: Arc<Mutex<State>>,
    clock: SimulatedClock,
    /// Notified if a message may be due earlier than was known.
    arrived: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dynamodb: dynamodb::DynamoDb,
    pub(crate) s3: s3::S3,
    pub(crate) sqs: sqs::Sqs,
    pub(crate) meter: Meter,
    limits: Limits,
    /// The table that does not respond.
    down: Option<&'static str>,
    /// The number of partitions that the lake's keys are spread over.
    lake_partitions: u32,
    faults: Faults,
    /// The number of workers' requests since the faults were set.
    requests: u64,
    struck: u64,
    /// A description of the request that was struck last.
    victim: String,
    /// The number of all requests.
    number: u64,
}

/// The outcome of a request.
pub(crate) enum Served {
    /// The response arrives after this time; the caller may need its body.
    Response(Duration, SimulatedResponse),
    /// The connection breaks after this time.
    Broken(Duration),
    /// The worker is dead.
    Dead,
}

impl Simulation {
    /// Returns an account without objects and jobs. It is created inside [`run`].
    pub fn new() -> Self {
        let state = State {
            dynamodb: dynamodb::DynamoDb::new(),
            s3: s3::S3::new(&[names::LAKE_BUCKET, names::FILES_BUCKET]),
            sqs: sqs::Sqs::new(),
            meter: Meter::default(),
            limits: Limits::default(),
            down: None,
            lake_partitions: 1,
            faults: Faults::None,
            requests: 0,
            struck: 0,
            victim: String::new(),
            number: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock: SimulatedClock::new(),
            arrived: Arc::new(Notify::new()),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clock(&self) -> SimulatedClock {
        self.clock
    }

    pub(crate) fn arrived(&self) -> &Notify {
        &self.arrived
    }

    /// Stores an object in the lake without a request.
    pub fn store(&self, key: &str, bytes: impl Into<Bytes>) {
        self.store_encoded(key, bytes, None);
    }

    /// Stores an object with this `Content-Encoding` in the lake.
    pub fn store_encoded(&self, key: &str, bytes: impl Into<Bytes>, encoding: Option<&str>) {
        if let Some(bucket) = self.state().s3.bucket_mut(names::LAKE_BUCKET) {
            bucket.store(key, bytes.into(), encoding);
        }
    }

    /// Stores an object in the bucket of files, as a browser does with a form.
    pub fn upload(&self, key: &str, bytes: impl Into<Bytes>) {
        if let Some(bucket) = self.state().s3.bucket_mut(names::FILES_BUCKET) {
            bucket.store(key, bytes.into(), None);
        }
    }

    /// Lets this table not respond from now on; `None` ends that.
    pub fn outage(&self, table: Option<&'static str>) {
        self.state().down = table;
    }

    /// Stores the files of a directory in the lake.
    pub fn store_directory(&self, root: &std::path::Path) {
        for key in crate::lake::files(root) {
            self.store(&key, std::fs::read(root.join(&key)).expect("a file"));
        }
    }

    /// Adds generated objects to the lake. `partitions` is the number of S3 partitions that serve the objects read at one time.
    pub fn generate(&self, generated: Arc<dyn Generated>, partitions: u32) {
        let mut state = self.state();
        state.lake_partitions = partitions;
        if let Some(bucket) = state.s3.bucket_mut(names::LAKE_BUCKET) {
            bucket.generate(generated);
        }
    }

    /// Sets the number of keys on a page of a listing.
    pub fn page(&self, keys: usize) {
        self.state().s3.page = keys;
    }

    /// Lets pages be shorter than that from now on, or empty although more keys follow.
    pub fn holes(&self) {
        self.state().s3.holes = true;
    }

    /// Sets the faults, and resets the count of requests.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        (state.faults, state.requests, state.struck) = (faults, 0, 0);
        state.sqs.duplicates = faults.duplicates();
        state.limits.gets = faults.gets();
    }

    /// Returns the number of workers' requests since the faults were set, and how many of them were struck.
    pub fn fault_counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.requests, state.struck)
    }

    /// Describes the request that was struck last.
    pub fn victim(&self) -> String {
        self.state().victim.clone()
    }

    /// Returns how long the n-th invocation lives, if a fault ends it.
    pub(crate) fn life(&self, invocation: u64) -> Option<Duration> {
        self.state().faults.life(invocation)
    }

    /// Passes the counts to a closure and returns its result.
    pub fn meter<T>(&self, look: impl FnOnce(&Meter) -> T) -> T {
        look(&self.state().meter)
    }

    /// Returns an object of the bucket of files, without a request.
    pub fn file(&self, key: &str) -> Option<Bytes> {
        let state = self.state();
        let found = state.s3.bucket(names::FILES_BUCKET)?.below(key).find(|(known, _)| *known == key);
        found.map(|(_, object)| object.bytes.clone())
    }

    /// Returns the keys below a prefix in the bucket of files.
    pub fn files_below(&self, prefix: &str) -> Vec<String> {
        let state = self.state();
        let bucket = state.s3.bucket(names::FILES_BUCKET);
        bucket.into_iter().flat_map(|bucket| bucket.below(prefix)).map(|(key, _)| key.clone()).collect()
    }

    /// Returns whether there is a multipart upload that was neither completed nor aborted.
    pub fn has_open_uploads(&self) -> bool {
        self.state().s3.bucket(names::FILES_BUCKET).is_some_and(s3::Bucket::has_uploads)
    }

    /// Returns the bodies of a queue's messages.
    pub fn messages(&self, queue: &str) -> Vec<String> {
        self.state().sqs.bodies(queue)
    }

    /// Returns the number of rows of a table.
    pub fn rows(&self, table: &str) -> u64 {
        self.state().dynamodb.rows(table)
    }

    /// Returns the groups of a queue's messages.
    pub fn message_groups(&self, queue: &str) -> Vec<Option<String>> {
        self.state().sqs.groups(queue)
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Serves a request of a stage. `is_over` is whether the life of its worker is over. Faults strike the requests of workers only.
    pub(crate) fn serve(&mut self, stage: Stage, call: &Call, now: Duration, is_over: bool) -> Served {
        self.number += 1;
        let number = self.number;
        self.meter.count(stage, call.service, call.operation, 1);
        let cut = if matches!(stage, Stage::Plan | Stage::Chunk | Stage::Finish) {
            self.requests += 1;
            let cut = self.faults.of(self.requests - 1, is_over);
            if cut.is_some() {
                self.struck += 1;
                self.victim = format!("{} of {stage:?}", call.operation);
            }
            cut
        } else {
            None
        };
        let early = latency::of(call.operation, number, 0, 0, 0);
        if self.down.is_some_and(|table| call.is_of_table(table)) {
            return Served::Response(early, faults::throttling(call.service, number));
        }
        match cut {
            Some(Cut::DieBefore) => return Served::Dead,
            Some(Cut::LoseBefore) => return Served::Broken(early),
            Some(Cut::Throttle) => return Served::Response(early, faults::throttling(call.service, number)),
            Some(Cut::DieAfter | Cut::LoseAfter) | None => {}
        }
        let response = self.response(stage, call, now, early);
        let keys = response.headers.iter().find(|(name, _)| *name == "x-keys");
        let keys = keys.and_then(|(_, keys)| keys.parse().ok()).unwrap_or_default();
        let (sent, got) = (call.body.len(), response.body.len());
        self.meter.size(stage, call.operation, sent.max(got));
        let after = latency::of(call.operation, number, sent, got, keys);
        match cut {
            Some(Cut::DieAfter) => Served::Dead,
            Some(Cut::LoseAfter) => Served::Broken(after),
            _ => Served::Response(after, response),
        }
    }

    fn response(&mut self, stage: Stage, call: &Call, now: Duration, early: Duration) -> SimulatedResponse {
        match call.service {
            Service::DynamoDb => {
                let refused = self.limits.refused;
                let mut context =
                    dynamodb::Context { now, holds: early, used: Vec::new(), limits: &mut self.limits };
                let response = self.dynamodb.call(call.operation, &call.body, &mut context);
                let used = context.used;
                for used in &used {
                    self.meter.units(stage, used, now);
                }
                self.meter.refuse(call.service, u64::from(self.limits.refused > refused));
                response
            }
            Service::S3 => {
                let (limited, writes) = self.partition(call);
                if self.limits.accept(&limited, 1, now) == 0 {
                    self.meter.uncount(stage, call.service, call.operation);
                    self.meter.refuse(call.service, 1);
                    return SimulatedResponse::xml_error(503, "SlowDown");
                }
                if let Limited::Gets(part) | Limited::Puts(part) = limited {
                    self.meter.objects(stage, ("S3", part), writes, 1.0, now);
                }
                self.s3.call(call, now)
            }
            Service::Sqs => self.sqs.call(call.operation, &call.body, now),
        }
    }

    /// Returns the partition of a bucket that a request goes to, and whether the request writes.
    fn partition(&self, call: &Call) -> (Limited, bool) {
        let writes =
            !matches!(call.operation, "GetObject" | "HeadObject" | "ListObjectsV2" | "ListMultipartUploads");
        let position = self.s3.bucket(&call.bucket).and_then(|bucket| bucket.position(&call.key));
        let part = match position {
            Some(position) => format!("{} {}", call.bucket, part_of(position, self.lake_partitions)),
            None => format!("{} 0", call.bucket),
        };
        (if writes { Limited::Puts(part) } else { Limited::Gets(part) }, writes)
    }

    /// Sends requests to the lake or to the bucket of files that are not simulated one by one. While some are refused, no more than
    /// `at_once` of them are sent.
    pub(crate) fn modelled(
        &mut self,
        stage: Stage,
        operation: &'static str,
        times: u64,
        at_once: u64,
        position: Option<f64>,
        now: Duration,
    ) -> Sent {
        let writes = operation != "GetObject";
        let part = match position {
            Some(position) => {
                format!("{} {}", names::LAKE_BUCKET, part_of(position, self.lake_partitions))
            }
            None => format!("{} 0", names::FILES_BUCKET),
        };
        let limited = if writes { Limited::Puts(part.clone()) } else { Limited::Gets(part.clone()) };
        let accepted = self.limits.accept(&limited, times, now);
        let refused = at_once.min(times - accepted);
        self.meter.count(stage, Service::S3, operation, accepted);
        self.meter.refuse(Service::S3, refused);
        #[expect(clippy::cast_precision_loss, reason = "counts below a million")]
        let load = accepted as f64;
        self.meter.objects(stage, ("S3", part), writes, load, now);
        Sent { accepted, refused }
    }
}

/// The outcome of modelled requests. The rest was not sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

/// Returns the partition of a position in the lake. Neighbouring positions are in different partitions, as if S3 had split a busy range.
fn part_of(position: f64, partitions: u32) -> u64 {
    mixed(position.to_bits()) % u64::from(partitions.max(1))
}
