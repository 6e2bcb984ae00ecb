//! The reverse proxy of the emulated deployment. The emulator serves an HTTP API below a path, but clients and the links of the server need
//! it at the root of a separate address.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// The maximum size of a request's head in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Serves an API of the emulator on loopback until the process ends. Returns the port.
pub(crate) fn open(listener: TcpListener, emulator: u16, api: String) -> Result<u16, String> {
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let api = api.clone();
            thread::spawn(move || {
                // An error of one connection does not affect the others.
                let _ = pass(client, emulator, &api);
            });
        }
    });
    Ok(port)
}

/// Forwards connections to the emulator without changes, until this process ends.
pub(crate) fn forward(listener: TcpListener, emulator: u16) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || both_ways(client, TcpStream::connect(("127.0.0.1", emulator))?));
        }
    });
}

/// Forwards one request, with the path of the API before its path. The connection is closed after the response.
fn pass(mut client: TcpStream, emulator: u16, api: &str) -> std::io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 8192]);
    let end = loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let read = client.read(&mut piece)?;
        if read == 0 || head.len() > MAX_HEAD {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    };
    let body = head.split_off(end + 4);
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let mut passed = format!("{method} /_aws/execute-api/{api}/$default{target}\r\nConnection: close\r\n");
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        passed.push_str(line);
        passed.push_str("\r\n");
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", emulator))?;
    upstream.write_all(passed.as_bytes())?;
    upstream.write_all(b"\r\n")?;
    upstream.write_all(&body)?;
    both_ways(client, upstream)
}

/// Copies the rest of the request to the emulator and, at the same time, the response to the client.
fn both_ways(mut client: TcpStream, mut upstream: TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        let sent = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        sent
    });
    std::io::copy(&mut upstream, &mut client)?;
    client.shutdown(Shutdown::Both)
}
