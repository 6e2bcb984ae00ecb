//! A TCP stream that reports to its connection when bytes are received or sent.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::table::Connection;

pub(super) struct Watched {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// The number of bytes of a refused body that may still be read and dropped.
    drain: u64,
    /// Whether the server has closed its side.
    is_shut: bool,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>, drain: u64) -> Self {
        Self { stream, connection, drain, is_shut: false }
    }

    fn wrote(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &done {
            Poll::Ready(Ok(_)) => {
                self.connection.moved();
                self.connection.write_blocked(false);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.write_blocked(true),
        }
        done
    }

    /// Reads and drops the rest of a refused body, until the client closes the connection or a limit is reached. If the server closed the
    /// connection at once, a reset could prevent the client from receiving the response (RFC 9112, 9.6).
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 8 * 1024];
        while self.drain > 0 && self.connection.has_unread_body() {
            self.connection.drains();
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let length = buffer.filled().len() as u64;
            if length == 0 {
                break;
            }
            self.connection.moved();
            self.drain = self.drain.saturating_sub(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.connection.moved();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        self.poll_drain(context)
    }
}
