//! Reads JSON objects of any size, one after the other. The entries of Bundles are passed to the callback one by one, so that only one
//! resource is in memory at a time.
//!
//! The reader is hand-written, because no streaming reader has three properties: it reads a value to its end without storing more than the
//! limit, it knows the first line of each entry, and it does not change the bytes of an entry.

use std::io::BufRead;
use std::ops::Range;

use fhir::MAX_LINE;
use fhir::head::{NotAResource, Plain, object};
use fhir::json::{self, check_object};
use fhir::references::parse;
use fhir::spelling::plainly;

use super::found::{Found, Take};
use super::report::shortened;
use crate::Failure;

/// Passes the entries of a complete Bundle to `take`. The text must be checked and in its plain spelling.
pub(super) fn entries(
    text: &[u8],
    take: &mut dyn FnMut(Found<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    if let Some(value) = json::member(text, 0..text.len(), b"entry") {
        json::elements(text, value, |entry| found.push(entry));
    }
    for (number, range) in (1_u64..).zip(found) {
        entry(&text[range], number, &mut |_, found| take(found))?;
    }
    Ok(())
}

/// Passes the resource or the deletion of a Bundle's entry to `take`. Another entry without a resource, such as a read, is skipped. The
/// passed number is the number of lines between the beginning of the entry and a fault in it.
fn entry(text: &[u8], number: u64, take: Take<'_>) -> Result<(), Failure> {
    let mut plain = Plain::default();
    let (text, members) = match object(text, &mut plain) {
        Ok(read) => read,
        Err(reason) => {
            let line = lines_before(text, &reason);
            return take(line, Found::Unusable(format!("entry {number}: {reason}")));
        }
    };
    let full_url = members.get(b"fullUrl").and_then(|value| json::string(text, value));
    if let Some(request) = members.get(b"request").filter(|request| is_deletion(text, request.clone())) {
        // The resource of such an entry is the one that was deleted.
        return take(
            0,
            Found::Deleted(deleted(text, request, members.get(b"resource"), full_url.as_deref())),
        );
    }
    match members.get(b"resource") {
        Some(resource) => take(0, Found::Resource { text: &text[resource], full_url: full_url.as_deref() }),
        None => Ok(()),
    }
}

/// Returns whether the request of an entry is a deletion. FHIR writes the method in upper case, but some servers do not.
fn is_deletion(text: &[u8], request: Range<usize>) -> bool {
    let method = json::member(text, request, b"method").and_then(|method| json::string(text, method));
    method.is_some_and(|method| method.trim().eq_ignore_ascii_case("DELETE"))
}

/// Returns the name of a deleted resource for the report: `Type/id` if the entry has it, otherwise the URL as it is.
fn deleted(
    text: &[u8],
    request: Range<usize>,
    resource: Option<Range<usize>>,
    full_url: Option<&str>,
) -> String {
    let string = |object: Range<usize>, name: &[u8]| {
        json::member(text, object, name).and_then(|value| json::string(text, value))
    };
    let name = |url: &str| {
        let url = url.trim().trim_start_matches('/');
        // A search can end like a `Type/id`, and a version is not the resource.
        let is_plain = !url.contains('?') && !url.contains("/_history");
        let named = parse(url).filter(|_| is_plain).map_or(url, |reference| reference.text);
        (!named.is_empty()).then(|| shortened(named).into_owned())
    };
    let by_resource = || {
        let resource = resource?;
        let id = string(resource.clone(), b"id")?;
        Some(shortened(&format!("{}/{id}", string(resource, b"resourceType")?)).into_owned())
    };
    string(request, b"url")
        .and_then(|url| name(&url))
        .or_else(by_resource)
        .or_else(|| name(full_url?))
        .unwrap_or_else(|| "an entry that does not name the resource".to_owned())
}

/// Returns the number of lines before a fault.
fn lines_before(text: &[u8], reason: &NotAResource) -> u64 {
    let NotAResource::Json(malformed) = reason else { return 0 };
    memchr::memchr_iter(b'\n', &text[..malformed.at.min(text.len())]).count() as u64
}

/// Reads JSON objects one after the other. Each object is a resource or a Bundle of any size.
pub(super) fn objects(reader: impl BufRead, take: Take<'_>) -> Result<(), Failure> {
    let mut scan = Scan { reader, line: 1 };
    let read = loop {
        match scan.next_significant() {
            Ok(None) => return Ok(()),
            // The bytes of a byte order mark.
            Ok(Some(0xef | 0xbb | 0xbf)) => {
                scan.reader.consume(1);
            }
            Ok(Some(b'{')) => match scan.object(take) {
                Ok(()) => {}
                Err(stopped) => break stopped,
            },
            Ok(Some(b'<')) => {
                break Stopped::At("XML is not supported: convert the file to JSON or NDJSON".to_owned());
            }
            Ok(Some(_)) => break Stopped::At("not a JSON object".to_owned()),
            Err(stopped) => break stopped,
        }
    };
    match read {
        Stopped::At(reason) => take(scan.line, Found::Unusable(reason)),
        Stopped::By(failure) => Err(failure),
    }
}

/// The reason why the rest of a file is not read.
enum Stopped {
    /// A fault at the current line.
    At(String),
    /// The loader itself failed.
    By(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::By(failure)
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::At(format!("the file cannot be read further: {error}"))
    }
}

fn broken() -> Stopped {
    Stopped::At("the JSON is incomplete or malformed".to_owned())
}

/// The kind of a top-level object, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Bundle,
    Resource,
}

/// Returns the kind of an object with such an entry (FHIR R4: `Bundle.entry`, `List.entry`).
fn kind_by_entry(text: &[u8]) -> Kind {
    if check_object(text, |_, _| {}).is_err() {
        return Kind::Unknown;
    }
    // Repeated members are accepted here.
    let plain = plainly(text);
    let has = |names: &[&str]| {
        names.iter().any(|name| json::member(&plain, 0..plain.len(), name.as_bytes()).is_some())
    };
    if has(&["resource", "fullUrl", "request", "response", "search"]) {
        Kind::Bundle
    } else if has(&["item", "flag", "deleted", "date"]) {
        Kind::Resource
    } else {
        Kind::Unknown
    }
}

/// Reads JSON byte by byte. The stored text has no white space except line ends, which are needed for the line numbers of faults.
struct Scan<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Scan<R> {
    fn peek(&mut self) -> Result<Option<u8>, Stopped> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn bump(&mut self) -> Result<Option<u8>, Stopped> {
        let byte = self.peek()?;
        if byte == Some(b'\n') {
            self.line += 1;
        }
        if byte.is_some() {
            self.reader.consume(1);
        }
        Ok(byte)
    }

    fn next_significant(&mut self) -> Result<Option<u8>, Stopped> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.bump()?;
        }
        Ok(None)
    }

    /// Reads a top-level object. The entries of a Bundle are passed to `take` one by one, other objects completely.
    fn object(&mut self, take: Take<'_>) -> Result<(), Stopped> {
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
                        return Ok(take(first_line, Found::Unusable("longer than 16 MiB".to_owned()))?);
                    }
                    kept.retain(|byte| *byte != b'\n');
                    return Ok(take(first_line, Found::Resource { text: &kept, full_url: None })?);
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
                _ => return Err(broken()),
            }
        }
    }

    /// Reads a list of entries. The entries of a Bundle are passed to `take` one by one and not stored. The entries of a List are stored. If
    /// the type of the object follows the entries, the members of the entries show which of the two it is.
    fn entries(&mut self, kind: &mut Kind, kept: &mut Vec<u8>, take: Take<'_>) -> Result<(), Stopped> {
        self.bump()?;
        kept.push(b'[');
        let (start, mut number) = (kept.len(), 0);
        // The entries that were read before the kind of the object was known.
        let mut held = Vec::new();
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
                    number += 1;
                    let line = self.line;
                    kept.extend(&b","[..usize::from(kept.len() > start)]);
                    let from = kept.len();
                    self.value(kept)?;
                    if *kind == Kind::Unknown {
                        *kind = kind_by_entry(&kept[from..]);
                    }
                    if *kind != Kind::Resource {
                        held.push((from..kept.len(), number, line));
                    }
                    if *kind == Kind::Bundle {
                        for (range, number, line) in held.drain(..) {
                            kept_entry(&kept[range], number, line, take)?;
                        }
                        kept.truncate(start);
                    } else {
                        // Bytes beyond the limit are dropped, and the object is reported as too long.
                        kept.truncate(MAX_LINE + 1);
                        if kept.len() > MAX_LINE {
                            *kind = Kind::Resource;
                        }
                    }
                }
                _ => return Err(broken()),
            }
        }
    }

    /// Reads one value and stores it without white space. Bytes beyond the limit are read but not stored.
    fn value(&mut self, kept: &mut Vec<u8>) -> Result<(), Stopped> {
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        let start = kept.len();
        loop {
            let Some(byte) = self.peek()? else { return Err(broken()) };
            if !in_string && depth == 0 && matches!(byte, b',' | b'}' | b']' | b':') {
                return Ok(());
            }
            self.bump()?;
            if in_string || byte == b'\n' || !byte.is_ascii_whitespace() {
                if kept.len() - start <= MAX_LINE {
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
                    b'\n' => {}
                    _ => continue,
                }
            }
            if depth == 0 && !in_string {
                return Ok(());
            }
        }
    }
}

/// Passes a stored entry to `take`, with the number of its first line.
fn kept_entry(text: &[u8], number: u64, line: u64, take: Take<'_>) -> Result<(), Stopped> {
    if text.len() > MAX_LINE {
        let reason = format!("entry {number}: longer than 16 MiB");
        return Ok(take(line, Found::Unusable(reason))?);
    }
    Ok(entry(text, number, &mut |lines, found| match found {
        Found::Resource { text, full_url } if memchr::memchr(b'\n', text).is_some() => {
            let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\n').collect();
            take(line + lines, Found::Resource { text: &text, full_url })
        }
        found => take(line + lines, found),
    })?)
}

#[cfg(test)]
mod tests;
