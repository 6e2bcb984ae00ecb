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
mod tests;
