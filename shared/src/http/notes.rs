//! What is known of a request while it is answered: its id, whose token it carries, and where it comes from.

use std::net::IpAddr;
use std::sync::OnceLock;

use tokio::task_local;

use crate::domain::ids::ClientId;

task_local! {
    static NOTES: Notes;
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Notes {
    request: String,
    client: OnceLock<ClientId>,
    address: Option<IpAddr>,
}

impl Notes {
    /// Runs what answers the request with this id; afterwards whose token it was.
    pub(super) async fn during<T>(
        request: String,
        address: Option<IpAddr>,
        answer: impl Future<Output = T>,
    ) -> (T, Option<ClientId>) {
        let notes = Self { request, client: OnceLock::new(), address };
        NOTES
            .scope(notes, async {
                let answer = answer.await;
                (answer, NOTES.with(|notes| notes.client.get().cloned()))
            })
            .await
    }
}

/// Notes whose token the request carries.
pub(super) fn client(client: &ClientId) {
    let _ = NOTES.try_with(|notes| notes.client.set(client.clone()));
}

/// The id of the request that is being answered, which a job keeps so that its last chunk can be traced to it.
pub fn request_id() -> Option<String> {
    NOTES.try_with(|notes| notes.request.clone()).ok()
}

/// The address that the request comes from, for limits on attempts; `None` where the host does not know it.
pub fn address() -> Option<IpAddr> {
    NOTES.try_with(|notes| notes.address).ok().flatten()
}
