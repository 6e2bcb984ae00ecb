use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn response(codings: &[&str], body: Vec<u8>) -> Response {
    let mut response = http::Response::builder();
    for coding in codings {
        response = response.header(CONTENT_ENCODING, *coding);
    }
    response.body(body).expect("a response").into()
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("compressed")
}

#[test]
fn only_codings_that_can_be_decoded_are_accepted() {
    let coding_of =
        |codings: &[&str]| coding(&response(codings, Vec::new())).map_err(|failure| failure.to_string());
    assert_eq!(coding_of(&[]), Ok(Coding::Identity));
    assert_eq!(coding_of(&["identity"]), Ok(Coding::Identity));
    assert_eq!(coding_of(&["GZIP"]), Ok(Coding::Gzip));
    assert_eq!(coding_of(&["x-gzip, identity"]), Ok(Coding::Gzip));
    for codings in [&["br"][..], &["gzip, gzip"], &["gzip", "aws-chunked"], &["zstd"]] {
        assert!(coding_of(codings).is_err_and(|text| text.contains("Content-Encoding")), "{codings:?}");
    }
}

/// Receives a body; returns the content of the file, and the reason why it is not the expected one.
async fn received(coding: Coding, body: Vec<u8>, size: Option<u64>) -> (Vec<u8>, Option<String>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("part");
    std::fs::write(&path, "ab").expect("written");
    let is_continued = coding == Coding::Identity;
    let part = Part { path: &path, is_continued, size };
    let failure = part.receive(response(&[], body), coding, &ProgressBar::hidden()).await.expect("received");
    (std::fs::read(&path).expect("a file"), failure.map(|failure| failure.to_string()))
}

#[tokio::test]
async fn a_body_continues_the_file_up_to_its_size() {
    assert_eq!(received(Coding::Identity, b"cd".to_vec(), None).await, (b"abcd".to_vec(), None));
    assert_eq!(received(Coding::Identity, b"cd".to_vec(), Some(4)).await, (b"abcd".to_vec(), None));
    let (_, failure) = received(Coding::Identity, b"cde".to_vec(), Some(4)).await;
    assert!(failure.is_some_and(|text| text.contains("more bytes were received")));
}

#[tokio::test]
async fn a_compressed_body_is_decoded_up_to_the_size_of_the_file() {
    let zeros = vec![b'0'; 100_000];
    let whole = compressed(&zeros);
    assert_eq!(received(Coding::Gzip, whole.clone(), Some(100_000)).await, (zeros.clone(), None));
    let (text, failure) = received(Coding::Gzip, whole.clone(), Some(1000)).await;
    assert!(failure.is_some_and(|text| text.contains("more bytes were received")) && text.len() <= 1000);
    let cut = whole[..whole.len() - 4].to_vec();
    for damaged in [cut, b"not compressed".to_vec(), Vec::new()] {
        let (_, failure) = received(Coding::Gzip, damaged, None).await;
        assert_eq!(failure.as_deref(), Some("the compressed response of the server is damaged"));
    }
    let two = [compressed(b"a\n"), compressed(b"b\n")].concat();
    assert_eq!(received(Coding::Gzip, two, None).await, (b"a\nb\n".to_vec(), None));
}
