//! Workers that do their work in many small parts: the references of few files, few referenced resources in memory, and an invocation whose
//! time is over after one or two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use domain::error::Result;
use domain::ports::queue::{Deadline, Delivery, Settled, Worker};
use domain::task::Task;
use export_generator::{GatherSizes, ShardSizes, Sizes, TargetSizes, worker_with};
use jiff::Timestamp;
use platform::Platform;

/// The smallest sizes.
pub fn small() -> Sizes {
    Sizes {
        gather: GatherSizes { files: 2 },
        shards: ShardSizes { references: 1, messages: 1 },
        targets: TargetSizes { unknown: 0 },
        ..Sizes::default()
    }
}

/// Returns a worker with these sizes, whose time is over at two of three looks.
pub fn worker_of(platform: &(impl Platform + ?Sized), sizes: Sizes) -> Arc<dyn Worker> {
    let worker = worker_with(platform, sizes).expect("its ports");
    Arc::new(Hasty { worker, deadline: TwoOfThree::default() })
}

/// Returns a worker with the smallest sizes.
pub fn worker(platform: &(impl Platform + ?Sized)) -> Arc<dyn Worker> {
    worker_of(platform, small())
}

/// A deadline that is near at two of three looks. A deadline that is always near would be near when an invocation begins, and the comparison
/// of the versions in `shared/` waits for an invocation with time.
#[derive(Default)]
pub struct TwoOfThree(AtomicU32);

impl Deadline for TwoOfThree {
    fn is_near(&self, _: Timestamp) -> bool {
        !self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(3)
    }
}

/// A worker with a deadline of its own.
struct Hasty {
    worker: Arc<dyn Worker>,
    deadline: TwoOfThree,
}

#[async_trait]
impl Worker for Hasty {
    async fn handle(&self, task: &Task, _: &dyn Deadline) -> Result<()> {
        self.worker.handle(task, &self.deadline).await
    }

    async fn admit(&self, delivery: &Delivery) -> Option<Settled> {
        self.worker.admit(delivery).await
    }

    async fn settle(&self, delivery: &Delivery, handled: Result<()>) -> Settled {
        self.worker.settle(delivery, handled).await
    }

    async fn bury(&self, task: &Task, diagnostics: &str) -> Result<()> {
        self.worker.bury(task, diagnostics).await
    }
}
