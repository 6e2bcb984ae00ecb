//! Blocking work, outside the async threads.

use domain::error::{Error, Result, Store};

/// Runs blocking work for a store on a thread for blocking work.
pub(super) async fn blocking<T: Send + 'static>(
    store: Store,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| error.of_store(store))
}
