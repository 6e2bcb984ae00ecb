//! Finds out the type of a document by its content. Its name and its media type are ignored, because anybody can choose them. A
//! browser shows only types that run nothing; everything else is downloaded.

/// The number of bytes at the beginning of a document that decide its type.
pub(super) const HEAD: u64 = 4 * 1024;

/// Returns the media type of a document that a browser may show; `None` if the document is only downloaded: HTML, SVG, XML and everything
/// unknown.
pub(super) fn shown_as(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 5] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
    ];
    let known = SIGNATURES.into_iter().find(|(signature, _)| head.starts_with(signature));
    if let Some((_, media_type)) = known {
        return Some(media_type);
    }
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    is_plain_text(head).then_some("text/plain; charset=utf-8")
}

/// A text that contains one of these anywhere is markup.
const MARKUP: [&str; 5] = ["<script", "<html", "<svg", "<?xml", "<!doctype"];

/// Returns whether the bytes are text without control characters and without markup. The last character may be cut.
fn is_plain_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_control = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let lower = start.to_ascii_lowercase();
    let is_markup = start.starts_with('<') || MARKUP.iter().any(|tag| lower.contains(tag));
    !start.is_empty() && !is_markup && !text.contains(is_control)
}

#[cfg(test)]
mod tests;
