//! A stored file as an answer: whole or a range of it (RFC 9110, 14).

use std::ops::Range;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;

use crate::config::LargeFiles;
use crate::error::{Error, Result};
use crate::ports::files::Files;

/// A file to answer with.
#[derive(Debug)]
pub struct Stored<'a> {
    pub key: &'a str,
    pub content_type: &'a str,
    /// What a browser saves it as.
    pub file_name: &'a str,
    /// Quoted; the same bytes have the same tag.
    pub etag: String,
    pub size: u64,
}

/// How long a link is good that a client is sent to.
const LINK: SignedDuration = SignedDuration::from_mins(5);

/// How much a host can answer with, and what a client wants where that is too little.
#[derive(Debug, Clone, Copy)]
pub struct Directly {
    /// The most bytes of one answer.
    pub bytes: u64,
    /// What happens beyond.
    pub beyond: LargeFiles,
}

/// Answers with the file, or with the one range asked for. Several ranges at once get the whole. What is too large for
/// an answer of this host is a redirect to the store, or 413 for clients that cannot follow one.
pub async fn download(
    stored: &Stored<'_>,
    request: &HeaderMap,
    files: &dyn Files,
    directly: Directly,
) -> Result<Response> {
    let etag = HeaderValue::from_str(&stored.etag).map_err(Error::internal)?;
    if request.get(IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    let range = asked_range(request, &etag, stored.size)?;
    let length = range.as_ref().map_or(stored.size, |range| range.end - range.start);
    if length > directly.bytes {
        match directly.beyond {
            LargeFiles::Refuse => {
                return Err(Error::TooLarge(format!(
                    "the file has {} bytes and this server answers with at most {} at once: ask for ranges, or have the client registered with large_files = \"redirect\"",
                    stored.size, directly.bytes
                )));
            }
            LargeFiles::Redirect => {
                if let Some(link) = files.link(stored.key, LINK, stored.file_name).await? {
                    let headers = [(LOCATION, link), (CACHE_CONTROL, "private, no-store".to_owned())];
                    return Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response());
                }
            }
        }
    }
    let body = Body::from_stream(files.open(stored.key, range.clone()).await?);
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let text = |text: String| HeaderValue::from_str(&text).map_err(Error::internal);
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(stored.content_type).map_err(Error::internal)?);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_DISPOSITION, text(format!("attachment; filename=\"{}\"", stored.file_name))?);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(ETAG, etag);
    // Attachments are whatever somebody put into a record: never run them.
    headers.insert(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if let Some(range) = range {
        headers
            .insert(CONTENT_RANGE, text(format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size))?);
    }
    Ok(response)
}

fn asked_range(request: &HeaderMap, etag: &HeaderValue, size: u64) -> Result<Option<Range<u64>>> {
    if request.get(IF_RANGE).is_some_and(|tag| tag != etag) {
        return Ok(None);
    }
    let Some(spec) = request.get(RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // Anything but one range of bytes is ignored, as the RFC allows.
    let Some(spec) = spec.strip_prefix("bytes=").filter(|spec| !spec.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.trim().split_once('-') else { return Ok(None) };
    // Digits only (RFC 9110, section 14.1.1); more of them than a number has are beyond every file.
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return Ok(None);
    }
    let number = |text: &str| (!text.is_empty()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    let range = match (number(first), number(last)) {
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (None, Some(length)) => size.saturating_sub(length)..size,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Error::RangeNotSatisfiable { size }) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(spec: &str, size: u64) -> Result<Option<Range<u64>>> {
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_str(spec).expect("a header"))]);
        asked_range(&headers, &HeaderValue::from_static("\"e\""), size)
    }

    #[test]
    fn ranges_as_the_rfc_reads_them() {
        for (spec, expected) in [
            ("bytes=0-4", Some(0..5)),
            ("bytes=5-", Some(5..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-30", Some(0..10)),
            ("bytes=8-100", Some(8..10)),
            ("bytes=0-18446744073709551615", Some(0..10)),
            ("bytes=4-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=0-4", None),
            ("bytes=x-", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=0- 1", None),
            ("bytes=-99999999999999999999", Some(0..10)),
            ("bytes=2-99999999999999999999", Some(2..10)),
        ] {
            assert_eq!(range(spec, 10).expect(spec), expected, "{spec}");
        }
        assert!(matches!(range("bytes=10-", 10), Err(Error::RangeNotSatisfiable { size: 10 })));
        assert!(range("bytes=-0", 10).is_err());
        assert!(range("bytes=0-", 0).is_err());
    }
}
