//! A platform that dies at its n-th call, before or after doing what it was asked, and stays dead. It wraps a
//! real one, so that what was stored before is really there. Or one store that does not answer for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use contract::FixedClock;
use domain::clock::Clock;
use domain::error::{Error, Result, Store};
use domain::ports::queue::Inbox;
use jiff::Timestamp;
use local::Local;

use crate::hooked::{self, Hook, Hooked, Made};

/// What the fault does to the call that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The process dies before the call did anything.
    Before,
    /// The call did its work, and the process dies before it hears so.
    After,
    /// Writing finds the disk full; nothing dies.
    DiskFull,
    /// From then on every call for files ends in a defect of ours; nothing dies.
    Defect,
}

/// Shared by all ports of one platform.
pub struct Faults {
    strike: Strike,
    calls_left: AtomicI64,
    struck: AtomicBool,
    outage: Option<Outage>,
}

/// A store that does not answer until then.
struct Outage {
    store: Store,
    clock: FixedClock,
    until: Timestamp,
}

impl Faults {
    pub fn at(call: i64, strike: Strike) -> Arc<Self> {
        Arc::new(Self {
            strike,
            calls_left: AtomicI64::new(call),
            struck: AtomicBool::new(false),
            outage: None,
        })
    }

    /// From the call on, the store does not answer until the time has come; nothing dies.
    pub fn outage(store: Store, call: i64, clock: FixedClock, until: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            strike: Strike::Before,
            calls_left: AtomicI64::new(call),
            struck: AtomicBool::new(false),
            outage: Some(Outage { store, clock, until }),
        })
    }

    /// Whether the fault came.
    pub fn has_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }

    async fn strike<T>(&self, made: Made, call: impl Future<Output = Result<T>>) -> Result<T> {
        let Made { store, writes } = made;
        if let Some(outage) = &self.outage {
            let is_down = outage.store == store
                && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0
                && outage.clock.now() < outage.until;
            if is_down {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::unavailable("no route to the store").of_store(store));
            }
            return call.await;
        }
        if self.strike == Strike::DiskFull {
            if writes && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)));
            }
            return call.await;
        }
        if self.strike == Strike::Defect {
            if store == Store::Files && self.calls_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
                self.struck.store(true, Ordering::SeqCst);
                return Err(Error::internal("a defect"));
            }
            return call.await;
        }
        if self.has_struck() {
            return Err(dead());
        }
        if self.calls_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return call.await;
        }
        self.struck.store(true, Ordering::SeqCst);
        if self.strike == Strike::After {
            call.await?;
        }
        Err(dead())
    }
}

fn dead() -> Error {
    Error::unavailable("the process died here")
}

impl Hook for Faults {
    /// Reading records is no call of the crash tests, which count those that change something; it is one of an outage.
    fn follows(&self, store: Store) -> bool {
        store != Store::Records || self.outage.is_some()
    }

    async fn call<T: Send>(&self, made: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.strike(made, call).await
    }
}

/// See the [module](self).
pub type Faulty = Hooked<Local, Faults>;

impl Faulty {
    pub fn new(inner: Local, faults: Arc<Faults>) -> Self {
        Self { inner: Arc::new(inner), hook: faults }
    }

    /// The receiving end of the queue, which fails as the sending one does.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        hooked::inbox(self.inner.inbox(), self.hook.clone())
    }
}
