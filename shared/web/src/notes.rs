//! What is known of a request while it is answered: its id, whose token it carries, where it comes from, and whether a
//! cookie was looked at.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use domain::ids::ClientId;
use tokio::task_local;

task_local! {
    static NOTES: Notes;
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Notes {
    request: String,
    client: OnceLock<ClientId>,
    address: Option<IpAddr>,
    prefix: Arc<str>,
    took_cookie: AtomicBool,
}

/// What was noted of a request.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) client: Option<ClientId>,
    pub(super) took_cookie: bool,
}

impl Notes {
    /// `prefix` is the path of the public base URL.
    pub(super) fn new(request: String, address: Option<IpAddr>, prefix: Arc<str>) -> Self {
        Self { request, client: OnceLock::new(), address, prefix, took_cookie: AtomicBool::new(false) }
    }

    /// Runs what answers the request; afterwards what was noted meanwhile.
    pub(super) async fn during<T>(self, answer: impl Future<Output = T>) -> (T, Noted) {
        NOTES
            .scope(self, async {
                let answer = answer.await;
                let noted = NOTES.with(|notes| Noted {
                    client: notes.client.get().cloned(),
                    took_cookie: notes.took_cookie.load(Ordering::Relaxed),
                });
                (answer, noted)
            })
            .await
    }
}

/// Notes whose token the request carries.
pub(super) fn client(client: &ClientId) {
    let _ = NOTES.try_with(|notes| notes.client.set(client.clone()));
}

/// Notes that the answer depends on a cookie.
pub(super) fn cookie() {
    let _ = NOTES.try_with(|notes| notes.took_cookie.store(true, Ordering::Relaxed));
}

/// The id of the request that is being answered, which a job keeps so that its last chunk can be traced to it.
pub fn request_id() -> Option<String> {
    NOTES.try_with(|notes| notes.request.clone()).ok()
}

/// The address that the request comes from, for limits on attempts; `None` where the host does not know it.
pub fn address() -> Option<IpAddr> {
    NOTES.try_with(|notes| notes.address).ok().flatten()
}

/// The path of the public base URL, which links within pages begin with; mostly empty.
pub(super) fn prefix() -> String {
    NOTES.try_with(|notes| notes.prefix.to_string()).unwrap_or_default()
}
