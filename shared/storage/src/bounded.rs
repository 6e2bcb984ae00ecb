//! A cache with a maximum number of bytes, for values that are expensive to make and can be made again.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A map that drops its oldest entries to stay within `capacity` bytes. It does not check access: callers must check
/// that the value may be seen and is still current.
pub struct Bounded<K, V> {
    capacity: u64,
    inner: Mutex<Inner<K, V>>,
}

struct Inner<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys in the order in which they were added. Some of their entries may have been removed since.
    order: VecDeque<(u64, K)>,
    bytes: u64,
    next: u64,
}

struct Entry<V> {
    number: u64,
    bytes: u64,
    value: V,
}

impl<K: Hash + Eq + Clone, V: Clone> Bounded<K, V> {
    pub fn new(capacity: u64) -> Self {
        let inner = Inner { entries: HashMap::new(), order: VecDeque::new(), bytes: 0, next: 0 };
        Self { capacity, inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.lock().entries.get(key).map(|entry| entry.value.clone())
    }

    /// Keeps a value that needs this many bytes. A value that needs more than a quarter of the capacity is not kept.
    pub fn put(&self, key: K, value: V, bytes: u64) {
        if bytes > self.capacity / 4 {
            self.remove(&key);
            return;
        }
        let mut inner = self.lock();
        inner.remove(&key);
        while inner.bytes + bytes > self.capacity {
            let Some((number, oldest)) = inner.order.pop_front() else { break };
            if inner.entries.get(&oldest).is_some_and(|entry| entry.number == number) {
                inner.remove(&oldest);
            }
        }
        let number = inner.next;
        inner.next += 1;
        inner.bytes += bytes;
        inner.order.push_back((number, key.clone()));
        inner.entries.insert(key, Entry { number, bytes, value });
        inner.drop_removed_keys();
    }

    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }
}

impl<K: Hash + Eq, V> Inner<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Drops keys whose entries were replaced or removed, so that `order` stays small.
    fn drop_removed_keys(&mut self) {
        if self.order.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            self.order.retain(|(number, key)| entries.get(key).is_some_and(|entry| entry.number == *number));
        }
    }
}

#[cfg(test)]
mod tests;
