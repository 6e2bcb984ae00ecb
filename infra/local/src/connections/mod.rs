//! Accepts and serves HTTP connections, with limits so that slow or silent clients cannot occupy all of them.
//!
//! Each connection records its phase and the time at which a byte was last received or sent ([`table`]). A periodic sweep closes the
//! connections that exceed a limit: a slow head, a slow body, or a response that the client does not read. Therefore no request needs a
//! timer. When the table is full, the server closes the connections that have been silent longest, so that it can accept new ones.

mod body;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use security::address::PeerAddress;
use settings::Limits;
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

use self::body::{Download, Upload};
use self::stream::Watched;
use self::table::{Connection, Order, Table};
use crate::worker::Shutdown;

/// The time between two checks of the limits.
const SWEEP: Duration = Duration::from_millis(250);
/// The pause after the operating system has refused a connection, for example because no descriptors or memory are left.
const REFUSED: Duration = Duration::from_millis(100);

/// Serves until the shutdown begins. Then idle connections are closed at once, and requests have `stop_seconds` to finish.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: Arc<Limits>, shutdown: Shutdown) {
    let table = Arc::new(Table::new(crate::descriptors::connections(&limits), limits));
    let sweeping = tokio::spawn(sweep(table.clone()));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => break,
            accepted = accept(&listener, &table) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => drop(tokio::spawn(connection(stream, peer, app.clone(), table.enter()))),
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, connections = table.len(), "cannot accept a connection; closing the connections that have been silent longest");
                table.close_silent();
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    table.stop().await;
    sweeping.abort();
}

async fn accept(listener: &TcpListener, table: &Table) -> io::Result<(TcpStream, SocketAddr)> {
    table.room().await;
    listener.accept().await
}

/// Returns whether accepting failed because the client has closed the connection or a signal interrupted the call.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn sweep(table: Arc<Table>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        table.sweep();
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, slot: table::ConnectionSlot) {
    let state = slot.connection();
    // Without this option, small files would wait for delayed acknowledgements of the client.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "TCP_NODELAY could not be set for a connection");
    }
    let limits = slot.limits();
    let mut builder = http1::Builder::new();
    // The maximum size of the buffer is also the limit of a head.
    builder.max_buf_size(usize::try_from(limits.head_bytes).unwrap_or(usize::MAX));
    let stream = Watched::new(stream, state.clone(), limits.drain_bytes);
    let served =
        builder.serve_connection(TokioIo::new(stream), Requests { app, peer, connection: state.clone() });
    tokio::pin!(served);
    loop {
        tokio::select! {
            biased;
            done = served.as_mut() => {
                if let Err(error) = done {
                    tracing::debug!(error = %error, "a connection ended");
                }
                return;
            }
            order = state.ordered() => match order {
                Order::Finish => served.as_mut().graceful_shutdown(),
                Order::Close => return,
            },
        }
    }
}

/// The requests of one connection.
struct Requests {
    app: Router,
    peer: SocketAddr,
    connection: Arc<Connection>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Download>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.request_begins();
        let mut request = request.map(|body| Upload::of(body, &self.connection));
        request.extensions_mut().insert(PeerAddress(self.peer.ip()));
        ResponseFuture { routed: self.app.clone().call(request), connection: Some(self.connection.clone()) }
    }
}

type RouteFuture = <Router as tower::Service<Request<Body>>>::Future;

/// The response to a request. Its body notifies the connection when it is sent completely.
struct ResponseFuture {
    routed: RouteFuture,
    connection: Option<Arc<Connection>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<Download>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut response) = ready!(Pin::new(&mut self.routed).poll(context));
        let connection = self.connection.take();
        // The connection cannot be used again, because the rest of the body is read and dropped until the client closes it.
        if connection.as_ref().is_some_and(|connection| connection.has_unread_body()) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| Download::new(body, connection))))
    }
}
