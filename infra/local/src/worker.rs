//! One step of the loop over the queue: receives a task, passes it to the worker, and settles the delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::error::Result;
use domain::ports::queue::{Deadline, Inbox, Settled, Worker};
use jiff::Timestamp;
use platform::hidden::{HEARTBEAT, VISIBILITY, hidden_during};
use tokio::sync::Notify;

/// A signal that makes workers stop after their current patient.
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

    /// Waits until the shutdown begins.
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

/// Handles and settles one delivery. Returns `false` if no delivery is available.
pub async fn step(inbox: &dyn Inbox, worker: &dyn Worker, deadline: &dyn Deadline) -> Result<bool> {
    if let Some(dead) = inbox.dead().await? {
        worker.bury(&dead.task, &dead.diagnostics()).await?;
        inbox.acknowledge(&dead).await?;
        return Ok(true);
    }
    let Some(delivery) = inbox.receive(VISIBILITY).await? else { return Ok(false) };
    let work = async {
        match worker.admit(&delivery).await {
            Some(settled) => settled,
            None => {
                let handled = worker.handle(&delivery.task, deadline).await;
                worker.settle(&delivery, handled).await
            }
        }
    };
    let settled = hidden_during(work, HEARTBEAT, || inbox.extend(&delivery, VISIBILITY)).await;
    match settled {
        Settled::Done => inbox.acknowledge(&delivery).await?,
        Settled::Again(pause) => inbox.release(&delivery, pause).await?,
    }
    Ok(true)
}
