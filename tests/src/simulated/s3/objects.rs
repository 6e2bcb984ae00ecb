//! Objects: reads of whole objects and ranges, conditional writes, deletions.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::{Bucket, Object, Refused, lower_bound, texts};
use crate::simulated::request::Call;
use crate::simulated::response::SimulatedResponse;

impl Object {
    pub(super) fn new(bytes: Bytes, content_type: &str, encoding: Option<String>, changed: Duration) -> Self {
        let etag = etag_of(&bytes);
        Self { etag, bytes, content_type: content_type.to_owned(), encoding, changed }
    }

    pub(super) fn with_parts(self, parts: usize) -> Self {
        let etag = format!("{}-{parts}\"", self.etag.trim_end_matches('"'));
        Self { etag, ..self }
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }
}

pub(super) fn etag_of(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:032x}\"", hasher.finish())
}

/// Returns the content encoding to store, without `aws-chunked`.
pub(super) fn stored_encoding(call: &Call) -> Option<String> {
    let encodings = call.header("content-encoding")?.split(',').map(str::trim);
    let kept: Vec<_> = encodings.filter(|one| *one != "aws-chunked" && !one.is_empty()).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Returns the bytes of a body, which may be sent in chunks that each follow their length (S3, signature version 4 in chunks).
pub(super) fn sent_bytes(call: &Call) -> Option<Bytes> {
    let is_chunked = call.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked"));
    if !is_chunked {
        return Some(Bytes::copy_from_slice(&call.body));
    }
    let (mut all, mut rest) = (Vec::new(), call.body.as_slice());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let head = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        if length == 0 {
            let announced =
                call.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
            return announced.is_none_or(|announced: usize| announced == all.len()).then(|| all.into());
        }
        all.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 2 + length + 2..)?;
    }
}

impl Bucket {
    /// Returns a stored or a generated object.
    pub(super) fn find(&self, key: &str) -> Option<Object> {
        if let Some(object) = self.objects.get(key) {
            return Some(object.clone());
        }
        let generated = self.generated.as_deref()?;
        let number = lower_bound(generated, key);
        let is_it = number < generated.count() && generated.key(number) == key;
        is_it.then(|| Object {
            etag: format!("\"{number:032x}\""),
            ..Object::new(generated.bytes(number), "application/fhir+ndjson", None, Duration::ZERO)
        })
    }

    pub(super) fn get(&self, call: &Call, head: bool) -> Result<SimulatedResponse, Refused> {
        let object = self.find(&call.key).ok_or((404, if head { "NotFound" } else { "NoSuchKey" }))?;
        if call.header("if-match").is_some_and(|etag| etag != object.etag) {
            return Err((412, "PreconditionFailed"));
        }
        let length = object.bytes.len();
        let range = call.header("range").map(|range| ranged(range, length)).transpose()?;
        let mut response = SimulatedResponse::new(if range.is_some() { 206 } else { 200 })
            .header("etag", object.etag)
            .header("content-type", object.content_type)
            .header("accept-ranges", "bytes");
        if let Some(encoding) = object.encoding {
            response = response.header("content-encoding", encoding);
        }
        let bytes = match range {
            Some(Range { start, end }) => {
                response = response.header("content-range", format!("bytes {start}-{}/{length}", end - 1));
                object.bytes.slice(start..end)
            }
            None => object.bytes,
        };
        response = response.header("content-length", bytes.len().to_string());
        if !head {
            response.body = bytes;
        }
        Ok(response)
    }

    pub(super) fn put(&mut self, call: &Call, now: Duration) -> Result<SimulatedResponse, Refused> {
        let known = self.objects.get(&call.key);
        if call.header("if-none-match") == Some("*") && known.is_some() {
            return Err((412, "PreconditionFailed"));
        }
        if let Some(etag) = call.header("if-match") {
            let known = known.ok_or((404, "NoSuchKey"))?;
            if known.etag != etag {
                return Err((412, "PreconditionFailed"));
            }
        }
        let bytes = sent_bytes(call).ok_or((400, "IncompleteBody"))?;
        let content_type = call.header("content-type").unwrap_or("binary/octet-stream");
        let object = Object::new(bytes, content_type, stored_encoding(call), now);
        let mut response = SimulatedResponse::new(200).header("etag", object.etag.clone());
        if let Some(checksum) = call.header("x-amz-checksum-crc32") {
            response = response.header("x-amz-checksum-crc32", checksum);
        }
        self.objects.insert(call.key.clone(), object);
        Ok(response)
    }

    pub(super) fn delete_all(&mut self, call: &Call) -> SimulatedResponse {
        for key in keys_to_delete(call) {
            self.objects.remove(&key);
        }
        SimulatedResponse::xml(200, "<DeleteResult></DeleteResult>".to_owned())
    }
}

/// Returns the keys in a DeleteObjects request.
pub(crate) fn keys_to_delete(call: &Call) -> Vec<String> {
    texts(&String::from_utf8_lossy(&sent_bytes(call).unwrap_or_default()), "Key")
}

/// Returns the range of a Range header: `bytes=2-5`, `bytes=2-` or `bytes=-5`.
pub(super) fn ranged(header: &str, length: usize) -> Result<Range<usize>, Refused> {
    let invalid = (416, "InvalidRange");
    let (start, end) =
        header.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(invalid)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| invalid);
    let range = match (start, end) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (start, "") => number(start)?..length,
        (start, end) => number(start)?..number(end)?.saturating_add(1).min(length),
    };
    if range.start < range.end { Ok(range) } else { Err(invalid) }
}
