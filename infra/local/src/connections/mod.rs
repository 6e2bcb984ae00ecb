//! Accepts and serves HTTP connections so that strangers cannot exhaust them.
//!
//! Each connection records which phase it is in and when a byte last moved ([`table`]). Once in a while one sweep over
//! all of them closes those that broke a limit: a slow head, a slow body, a response that nobody reads. There is
//! no timer per request. When the table is full, the connection that has been silent longest is closed for a new one.

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
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use security::address::PeerAddress;
use settings::Limits;
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

use self::body::{Answer, Upload};
use self::stream::Watched;
use self::table::{Connection, Order, Table};
use crate::worker::Shutdown;

/// How often the limits are looked after.
const SWEEP: Duration = Duration::from_millis(250);
/// How long to wait after the operating system refused a connection, for want of descriptors or memory.
const REFUSED: Duration = Duration::from_millis(100);

/// Serves until the shutdown begins; then idle connections close at once, and requests have `stop_seconds` to finish.
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
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, connections = table.len(), "no connection can be accepted; the most silent ones are closed");
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

/// Whether accepting failed for a reason of the connection, which is gone.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn sweep(table: Arc<Table>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        table.sweep();
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, app: Router, place: table::Place) {
    let state = place.connection();
    // Heads and bodies leave at once: small files must not wait for the other side's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "a connection keeps its delay");
    }
    let limits = place.limits();
    let mut builder = http1::Builder::new();
    // A buffer grows to this size, and no head can be larger.
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
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.request_begins();
        let mut request = request.map(|body| Upload::of(body, &self.connection));
        request.extensions_mut().insert(PeerAddress(self.peer.ip()));
        Answering { answer: self.app.clone().call(request), connection: Some(self.connection.clone()) }
    }
}

type RouteFuture = <Router as tower::Service<Request<Body>>>::Future;

/// The response of a request, whose body tells the connection when it was sent.
struct Answering {
    answer: RouteFuture,
    connection: Option<Arc<Connection>>,
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(answer) = ready!(Pin::new(&mut self.answer).poll(context));
        let connection = self.connection.take();
        Poll::Ready(Ok(answer.map(|body| Answer::new(body, connection))))
    }
}
