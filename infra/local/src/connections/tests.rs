//! The server closes the connections of clients that are slow or silent, that do not read, or that are too many, and continues to serve
//! other clients.

use std::net::SocketAddr;

use axum::body::Body;
use axum::routing::{get, post};
use domain::error::Error;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use web::ApiError;
use web::extract::{MAX_BODY, read_body};

use super::*;

struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
}

/// Returns limits with time-outs of a second.
fn short_limits() -> Limits {
    Limits {
        head_seconds: 1,
        body_seconds: 1,
        upload_idle_seconds: 1,
        download_idle_seconds: 1,
        stop_seconds: 0,
        ..Limits::default()
    }
}

async fn start(limits: Limits) -> Served {
    let endless =
        stream::repeat_with(|| Ok::<_, Infallible>(axum::body::Bytes::from_static(&[b'x'; 16 * 1024])));
    let app = Router::new()
        .route("/", get(async || "here"))
        .route("/endless", get(async || Body::from_stream(endless)))
        .route(
            "/read",
            post(async |body: Body| read_body(body, MAX_BODY).await.map(|_| "read").map_err(ApiError)),
        )
        .route("/refuse", post(async || ApiError(Error::TooLarge("too large".to_owned()))))
        .route("/never", get(async || std::future::pending::<()>().await));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = Shutdown::default();
    let serving = tokio::spawn(serve(listener, app, Arc::new(limits), shutdown.clone()));
    Served { address, shutdown, serving }
}

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.address).await.expect("connected")
}

/// Sends a text, reads until the server closes the connection, and returns the bytes that it sent.
async fn until_closed(served: &Served, sent: &str) -> String {
    let mut stream = connect(served).await;
    stream.write_all(sent.as_bytes()).await.expect("sent");
    let mut received = Vec::new();
    // The server may also close the connection with a reset.
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8_lossy(&received).into_owned()
}

async fn responds(served: &Served) -> bool {
    until_closed(served, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ends_with("here")
}

#[tokio::test]
async fn a_client_that_is_slow_in_any_phase_is_closed() {
    let served = start(short_limits()).await;
    let (silent, half_a_head, half_a_body, kept_alive) = tokio::join!(
        until_closed(&served, ""),
        until_closed(&served, "GET / HTTP/1.1\r\nHost: x\r\nX-A: b"),
        until_closed(&served, "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nhalf"),
        until_closed(&served, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    );
    assert_eq!((silent.as_str(), half_a_head.as_str(), half_a_body.as_str()), ("", "", ""));
    assert!(kept_alive.starts_with("HTTP/1.1 200"), "{kept_alive}");
    assert!(responds(&served).await);
}

#[tokio::test]
async fn a_client_that_does_not_read_the_response_is_closed() {
    let served = start(short_limits()).await;
    let mut stream = connect(&served).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    // The client reads nothing, and notices the end when sending fails.
    while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    assert!(responds(&served).await);
}

#[tokio::test]
async fn when_the_table_is_full_the_most_silent_connections_are_closed() {
    let served = start(Limits { connections: 16, ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(connect(&served).await);
        if silent.len() % 50 == 0 {
            assert!(responds(&served).await, "with {} silent connections", silent.len());
        }
    }
    // The first connections were closed for it.
    let mut nothing = [0];
    assert!(matches!(silent[0].read(&mut nothing).await, Ok(0) | Err(_)));
}

/// The client sends its whole body before it reads. If the server closed the connection at once, a reset would prevent the client from
/// receiving the response.
#[tokio::test]
async fn a_refused_body_is_drained_so_that_the_response_is_seen() {
    let served = start(Limits::default()).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(64 * 1024).expect("set");
    let mut stream = socket.connect(served.address).await.expect("connected");
    let length = 16 * 1024 * 1024;
    let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&vec![b'x'; length]).await.expect("the whole body is taken");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.expect("read");
    let received = String::from_utf8_lossy(&received);
    assert!(
        received.starts_with("HTTP/1.1 413") && received.contains("\r\nconnection: close\r\n"),
        "{received}"
    );
}

/// A body that was read leaves the connection open for the next request.
#[tokio::test]
async fn only_after_a_refused_body_the_response_announces_that_the_connection_closes() {
    let served = start(Limits::default()).await;
    let read = "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
    let refused = "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
    let received = until_closed(&served, &format!("{read}{read}{refused}")).await;
    let responses: Vec<_> = received.split("HTTP/1.1 ").skip(1).collect();
    let closes: Vec<_> = responses.iter().map(|response| response.contains("connection: close")).collect();
    assert_eq!(closes, [false, false, true], "{received}");
}

/// The client has sent its whole body, sends nothing more and does not close the connection.
#[tokio::test]
async fn after_a_refused_body_a_silent_client_leaves_its_slot() {
    let limits = Arc::new(Limits { body_seconds: 3_600, ..short_limits() });
    let table = Arc::new(Table::new(16, limits));
    let refuse = post(async || ApiError(Error::TooLarge("too large".to_owned())));
    let app = Router::new().route("/refuse", refuse);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut stream = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
    let (accepted, peer) = listener.accept().await.expect("accepted");
    let sweeping = tokio::spawn(sweep(table.clone()));
    let serving = tokio::spawn(connection(accepted, peer, app, table.enter()));
    stream
        .write_all(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        .await
        .expect("sent");
    let mut received = String::new();
    stream.read_to_string(&mut received).await.expect("read");
    assert!(received.starts_with("HTTP/1.1 413"), "{received}");
    let closed = tokio::time::timeout(Duration::from_secs(8), serving).await;
    closed.expect("the connection is closed in time").expect("no panic");
    assert_eq!(table.len(), 0);
    sweeping.abort();
}

#[tokio::test]
async fn a_refused_body_that_takes_too_long_is_not_read_to_its_end() {
    let served = start(Limits { upload_idle_seconds: 60, ..short_limits() }).await;
    let mut stream = connect(&served).await;
    stream
        .write_all(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
        .await
        .expect("sent");
    let sends = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), sends).await.expect("the connection is closed in time");
}

#[tokio::test]
async fn more_bytes_than_the_drain_limit_are_not_read() {
    let served = start(Limits { drain_bytes: 0, ..Limits::default() }).await;
    let mut stream = connect(&served).await;
    stream
        .write_all(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
        .await
        .expect("sent");
    while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
}

#[tokio::test]
async fn stopping_closes_all_connections() {
    let served = start(short_limits()).await;
    let silent = connect(&served).await;
    let mut open = vec![silent];
    for sent in [
        "GET / HTTP/1.1\r\nHost: x\r\nX-A: b",
        "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nhalf",
        "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = connect(&served).await;
        stream.write_all(sent.as_bytes()).await.expect("sent");
        open.push(stream);
    }
    assert!(responds(&served).await);
    served.shutdown.begin();
    served.serving.await.expect("the server ends");
    assert!(TcpStream::connect(served.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_connection_that_must_finish_completes_its_request() {
    let limits = Limits { stop_seconds: 60, ..Limits::default() };
    let served = start(limits).await;
    let mut stream = connect(&served).await;
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf").await.expect("sent");
    assert!(responds(&served).await);
    served.shutdown.begin();
    stream.write_all(b"half").await.expect("sent");
    let mut received = String::new();
    stream.read_to_string(&mut received).await.expect("read");
    assert!(received.starts_with("HTTP/1.1 200") && received.ends_with("read"), "{received}");
    served.serving.await.expect("the server ends");
}
