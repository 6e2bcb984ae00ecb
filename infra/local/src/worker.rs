//! The queue's loop: receives tasks, hands them to the worker, and settles what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use shared::error::{Error, Result};
use shared::ports::queue::{Deadline, Delivery, Inbox, Worker};
use tokio::sync::Notify;

/// How long a task is hidden from others; prolonged while it is worked on.
const VISIBILITY: SignedDuration = SignedDuration::from_secs(60);
/// How often it is prolonged.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(20);

/// Tells workers to stop at the next patient boundary.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<(AtomicBool, Notify)>);

impl Shutdown {
    pub fn begin(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    pub fn has_begun(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        let notified = self.0.1.notified();
        if !self.has_begun() {
            notified.await;
        }
    }
}

impl Deadline for Shutdown {
    fn is_near(&self, _: Timestamp) -> bool {
        self.has_begun()
    }
}

/// Settles one delivery if one is due; false when none is.
pub async fn step(inbox: &dyn Inbox, worker: &dyn Worker, deadline: &dyn Deadline) -> Result<bool> {
    if let Some(dead) = inbox.dead().await? {
        let reason = Error::unavailable("the task failed as often as it may");
        worker.give_up(&dead.task, &reason, &story(&dead)).await?;
        inbox.acknowledge(&dead).await?;
        return Ok(true);
    }
    let Some(delivery) = inbox.receive(VISIBILITY).await? else { return Ok(false) };
    match handle(&delivery, inbox, worker, deadline).await {
        Ok(()) => inbox.acknowledge(&delivery).await?,
        Err(error) if error.is_final() => {
            worker.give_up(&delivery.task, &error, &story(&delivery)).await?;
            inbox.acknowledge(&delivery).await?;
        }
        Err(error) => {
            let task = delivery.task.name();
            tracing::warn!(job.id = %delivery.task.job(), task, deliveries = delivery.deliveries, error = %error, cause = error.causes(), "task failed; it will be tried again");
            inbox.release(&delivery, error.pause(delivery.deliveries)).await?;
        }
    }
    Ok(true)
}

/// Handles a delivery and keeps it hidden from others for as long as that takes.
async fn handle(
    delivery: &Delivery,
    inbox: &dyn Inbox,
    worker: &dyn Worker,
    deadline: &dyn Deadline,
) -> Result<()> {
    let work = worker.handle(&delivery.task, deadline);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(HEARTBEAT) => inbox.extend(delivery, VISIBILITY).await?,
        }
    }
}

/// What became of a task, for the job's history.
fn story(delivery: &Delivery) -> String {
    format!("task {}, delivered {} times", delivery.task.name(), delivery.deliveries)
}
