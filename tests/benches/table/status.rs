//! Status requests per second over 50 connections, compared with a bare route with a constant response: the same
//! client, the same runtime, the same run.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::latency::{serve, token};
use crate::{Aim, Row, Scale, directory, runtime};

const CONNECTIONS: usize = 50;

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let (lake, state) = (directory(), directory());
    ehi::sample::write(1, 1, lake.path(), &indicatif::ProgressBar::hidden()).expect("a sample");
    let length = Duration::from_secs(scale.of(5, 2));
    runtime().block_on(async {
        let (server, base, platform) = serve(lake.path(), state.path()).await;
        let members = platform.records().members(None, 1).await.expect("a patient").members;
        let patient = members[0].patient.to_string();
        let token = token(&platform, &patient, "bench");
        let job = async |prefix: &str| {
            let url = format!("{base}{prefix}/fhir/Patient/{patient}/$ehi-export");
            let response =
                reqwest::Client::new().post(url).bearer_auth(&token).send().await.expect("a response");
            response.headers()["content-location"]
                .to_str()
                .expect("a URL")
                .strip_prefix(&base)
                .expect("ours")
                .to_owned()
        };
        let (waiting, complete) = (job("").await, job("/auto-approve/no-form").await);
        let address = server.address;
        let bare = bare().await;
        let request = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
        };
        // The targets take turns, so that the state of the machine affects all of them alike. The best of each counts.
        let mut best = [0.0_f64; 4];
        for _ in 0..3 {
            for (best, (address, path)) in best.iter_mut().zip([
                (bare, "/constant"),
                (address, &waiting),
                (address, &complete),
                (address, "/fhir/metadata"),
            ]) {
                *best = best.max(load(address, request(path), length / 3).await);
            }
        }
        server.stop().await.expect("stopped");
        [
            ("status while it waits (202)", best[1], 0.50),
            ("status when it is complete (200, manifest)", best[2], 0.30),
            ("`/fhir/metadata`", best[3], 0.50),
        ]
        .into_iter()
        .map(|(what, rate, aim)| Row {
            what: format!("{what}, {CONNECTIONS} connections"),
            measured: format!("{rate:.0}/s"),
            yardstick: format!("bare route: {:.0}/s", best[0]),
            ratio: Some(rate / best[0]),
            aim: Aim::ratio_at_least(aim, rate / best[0]),
        })
        .collect()
    })
}

/// Serves a route with a constant response.
async fn bare() -> std::net::SocketAddr {
    use axum::serve::ListenerExt;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let app = Router::new().route("/constant", get(async || "constant"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Returns requests per second, sent one after the other on each connection.
async fn load(address: std::net::SocketAddr, request: String, length: Duration) -> f64 {
    let until = Instant::now() + length;
    let started = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.set_nodelay(true).expect("set");
            let (mut responses, mut buffer) = (0_u32, Vec::with_capacity(16 * 1024));
            while Instant::now() < until {
                stream.write_all(request.as_bytes()).await.expect("sent");
                read_response(&mut stream, &mut buffer).await;
                responses += 1;
            }
            responses
        })
    });
    let responses: u32 = join_all(clients).await.into_iter().map(|count| count.expect("a client")).sum();
    f64::from(responses) / started.elapsed().as_secs_f64()
}

/// Reads one response: its head, and the number of bytes that the head states.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.expect("read") > 0, "the connection stays open");
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).expect("ASCII");
        assert!(text.starts_with("HTTP/1.1 2"), "{text}");
        let length = text
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        while buffer.len() < head + 4 + length.unwrap_or(0) {
            assert!(stream.read_buf(buffer).await.expect("read") > 0, "the connection stays open");
        }
        return;
    }
}
