//! The resources of which another version is kept.

use std::sync::atomic::{AtomicU64, Ordering};

/// A bit for each resource that was read. It is set if another version of the resource is kept.
pub(super) struct Losers(Vec<AtomicU64>);

impl Losers {
    pub(super) fn new(resources: u64) -> Self {
        Self((0..=resources / 64).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn insert(&self, number: u64) {
        if let Some(word) = self.word(number) {
            word.fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.word(number).is_some_and(|word| word.load(Ordering::Relaxed) >> (number % 64) & 1 == 1)
    }

    fn word(&self, number: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(number / 64).ok()?)
    }
}
