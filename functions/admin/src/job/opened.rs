//! Which documents of an export staff have opened: whoever gets the whole document with one request has opened it. A document is
//! remembered by its content, so that another file of the same name is not opened yet.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::error::Result;
use domain::ids::JobId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use futures_util::{Stream, StreamExt, stream};
use http::StatusCode;
use serde_json::json;
use web::download::FileRequest;
use web::exported::FoundAttachment;

use crate::Admin;

/// The maximum number of documents that are remembered for an export.
const MAX: usize = 2_000;

impl Admin {
    /// The documents that somebody has opened, by [`FoundAttachment::etag`].
    pub(super) async fn opened(&self, job: &JobId) -> Result<BTreeSet<String>> {
        match self.expiring.get(EntryKind::OpenedDocuments, job.as_str()).await? {
            Some(entry) => entry.read(),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Marks the document as opened when its whole body is sent: not for a HEAD, a range, or a browser that has it already. The
    /// store sends a document that is too large for a response of this host, so there the redirect counts.
    pub(super) async fn marking(
        &self,
        response: Response,
        request: &FileRequest,
        job: &JobId,
        document: &FoundAttachment,
    ) -> Result<Response> {
        match response.status() {
            StatusCode::TEMPORARY_REDIRECT if request.is_whole() => {
                self.mark_opened(job, &document.etag).await?;
                Ok(response)
            }
            StatusCode::OK if request.is_whole() => {
                let (state, job, etag) = (self.clone(), job.clone(), document.etag.clone());
                let mark = async move {
                    if let Err(error) = state.mark_opened(&job, &etag).await {
                        tracing::warn!(error = %error, cause = error.causes(), "a document could not be marked as opened");
                    }
                };
                Ok(response.map(|body| Body::from_stream(before_the_end(body.into_data_stream(), mark))))
            }
            _ => Ok(response),
        }
    }

    /// Remembers that a document was opened, for as long as a review may last. Nothing is lost if two are opened at once.
    async fn mark_opened(&self, job: &JobId, document: &str) -> Result<()> {
        let (kind, key) = (EntryKind::OpenedDocuments, job.as_str());
        let expires_at = self.clock.now() + self.settings.retention.unfinished;
        for _ in 0..5 {
            let Some(entry) = self.expiring.get(kind, key).await? else {
                if self.expiring.put(kind, key, json!([document]), expires_at).await? {
                    return Ok(());
                }
                continue;
            };
            let mut opened: BTreeSet<String> = entry.read()?;
            if opened.len() >= MAX || !opened.insert(document.to_owned()) {
                return Ok(());
            }
            let entry = ExpiringEntry { value: json!(opened), expires_at, ..entry };
            if self.expiring.replace(kind, key, &entry).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The same stream, which does something when only its last piece is left. A stream that fails or is dropped before does nothing.
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
        let mark = || async { drop(marked.fetch_add(1, Ordering::SeqCst)) };
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
