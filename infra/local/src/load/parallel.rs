//! Work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Failure;

/// Calls `each` for each of `0..count` on several threads. Returns the state of each thread, which `begin` creates.
pub(super) fn parallel<W: Send>(
    workers: usize,
    count: usize,
    begin: impl Fn() -> W + Sync,
    each: impl Fn(&mut W, usize) -> Result<(), Failure> + Sync,
) -> Result<Vec<W>, Failure> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worker = begin();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(worker);
            }
            if let Err(failure) = each(&mut worker, index) {
                // The other threads stop after their current call.
                next.store(count, Ordering::Relaxed);
                return Err(failure);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.clamp(1, count.max(1))).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|done| done.unwrap_or_else(|_| Err(Failure::new("a thread of the loader failed"))))
            .collect()
    })
}
