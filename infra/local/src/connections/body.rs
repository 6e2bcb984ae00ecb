//! Bodies of requests and responses, which report their progress to their connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::table::Connection;

/// A request's body.
pub(super) struct Upload {
    body: Incoming,
    connection: Arc<Connection>,
}

impl Upload {
    /// Wraps a request's body. An empty body is not wrapped.
    pub(super) fn of(body: Incoming, connection: &Arc<Connection>) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        connection.body_begins();
        Body::new(Self { body, connection: connection.clone() })
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => self.connection.body_waits(),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.connection.body_brought(bytes as u64);
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.connection.body_ends(),
        }
        if self.body.is_end_stream() {
            self.connection.body_ends();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.connection.body_dropped();
    }
}

/// A response's body.
pub(super) struct Download {
    body: Body,
    connection: Option<Arc<Connection>>,
}

impl Download {
    pub(super) fn new(body: Body, connection: Option<Arc<Connection>>) -> Self {
        Self { body, connection }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(ready!(Pin::new(&mut self.body).poll_frame(context)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.response_ends();
        }
    }
}
