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
            assert_eq!(marked.load(Ordering::SeqCst), usize::from(is_last), "before the last piece is sent");
        }
        assert_eq!(received, (0..pieces).collect::<Vec<_>>());
        assert_eq!(marked.swap(0, Ordering::SeqCst), 1);
    }
    let broken = stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b")), Err("lost")]);
    let received: Vec<_> = before_the_end(broken, mark()).collect().await;
    assert_eq!(received, [Ok(Bytes::from_static(b"a")), Err("lost")]);
    assert_eq!(marked.load(Ordering::SeqCst), 0);
}
