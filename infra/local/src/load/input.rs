//! Reads resources out of files: a line each of NDJSON, or the entries of Bundles, pretty-printed as well. Never
//! more than one resource is held.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use shared::fhir::MAX_LINE;
use shared::fhir::head::{Plain, head, object};
use shared::fhir::json;

use crate::Failure;

/// What stands at a place of a file.
pub(super) enum Found<'a> {
    Resource { text: &'a [u8], full_url: Option<&'a str> },
    Unusable(String),
}

type Take<'t> = &'t mut dyn FnMut(u64, Found<'_>) -> Result<(), Failure>;

/// Shows every resource of a file with the line on which it begins.
pub(super) fn read(path: &Path, bar: &ProgressBar, take: Take<'_>) -> Result<(), Failure> {
    let name = path.to_string_lossy();
    let file = bar.wrap_read(File::open(path)?);
    let plain: Box<dyn Read> = if name.ends_with(".gz") {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    let reader = BufReader::with_capacity(256 * 1024, plain);
    if name.trim_end_matches(".gz").ends_with(".ndjson") {
        lines(reader, take)
    } else {
        objects(reader, take)
    }
}

/// NDJSON: what is wrong with one line says nothing of the next.
fn lines(mut reader: impl BufRead, take: Take<'_>) -> Result<(), Failure> {
    let (mut number, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let read = reader.by_ref().take(MAX_LINE as u64 + 2).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        let line = json::without_mark(text.trim_ascii()).trim_ascii();
        if text.len() > MAX_LINE + 1 && !text.ends_with(b"\n") {
            take(number, Found::Unusable("longer than 16 MiB".to_owned()))?;
            skip_line(&mut reader)?;
        } else if !line.is_empty() {
            resource_or_bundle(line, number, take)?;
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> Result<(), Failure> {
    loop {
        let available = reader.fill_buf()?;
        let (length, ended) = match memchr::memchr(b'\n', available) {
            Some(at) => (at + 1, true),
            None => (available.len(), available.is_empty()),
        };
        reader.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// A whole resource in memory; a Bundle is shown as its entries.
fn resource_or_bundle(text: &[u8], line: u64, take: Take<'_>) -> Result<(), Failure> {
    let mut plain = Plain::default();
    match head(text, &mut plain) {
        Ok(head) if head.resource_type == "Bundle" => {
            let mut entries = Vec::new();
            if let Some(value) = json::member(head.text, 0..head.text.len(), b"entry") {
                json::elements(head.text, value, |entry| entries.push(entry));
            }
            entries.into_iter().try_for_each(|range| entry(&head.text[range], line, take))
        }
        Ok(_) => take(line, Found::Resource { text, full_url: None }),
        Err(reason) => take(line, Found::Unusable(reason.to_string())),
    }
}

/// An entry of a Bundle. One without a resource, such as a deletion, has nothing to load.
fn entry(text: &[u8], line: u64, take: Take<'_>) -> Result<(), Failure> {
    let mut plain = Plain::default();
    let (text, members) = match object(text, &mut plain) {
        Ok(read) => read,
        Err(reason) => return take(line, Found::Unusable(reason.to_string())),
    };
    let full_url = members.get(b"fullUrl").and_then(|value| json::string(text, value));
    match members.get(b"resource") {
        Some(resource) => {
            take(line, Found::Resource { text: &text[resource], full_url: full_url.as_deref() })
        }
        None => Ok(()),
    }
}

/// JSON objects one after the other, each a resource or a Bundle of any size.
fn objects(reader: impl BufRead, take: Take<'_>) -> Result<(), Failure> {
    let mut scan = Scan { reader, line: 1 };
    loop {
        match scan.next_significant()? {
            None => return Ok(()),
            // A byte order mark.
            Some(0xef | 0xbb | 0xbf) => {
                scan.bump()?;
            }
            Some(b'{') => scan.object(take)?,
            Some(_) => return take(scan.line, Found::Unusable("not a JSON object".to_owned())),
        }
    }
}

/// What a top-level object is, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Bundle,
    Resource,
}

/// What an object is that has such an entry (FHIR R4: `Bundle.entry`, `List.entry`).
fn kind_by_entry(text: &[u8]) -> Kind {
    let mut plain = Plain::default();
    let Ok((_, members)) = object(text, &mut plain) else { return Kind::Unknown };
    let has = |names: &[&str]| names.iter().any(|name| members.get(name.as_bytes()).is_some());
    if has(&["resource", "fullUrl", "request", "response", "search"]) {
        Kind::Bundle
    } else if has(&["item", "flag", "deleted", "date"]) {
        Kind::Resource
    } else {
        Kind::Unknown
    }
}

/// Reads JSON byte by byte, keeping what is asked for without the white space.
struct Scan<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Scan<R> {
    fn peek(&mut self) -> Result<Option<u8>, Failure> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn bump(&mut self) -> Result<Option<u8>, Failure> {
        let byte = self.peek()?;
        if byte == Some(b'\n') {
            self.line += 1;
        }
        if byte.is_some() {
            self.reader.consume(1);
        }
        Ok(byte)
    }

    fn next_significant(&mut self) -> Result<Option<u8>, Failure> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.bump()?;
        }
        Ok(None)
    }

    /// A top-level object: the entries of a Bundle one by one, anything else as a whole.
    fn object(&mut self, take: Take<'_>) -> Result<(), Failure> {
        let first_line = self.line;
        let mut kept = Vec::new();
        self.bump()?;
        kept.push(b'{');
        let mut kind = Kind::Unknown;
        loop {
            match self.next_significant()? {
                Some(b'}') => {
                    self.bump()?;
                    kept.push(b'}');
                    if kept.len() > MAX_LINE {
                        return take(first_line, Found::Unusable("longer than 16 MiB".to_owned()));
                    }
                    return resource_or_bundle(&kept, first_line, take);
                }
                Some(b',') => {
                    self.bump()?;
                    kept.push(b',');
                }
                Some(b'"') => {
                    let key_start = kept.len();
                    self.value(&mut kept)?;
                    let key = json::string(&kept, key_start..kept.len()).unwrap_or_default().into_owned();
                    if self.next_significant()? == Some(b':') {
                        self.bump()?;
                        kept.push(b':');
                    }
                    let next = self.next_significant()?;
                    if key == "entry" && kind != Kind::Resource && next == Some(b'[') {
                        self.entries(&mut kind, &mut kept, take)?;
                        continue;
                    }
                    let start = kept.len();
                    self.value(&mut kept)?;
                    if key == "resourceType" {
                        let is_bundle =
                            json::string(&kept, start..kept.len()).is_some_and(|name| name == "Bundle");
                        kind = if is_bundle { Kind::Bundle } else { Kind::Resource };
                    }
                }
                _ => return Err(self.broken()),
            }
        }
    }

    /// A list of entries. Those of a Bundle are shown one by one and not kept; a List has entries as well, which are
    /// kept. Where the type comes behind them, they tell themselves what they are.
    fn entries(&mut self, kind: &mut Kind, kept: &mut Vec<u8>, take: Take<'_>) -> Result<(), Failure> {
        self.bump()?;
        kept.push(b'[');
        let (start, mut one) = (kept.len(), Vec::new());
        loop {
            match self.next_significant()? {
                Some(b']') => {
                    self.bump()?;
                    kept.push(b']');
                    return Ok(());
                }
                Some(b',') => {
                    self.bump()?;
                }
                Some(b'{') => {
                    let line = self.line;
                    one.clear();
                    self.value(&mut one)?;
                    if *kind == Kind::Unknown {
                        *kind = kind_by_entry(&one);
                    }
                    if *kind != Kind::Bundle {
                        // Past the limit no more is kept, and the whole is told of.
                        if kept.len() <= MAX_LINE {
                            kept.extend(&b","[..usize::from(kept.len() > start)]);
                            kept.append(&mut one);
                        }
                    } else if one.len() > MAX_LINE {
                        take(line, Found::Unusable("longer than 16 MiB".to_owned()))?;
                    } else {
                        entry(&one, line, take)?;
                    }
                }
                _ => return Err(self.broken()),
            }
        }
    }

    /// One value, kept without white space. Past the limit it is read on, but no more is kept.
    fn value(&mut self, kept: &mut Vec<u8>) -> Result<(), Failure> {
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        loop {
            let Some(byte) = self.peek()? else { return Err(self.broken()) };
            if !in_string && depth == 0 && matches!(byte, b',' | b'}' | b']' | b':') {
                return Ok(());
            }
            self.bump()?;
            if in_string || !byte.is_ascii_whitespace() {
                if kept.len() <= MAX_LINE {
                    kept.push(byte);
                }
            } else if depth == 0 {
                return Ok(());
            }
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => continue,
                }
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => continue,
                }
            }
            if depth == 0 && !in_string {
                return Ok(());
            }
        }
    }

    fn broken(&self) -> Failure {
        Failure::new(format!("the JSON breaks off or is broken at line {}", self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &[u8]) -> (Vec<(u64, String)>, Result<(), Failure>) {
        let mut found = Vec::new();
        let mut take = |line: u64, what: Found<'_>| {
            found.push((
                line,
                match what {
                    Found::Resource { text, full_url } => {
                        format!("{}{}", full_url.unwrap_or_default(), String::from_utf8_lossy(text))
                    }
                    Found::Unusable(reason) => format!("! {reason}"),
                },
            ));
            Ok(())
        };
        let done = if name.ends_with("ndjson") { lines(text, &mut take) } else { objects(text, &mut take) };
        (found, done)
    }

    #[test]
    fn bundles_are_read_entry_by_entry_however_they_are_printed() {
        let pretty = br#"{
  "resourceType" : "Bundle",
  "type": "collection", "link": [ { "relation": "self" } ],
  "entry": [
    {
      "fullUrl": "urn:uuid:1",
      "resource": { "resourceType": "Patient", "id": "a b\"]}", "n": 1.50, "l": [ ], "t": true }
    }, { "request": { "method": "DELETE" } },
    { "resource": { "resourceType": "Claim" } }
  ]
}
{ "resourceType": "List", "id": "l", "entry": [ { "item": {} } ] }"#;
        let (found, done) = found("x.json", pretty);
        done.expect("read");
        assert_eq!(
            found,
            [
                (5, "urn:uuid:1{\"resourceType\":\"Patient\",\"id\":\"a b\\\"]}\",\"n\":1.50,\"l\":[],\"t\":true}".to_owned()),
                (9, "{\"resourceType\":\"Claim\"}".to_owned()),
                (12, "{\"resourceType\":\"List\",\"id\":\"l\",\"entry\":[{\"item\":{}}]}".to_owned()),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_told_of_and_the_rest_is_read() {
        let (found, done) =
            found("x.ndjson", b"\n{\"resourceType\":\"Patient\"\n{\"resourceType\":\"Claim\"}\nnonsense\n");
        done.expect("read");
        let lines: Vec<_> = found.iter().map(|(line, text)| (*line, text.starts_with('!'))).collect();
        assert_eq!(lines, [(2, true), (3, false), (4, true)]);
    }

    #[test]
    fn a_bundle_that_breaks_off_says_so() {
        let (found, done) = found(
            "x.json",
            b"{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Claim\"}},{\"resou",
        );
        assert_eq!(found.len(), 1);
        assert!(done.is_err());
    }
}
