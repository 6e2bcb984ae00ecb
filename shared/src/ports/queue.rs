//! The queue between the functions and their workers: at least once, in no order.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::domain::request::SizeClass;
use crate::domain::task::Task;
use crate::error::{Error, Result};

/// Where tasks are sent.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends tasks, to be delivered at once to a worker of this size. When it answers, they will be delivered.
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

/// The receiving end, where the host must poll for itself.
///
/// A delivery that is neither acknowledged nor released within its visibility time-out is delivered again.
/// A task delivered as often as the limit says goes to the dead letters instead of being delivered once more.
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
    /// Does one task. `Err` means: deliver it again, unless [`Error::is_final`], which fails the job.
    async fn handle(&self, task: &Task, deadline: &dyn Deadline) -> Result<()>;

    /// The task cannot be done: fails its job with the reason, for the client and for staff. `story` says what became
    /// of the task and stays in the job's history.
    async fn give_up(&self, task: &Task, reason: &Error, story: &str) -> Result<()>;
}
