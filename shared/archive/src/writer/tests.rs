use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::*;

#[tokio::test]
async fn a_reader_gets_every_file_that_was_written() {
    let (sender, mut receiver) = mpsc::channel(100);
    let long = "line of text\n".repeat(20_000);
    let mut archive = Archive::new(Sink::Client(sender), civil::date(2026, 1, 2).at(3, 4, 5, 0));
    archive.text("empty.txt", "").await.expect("written");
    archive.text("long.txt", &long).await.expect("written");
    archive.begin("stored.bin", None, false);
    archive.write(b"stored").await.expect("written");
    archive.end().expect("ended");
    archive.finish(None).await.expect("finished");
    let mut bytes = Vec::new();
    while let Some(piece) = receiver.recv().await {
        bytes.extend_from_slice(&piece.expect("a piece"));
    }
    let mut read = ZipArchive::new(Cursor::new(&bytes)).expect("a ZIP");
    let mut text = |name: &str| {
        let mut text = String::new();
        read.by_name(name).expect(name).read_to_string(&mut text).expect("its bytes and its checksum");
        text
    };
    assert_eq!(text("empty.txt"), "");
    assert_eq!(text("long.txt"), long);
    assert_eq!(text("stored.bin"), "stored");
    let sums = text("SHA256SUMS");
    let names: Vec<_> = sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    assert_eq!(names, ["empty.txt", "long.txt", "stored.bin"]);
    assert!(bytes.len() < long.len() / 2, "text is compressed");
}

#[tokio::test]
async fn a_file_that_grew_after_it_was_announced_is_an_error() {
    let (sender, _receiver) = mpsc::channel(100);
    let mut archive = Archive::new(Sink::Client(sender), civil::date(2026, 1, 2).at(3, 4, 5, 0));
    archive.begin("file", Some(1), false);
    archive.open.as_mut().expect("a file").entry.size = 5 << 30;
    assert!(archive.end().is_err(), "its sizes do not fit into its records");
}
