//! The log: one line a request or task, fields dotted and stable, nothing personal.

use tracing_subscriber::EnvFilter;

/// Lines for people, as one machine wants them. `filter` is in the syntax of `RUST_LOG`.
pub fn for_people(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call is a test's; the first one counts.
    let _ = subscriber.try_init();
}

/// Lines of JSON, as log services want them.
pub fn for_machines(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_target(false)
        .try_init();
}
