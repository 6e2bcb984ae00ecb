//! A platform that dies at its n-th call, before or after the call has its effect, and stays dead. It wraps a
//! real platform, so that earlier writes are really stored. Alternatively, one store is unavailable for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use contract::FixedClock;
use domain::clock::Clock;
use domain::error::{Error, Result, Store};
use domain::ports::queue::Inbox;
use jiff::Timestamp;
use local::Local;

use crate::hooked::{self, Hook, Hooked, Made};

/// The effect of the fault on the call that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The process dies before the call has an effect.
    Before,
    /// The call has its effect, and the process dies before it gets the response.
    After,
    /// The write finds the disk full; the process lives.
    DiskFull,
    /// From this call on, every call for files fails with an internal error; the process lives.
    Defect,
}

/// The state of the fault, shared by all ports of one platform.
pub struct Faults {
    strike: Strike,
    calls_left: AtomicI64,
    struck: AtomicBool,
    outage: Option<Outage>,
}

/// A store that is unavailable until a time.
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

    /// Lets the store be unavailable from the n-th call on, until the given time; the process lives.
    pub fn outage(store: Store, call: i64, clock: FixedClock, until: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            strike: Strike::Before,
            calls_left: AtomicI64::new(call),
            struck: AtomicBool::new(false),
            outage: Some(Outage { store, clock, until }),
        })
    }

    /// Returns whether the fault occurred.
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
    /// Returns whether calls of a store are counted. Crash tests do not count calls that read records, because they change nothing; an
    /// outage includes them.
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

    /// Returns the receiving end of the queue, which fails like the sending end.
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        hooked::inbox(self.inner.inbox(), self.hook.clone())
    }
}
