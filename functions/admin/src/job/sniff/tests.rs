use super::*;

#[test]
fn only_content_that_cannot_run_scripts_is_shown() {
    for (head, expected) in [
        (&b"%PDF-1.7\n"[..], Some("application/pdf")),
        (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
        (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
        (b"GIF89a", Some("image/gif")),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Some("image/webp")),
        (b"day,systolic\n2020-01-01,120\n", Some("text/plain; charset=utf-8")),
        ("año".as_bytes(), Some("text/plain; charset=utf-8")),
        (&"año".as_bytes()[..2], Some("text/plain; charset=utf-8")),
        (b"<html><script>alert(1)</script>", None),
        (b"  \n<!doctype html>", None),
        (b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"<?xml version=\"1.0\"?>", None),
        (b"text <SCRIPT>", None),
        (b"glucose <5", Some("text/plain; charset=utf-8")),
        (b" %PDF-1.7", Some("text/plain; charset=utf-8")),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"PK\x03\x04", None),
        (b"\xff\xfe<\x00h\x00", None),
        (b"a\x1bb", None),
        (b"", None),
    ] {
        assert_eq!(shown_as(head), expected, "{}", String::from_utf8_lossy(head));
    }
}
