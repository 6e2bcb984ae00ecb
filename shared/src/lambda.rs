//! The cold start of every Lambda: connect the platform, make the router or worker, serve.

use std::sync::Arc;

use axum::Router;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::http::host::host;
use crate::platform::Platform;
use crate::telemetry;

pub use lambda_http::Error;

/// Serves a function's router on the Lambda runtime.
pub async fn serve(router: fn(&dyn Platform) -> Router) -> Result<(), Error> {
    let platform = connect()?;
    lambda_http::run(host(router(&*platform), &*platform)).await
}

/// Runs a scheduled function on the Lambda runtime.
pub async fn schedule<F>(run: fn(Arc<dyn Platform>) -> F) -> Result<(), Error>
where
    F: Future<Output = crate::error::Result<()>>,
{
    let platform = connect()?;
    let handler = |_: LambdaEvent<Value>| async { run(platform.clone()).await.map_err(Error::from) };
    lambda_runtime::run(service_fn(handler)).await
}

/// Runs a queue worker on the Lambda runtime.
pub async fn consume(worker: fn(&dyn Platform) -> Arc<dyn crate::ports::queue::Worker>) -> Result<(), Error> {
    let platform = connect()?;
    let worker = worker(&*platform);
    let handler = |event: LambdaEvent<Value>| {
        let worker = worker.clone();
        async move {
            let task = serde_json::from_value(event.payload)?;
            worker.handle(&task, &crate::ports::queue::NoDeadline).await.map_err(Error::from)
        }
    };
    lambda_runtime::run(service_fn(handler)).await
}

/// The platform of the functions on AWS. Its adapters are not part of this build, so a function refuses to start.
fn connect() -> Result<Arc<dyn Platform>, Error> {
    telemetry::for_machines("info");
    Err("this build has no AWS adapters: run the server on one machine with `ehi serve`".into())
}
