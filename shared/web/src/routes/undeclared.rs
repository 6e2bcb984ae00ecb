//! The addresses that no function declares.

use axum::Router;
use axum::handler::Handler;
use axum::routing::any;

/// Returns a router for all addresses below `path` that no route has. They are not routes: the log, the OpenAPI document and the tests
/// of all routes do not contain them.
pub fn undeclared<H, T, S>(path: &str, handler: H) -> Router<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    Router::new().route(&format!("{path}/{{*undeclared}}"), any(handler))
}
