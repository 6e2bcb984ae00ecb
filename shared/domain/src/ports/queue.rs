//! The queue between the functions and their workers: at least once, in no order.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::error::Result;
use crate::request::SizeClass;
use crate::task::Task;

/// Where tasks are sent.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends tasks, to be delivered at once to a worker of this size. When it returns, they will be delivered.
    async fn send(&self, size: SizeClass, tasks: &[Task]) -> Result<()>;
}

/// A task in a worker's hands.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub task: Task,
    /// Names this delivery to the inbox.
    pub receipt: String,
    /// How many times the task was delivered, this one included.
    pub deliveries: u32,
}

impl Delivery {
    /// What became of the task, for the job's history.
    pub fn story(&self) -> String {
        format!("task {}, delivered {} times", self.task.key(), self.deliveries)
    }
}

/// How often a task is delivered at most: the most that SQS allows.
pub const MAX_DELIVERIES: u32 = 1_000;

/// The receiving end, where the host must poll for itself.
///
/// A delivery that is neither acknowledged nor released within its visibility time-out is delivered again.
/// A task delivered [`MAX_DELIVERIES`] times goes to the dead letters instead of being delivered once more. The limit is
/// for what nothing else ends: an outage is waited for by time, and a defect ends a job after few tries.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// The next task that is due, hidden from others for `visibility`.
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>>;

    /// It is done: never deliver it again.
    async fn acknowledge(&self, delivery: &Delivery) -> Result<()>;

    /// It is not done: deliver it again after `delay`.
    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()>;

    /// Still at it: hide it for another `visibility`.
    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()>;

    /// The next dead letter; it stays until acknowledged.
    async fn dead(&self) -> Result<Option<Delivery>>;
}

/// When a worker must stop: the host's deadline or its shutdown. Asked at every patient boundary.
pub trait Deadline: Send + Sync {
    fn is_near(&self, now: Timestamp) -> bool;
}

/// A host that lets its worker finish.
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn is_near(&self, _: Timestamp) -> bool {
        false
    }
}

/// What handles tasks.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Does one task.
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()>;

    /// Asked before a delivery is handled. `Some` when it is not to be handled: its workers died once too often, and
    /// the job has failed for that.
    async fn admit(&self, delivery: &Delivery) -> Option<Settled>;

    /// Decides what becomes of a delivery that was handled (see [`crate::retries`]). Always returns: where even that
    /// cannot be written down, the task is tried again.
    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled;

    /// A dead letter: fails its job, for the client and for staff. `story` says what became of the task and stays in
    /// the job's history. An error means that the letter must stay.
    async fn bury(&self, task: &Task, story: &str) -> Result<()>;
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It must never be delivered again.
    Done,
    /// It must be delivered again after this time.
    Again(SignedDuration),
}
