//! The open connections: the phase of each, the start of the phase, and the limit that it exceeds.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use settings::Limits;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The time without any byte after which a connection with a request may be closed for a new one.
const STALLED_MS: u64 = 5_000;
/// The time without any byte after which the rest of a refused body is no longer awaited. The client may have sent the whole body already,
/// and keep the connection open: without this limit, its slot would be occupied for `upload_idle_seconds`.
const DRAIN_IDLE_MS: u64 = 10_000;
/// The time after which a full table searches again for connections to close.
const SEARCH_INTERVAL: Duration = Duration::from_millis(250);

/// An order to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Finish the current request, and accept no other.
    Finish = 1,
    /// Close at once, even in the middle of a request.
    Close = 2,
}

/// The milliseconds between the creation of the table and the last sweep. Reading this value is cheap.
type CoarseClock = Arc<AtomicU64>;

/// The phase of one connection, and its times.
pub(super) struct Connection {
    clock: CoarseClock,
    /// The time at which the current request, or the wait for the next head, began.
    since: AtomicU64,
    /// The time at which a byte was last received or sent.
    moved: AtomicU64,
    /// Whether there is a request whose response is not sent completely.
    busy: AtomicBool,
    /// Whether the handler waits for more bytes of the body.
    wants_body: AtomicBool,
    /// Whether the body is not read to its end yet.
    body_open: AtomicBool,
    /// The number of bytes of the body that were read.
    body_bytes: AtomicU64,
    /// Whether the client does not read the bytes that were sent.
    write_blocked: AtomicBool,
    /// Whether the rest of a refused body is being read and dropped.
    draining: AtomicBool,
    order: AtomicU8,
    ordered: Notify,
}

impl Connection {
    fn new(clock: CoarseClock) -> Self {
        let now = clock.load(Relaxed);
        Self {
            clock,
            since: AtomicU64::new(now),
            moved: AtomicU64::new(now),
            busy: AtomicBool::new(false),
            wants_body: AtomicBool::new(false),
            body_open: AtomicBool::new(false),
            body_bytes: AtomicU64::new(0),
            write_blocked: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            order: AtomicU8::new(0),
            ordered: Notify::new(),
        }
    }

    fn restart(&self) {
        let now = self.clock.load(Relaxed);
        self.since.store(now, Relaxed);
        self.moved.store(now, Relaxed);
    }

    pub(super) fn request_begins(&self) {
        self.restart();
        self.busy.store(true, Relaxed);
        self.body_open.store(false, Relaxed);
    }

    pub(super) fn response_ends(&self) {
        self.restart();
        self.busy.store(false, Relaxed);
    }

    pub(super) fn body_begins(&self) {
        self.body_bytes.store(0, Relaxed);
        self.body_open.store(true, Relaxed);
    }

    pub(super) fn body_waits(&self) {
        self.wants_body.store(true, Relaxed);
    }

    pub(super) fn body_brought(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Relaxed);
        self.wants_body.store(false, Relaxed);
    }

    pub(super) fn body_ends(&self) {
        self.wants_body.store(false, Relaxed);
        self.body_open.store(false, Relaxed);
    }

    /// Records that the handler will not read the rest of the body.
    pub(super) fn body_dropped(&self) {
        self.wants_body.store(false, Relaxed);
    }

    pub(super) fn moved(&self) {
        self.moved.store(self.clock.load(Relaxed), Relaxed);
    }

    pub(super) fn write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
    }

    /// Returns whether the client may still send a body that was not read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.body_open.load(Relaxed)
    }

    pub(super) fn drains(&self) {
        if !self.draining.swap(true, Relaxed) {
            self.restart();
        }
    }

    fn send(&self, order: Order) {
        self.order.fetch_max(order as u8, Relaxed);
        self.ordered.notify_one();
    }

    /// Waits for an order.
    pub(super) async fn ordered(&self) -> Order {
        self.ordered.notified().await;
        if self.order.load(Relaxed) == Order::Close as u8 { Order::Close } else { Order::Finish }
    }

    /// Returns the name of the limit that the connection exceeds, for the log.
    fn broken_limit(&self, now: u64, limits: &Limits) -> Option<&'static str> {
        let age = now.saturating_sub(self.since.load(Relaxed));
        let silence = now.saturating_sub(self.moved.load(Relaxed));
        if self.draining.load(Relaxed) {
            if silence > DRAIN_IDLE_MS.min(limits.upload_idle_seconds * 1_000) {
                return Some("upload_idle_seconds");
            }
            return (age > limits.body_seconds * 1_000).then_some("body_seconds");
        }
        if self.write_blocked.load(Relaxed) {
            return (silence > limits.download_idle_seconds * 1_000).then_some("download_idle_seconds");
        }
        if !self.busy.load(Relaxed) {
            return (age > limits.head_seconds * 1_000).then_some("head_seconds");
        }
        if self.wants_body.load(Relaxed) {
            let earned = self.body_bytes.load(Relaxed).saturating_mul(1_000) / limits.body_bytes_per_second;
            if silence > limits.upload_idle_seconds * 1_000 {
                return Some("upload_idle_seconds");
            }
            return (age > limits.body_seconds * 1_000 + earned).then_some("body_seconds");
        }
        None
    }

    /// Returns the milliseconds since the last byte; `None` if the connection must not be closed for a new one.
    fn silence(&self, now: u64) -> Option<u64> {
        let silence = now.saturating_sub(self.moved.load(Relaxed));
        (!self.busy.load(Relaxed) || silence > STALLED_MS).then_some(silence)
    }
}

/// All open connections.
pub(super) struct Table {
    capacity: usize,
    limits: Arc<Limits>,
    begun: Instant,
    clock: CoarseClock,
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

impl Table {
    pub(super) fn new(capacity: usize, limits: Arc<Limits>) -> Self {
        Self {
            capacity,
            limits,
            begun: Instant::now(),
            clock: CoarseClock::default(),
            open: Mutex::default(),
            left: Notify::new(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.open().connections.len()
    }

    pub(super) fn enter(self: &Arc<Self>) -> ConnectionSlot {
        let connection = Arc::new(Connection::new(self.clock.clone()));
        let mut open = self.open();
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, connection.clone());
        ConnectionSlot { id, connection, table: self.clone() }
    }

    /// Waits until one more connection may be opened. If the table is full, closes silent connections.
    pub(super) async fn room(&self) {
        loop {
            let left = self.left.notified();
            if self.len() < self.capacity {
                return;
            }
            self.close_silent();
            let _ = tokio::time::timeout(SEARCH_INTERVAL, left).await;
        }
    }

    /// Closes the connections that have been silent longest, up to a twentieth of the table's size. Closing many after one search limits
    /// the number of searches when very many clients connect.
    pub(super) fn close_silent(&self) {
        let now = self.clock.load(Relaxed);
        let open = self.open();
        let mut silent: Vec<_> = open
            .connections
            .values()
            .filter(|connection| connection.order.load(Relaxed) != Order::Close as u8)
            .filter_map(|connection| Some((connection.silence(now)?, connection)))
            .collect();
        let count = (self.capacity / 20).max(1).min(silent.len());
        if count == 0 {
            return;
        }
        silent.select_nth_unstable_by_key(count - 1, |(silence, _)| std::cmp::Reverse(*silence));
        for (_, connection) in &silent[..count] {
            connection.send(Order::Close);
        }
        tracing::debug!(
            closed = count,
            open = open.connections.len(),
            "closed silent connections, because the table is full"
        );
    }

    /// Closes the connections that exceed a limit.
    pub(super) fn sweep(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.clock.store(now, Relaxed);
        for connection in self.open().connections.values() {
            if let Some(limit) = connection.broken_limit(now, &self.limits) {
                tracing::debug!(limit, "closed a connection that exceeded a limit");
                connection.send(Order::Close);
            }
        }
    }

    /// Closes idle connections at once, and the others when their request ends or after `stop_seconds`.
    pub(super) async fn stop(&self) {
        self.send_to_all(Order::Finish);
        let patience = Duration::from_secs(self.limits.stop_seconds);
        if tokio::time::timeout(patience, self.emptied()).await.is_err() {
            tracing::warn!(
                connections = self.len(),
                "the time to stop is over, and open requests were ended; clients can resume downloads"
            );
            self.send_to_all(Order::Close);
            let _ = tokio::time::timeout(Duration::from_secs(1), self.emptied()).await;
        }
    }

    async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            left.await;
        }
    }

    fn send_to_all(&self, order: Order) {
        self.open().connections.values().for_each(|connection| connection.send(order));
    }
}

/// A connection's slot in the table, which it leaves when it is dropped.
pub(super) struct ConnectionSlot {
    id: u64,
    connection: Arc<Connection>,
    table: Arc<Table>,
}

impl ConnectionSlot {
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.table.limits
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.open().connections.remove(&self.id);
        self.table.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
