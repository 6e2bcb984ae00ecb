//! The port for the queue between the functions and their workers. It delivers each task at least once, in any order.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::error::Result;
use crate::task::Task;

mod group;

pub use self::group::TaskGroup;

/// The sending end of the queue.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends tasks to the workers of their group's size, without a delay. When it returns, the tasks are durable.
    async fn send(&self, group: &TaskGroup, tasks: &[Task]) -> Result<()>;
}

/// A task that was delivered to a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub task: Task,
    /// Identifies this delivery to the inbox.
    pub receipt: String,
    /// The number of deliveries of the task, this one included.
    pub deliveries: u32,
}

impl Delivery {
    /// Returns the diagnostics of the delivery for the job's history: the task and the number of its deliveries.
    pub fn diagnostics(&self) -> String {
        format!("task {}, delivered {} times", self.task.key(), self.deliveries)
    }
}

/// The maximum number of deliveries of a task, which is the maximum that SQS allows.
pub const MAX_DELIVERIES: u32 = 1_000;

/// The receiving end of the queue, for a host that must poll itself.
///
/// A delivery that is neither acknowledged nor released within its visibility timeout is delivered again. A task that was
/// delivered [`MAX_DELIVERIES`] times becomes a dead letter instead of being delivered again. This limit is the last
/// resort: an outage is limited by time, and a defect fails the job after a few tries.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns the next task that is due, hidden from others for `visibility`.
    async fn receive(&self, visibility: SignedDuration) -> Result<Option<Delivery>>;

    /// Removes a task that is done. It is never delivered again.
    async fn acknowledge(&self, delivery: &Delivery) -> Result<()>;

    /// Returns a task that is not done. It is delivered again after `delay`.
    async fn release(&self, delivery: &Delivery, delay: SignedDuration) -> Result<()>;

    /// Hides a task that is still being handled for another `visibility`.
    async fn extend(&self, delivery: &Delivery, visibility: SignedDuration) -> Result<()>;

    /// Returns the next dead letter. It stays until it is acknowledged.
    async fn dead(&self) -> Result<Option<Delivery>>;
}

/// The time at which a worker must stop: the host's deadline or its shutdown. Workers check it after every patient.
pub trait Deadline: Send + Sync {
    fn is_near(&self, now: Timestamp) -> bool;
}

/// The deadline of a host that lets its workers finish.
pub struct NoDeadline;

impl Deadline for NoDeadline {
    fn is_near(&self, _: Timestamp) -> bool {
        false
    }
}

/// Handles tasks.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Handles one task.
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()>;

    /// Decides whether a delivery is handled; a worker calls this first. Returns `Some` if the delivery must not be handled: the workers of
    /// the task died too often, and the job has failed.
    async fn admit(&self, delivery: &Delivery) -> Option<Settled>;

    /// Decides what happens to a delivery that was handled (see [`crate::retries`]). It never fails: if the decision cannot
    /// be stored, the task is tried again.
    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled;

    /// Fails the job of a dead letter, for the client and for staff. `diagnostics` are those of the delivery and stay in the
    /// job's history. If it returns an error, the dead letter must stay.
    async fn bury(&self, task: &Task, diagnostics: &str) -> Result<()>;
}

/// What happens to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The task must never be delivered again.
    Done,
    /// The task must be delivered again after this time.
    Again(SignedDuration),
}
