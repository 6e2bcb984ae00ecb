//! Adds a tag to `meta.tag` of a line.

use std::ops::Range;

use crate::head::Members;
use crate::json;

/// Returns the line with one more tag, which is the JSON text of a Coding. All other bytes stay as they are.
pub fn tagged(line: &[u8], members: &Members<'_>, tag: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(line.len() + tag.len() + 32);
    match members.get(b"meta") {
        Some(meta) => {
            written.extend_from_slice(&line[..meta.start]);
            write_meta(line, meta.clone(), tag, &mut written);
            written.extend_from_slice(&line[meta.end..]);
        }
        None => {
            let start = line.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
            written.extend_from_slice(&line[..start]);
            written.extend_from_slice(format!("\"meta\":{{\"tag\":[{tag}]}},").as_bytes());
            written.extend_from_slice(&line[start..]);
        }
    }
    written
}

/// Writes `meta` with one more tag. A `meta` that is not an object is replaced. A `tag` that is an object becomes part of
/// the list; any other `tag` that is not a list is replaced.
pub(super) fn write_meta(line: &[u8], meta: Range<usize>, tag: &str, written: &mut Vec<u8>) {
    let whole = format!("\"tag\":[{tag}]");
    if line[meta.start] != b'{' {
        return written.extend_from_slice(format!("{{{whole}}}").as_bytes());
    }
    let mut insert = |place: Range<usize>, text: String| {
        written.extend_from_slice(&line[meta.start..place.start]);
        written.extend_from_slice(text.as_bytes());
        written.extend_from_slice(&line[place.end..meta.end]);
    };
    let separator = |value: Range<usize>| if json::is_empty(line, value) { "" } else { "," };
    match json::member(line, meta.clone(), b"tag") {
        Some(tags) if line[tags.start] == b'[' => {
            let at = tags.start + 1;
            insert(at..at, format!("{tag}{}", separator(tags)));
        }
        Some(tags) if line[tags.start] == b'{' => {
            let known = String::from_utf8_lossy(&line[tags.clone()]);
            insert(tags, format!("[{tag},{known}]"));
        }
        Some(tags) => insert(tags, format!("[{tag}]")),
        None => {
            let at = meta.start + 1;
            insert(at..at, format!("{whole}{}", separator(meta.clone())));
        }
    }
}

#[cfg(test)]
mod tests;
