//! Runs an action when a response was sent completely.

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{Stream, StreamExt, stream};

/// Returns the response with an action that runs before the last piece of its body is sent. If the client disconnects earlier, or the body
/// ends with an error, the action does not run.
pub fn when_sent(response: Response, act: impl Future<Output = ()> + Send + 'static) -> Response {
    response.map(|body| Body::from_stream(before_the_end(body.into_data_stream(), act)))
}

/// Returns the stream with an action that runs before its last piece.
fn before_the_end<S, E>(
    pieces: S,
    act: impl Future<Output = ()> + Send,
) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Send,
{
    let begin = (pieces, None, Some(act));
    stream::unfold(begin, |(mut pieces, mut held, mut act)| async move {
        loop {
            match (pieces.next().await, held.take()) {
                (Some(Ok(next)), None) => held = Some(next),
                (Some(Ok(next)), Some(piece)) => return Some((Ok(piece), (pieces, Some(next), act))),
                (Some(Err(error)), _) => return Some((Err(error), (pieces, None, None))),
                (None, last) => {
                    if let Some(act) = act.take() {
                        act.await;
                    }
                    return last.map(|piece| (Ok(piece), (pieces, None, None)));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_document_counts_only_if_all_of_it_was_sent() {
        let marked = AtomicUsize::new(0);
        let mark = || async {
            marked.fetch_add(1, Ordering::SeqCst);
        };
        for pieces in 0..4_u8 {
            let sent = stream::iter((0..pieces).map(|piece| Ok::<_, Infallible>(Bytes::from(vec![piece]))));
            let mut stream = Box::pin(before_the_end(sent, mark()));
            let mut received = Vec::new();
            while let Some(Ok(piece)) = stream.next().await {
                received.extend_from_slice(&piece);
                let is_last = received.len() == usize::from(pieces);
                assert_eq!(
                    marked.load(Ordering::SeqCst),
                    usize::from(is_last),
                    "before the last piece is sent"
                );
            }
            assert_eq!(received, (0..pieces).collect::<Vec<_>>());
            assert_eq!(marked.swap(0, Ordering::SeqCst), 1);
        }
        let broken = stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b")), Err("lost")]);
        let received: Vec<_> = before_the_end(broken, mark()).collect().await;
        assert_eq!(received, [Ok(Bytes::from_static(b"a")), Err("lost")]);
        assert_eq!(marked.load(Ordering::SeqCst), 0);
    }
}
