//! Sends a stored file as a response: the whole file or one range of it (RFC 9110, 14), compressed if the client accepts gzip.
//!
//! Ranges refer to the uncompressed file. The compressed representation has a different, weak ETag, so that no client continues one
//! representation with a range of the other (RFC 9110, 8.8 and 13.1.5). A file that is stored as gzip is decompressed when it is read,
//! because sizes, hashes and ranges are those of the uncompressed bytes.

use std::convert::Infallible;
use std::ops::Range;

use async_compression::Level;
use async_compression::tokio::bufread::GzipEncoder;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::error::{Error, Result};
use domain::manifest::NamedFile;
use domain::pack::Location;
use domain::ports::files::{ByteStream, Files, Linked};
use fhir::FHIR_NDJSON;
use futures_util::{Stream, StreamExt};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use settings::LargeFiles;
use storage::layout::is_plain_ndjson;
use storage::packs;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::conditional::IfNoneMatch;
use crate::describe::Parameter;
use crate::exported::FoundAttachment;

/// A file to send.
#[derive(Debug)]
pub struct Stored<'a> {
    pub location: &'a Location,
    pub content_type: &'a str,
    /// The file name that a browser saves it under.
    pub file_name: &'a str,
    /// Whether a browser shows the file instead of saving it. Its content type must be one that runs nothing.
    pub is_shown: bool,
    /// In quotes; equal bytes have equal ETags.
    pub etag: String,
    pub size: u64,
}

impl<'f> Stored<'f> {
    /// Returns a file of an export's manifest, at the location that [`OutputFile::location`](domain::chunk::OutputFile::location) returns.
    pub fn of_file(named: &'f NamedFile, location: &'f Location) -> Self {
        Self {
            location,
            content_type: FHIR_NDJSON,
            file_name: &named.name,
            is_shown: false,
            etag: format!("\"{}\"", named.file.sha256),
            size: named.file.size,
        }
    }

    /// Returns an attachment, with its file name and content type.
    pub fn of_attachment(found: &'f FoundAttachment) -> Self {
        Self {
            location: &found.location,
            content_type: &found.content_type,
            file_name: &found.name,
            is_shown: false,
            etag: format!("\"{}\"", found.etag),
            size: found.size,
        }
    }

    fn linked(&self) -> Linked<'_> {
        Linked { name: self.file_name, shown_as: self.is_shown.then_some(self.content_type) }
    }
}

/// The headers of a request for a file: its range, the accepted encodings, and the ETags that the client has.
#[derive(Debug)]
pub struct FileRequest {
    range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
    if_none_match: IfNoneMatch,
    takes_gzip: bool,
    is_head: bool,
}

impl FileRequest {
    /// The headers that are read.
    pub const PARAMETERS: [Parameter; 3] = [
        Parameter::header("Range", "The requested range of bytes"),
        Parameter::header("If-Range", "The ETag of the file that the range belongs to"),
        IfNoneMatch::PARAMETER,
    ];

    /// Returns whether the request is for the whole file, with its body.
    pub fn is_whole(&self) -> bool {
        !self.is_head && self.range.is_none()
    }

    /// Returns whether the request is a HEAD, so that only the headers of the response are sent.
    pub fn is_head(&self) -> bool {
        self.is_head
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FileRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            range: parts.headers.get(RANGE).cloned(),
            if_range: parts.headers.get(IF_RANGE).cloned(),
            if_none_match: IfNoneMatch::of(&parts.headers),
            takes_gzip: takes_gzip(&parts.headers),
            is_head: parts.method == http::Method::HEAD,
        })
    }
}

/// The validity of a presigned link that a client is redirected to.
const LINK: SignedDuration = SignedDuration::from_mins(5);

/// The size limit of a response on this host, and the client's preference for larger files.
#[derive(Debug, Clone, Copy)]
pub struct InlineLimit {
    /// The maximum size of one response in bytes.
    pub bytes: u64,
    /// What happens to a larger file.
    pub on_larger: LargeFiles,
}

/// Returns the file, or the one range that the client requests. A request for several ranges gets the whole file. If the file is too
/// large for a response of this host, the response is a redirect to the store, or 413 for clients that cannot follow redirects.
pub async fn download(
    stored: &Stored<'_>,
    request: &FileRequest,
    files: &dyn Files,
    inline: InlineLimit,
) -> Result<Response> {
    let identity = HeaderValue::from_str(&stored.etag).map_err(Error::internal)?;
    let compressed = format!("W/\"{}-gzip\"", stored.etag.trim_matches('"'));
    let can_compress = stored.size >= LEAST_COMPRESSED && is_compressible(stored.content_type);
    let is_compressed = can_compress && request.range.is_none() && request.takes_gzip;
    let etag = match is_compressed {
        true => HeaderValue::from_str(&compressed).map_err(Error::internal)?,
        false => identity.clone(),
    };
    if request.if_none_match.names(&etag) {
        let mut response = (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
        vary(response.headers_mut(), can_compress);
        return Ok(response);
    }
    let range = requested_range(request, &identity, stored.size)?;
    let length = range.as_ref().map_or(stored.size, |range| range.end - range.start);
    if length > inline.bytes
        && let Some(redirect) = larger(stored, request, range.is_some(), files, inline).await?
    {
        return Ok(redirect);
    }
    let bytes = packs::open(files, stored.location, range.clone()).await?;
    let body = if is_compressed { Body::from_stream(gzip(bytes)) } else { Body::from_stream(bytes) };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let value = |text: String| HeaderValue::from_str(&text).map_err(Error::internal);
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(stored.content_type).map_err(Error::internal)?);
    match is_compressed {
        // The compressed length is known only when all bytes are sent.
        true => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        false => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
    };
    vary(headers, can_compress);
    headers.insert(CONTENT_DISPOSITION, value(stored.linked().disposition())?);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(ETAG, etag);
    // An attachment has arbitrary content from a record: browsers must never run it.
    headers.insert(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    if let Some(range) = range {
        headers.insert(
            CONTENT_RANGE,
            value(format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size))?,
        );
    }
    Ok(response)
}

/// Returns the redirect to a file that is too large for a response, or an error that says what the client can do; `None` if this
/// server sends the file nevertheless.
async fn larger(
    stored: &Stored<'_>,
    request: &FileRequest,
    is_range: bool,
    files: &dyn Files,
    inline: InlineLimit,
) -> Result<Option<Response>> {
    match inline.on_larger {
        LargeFiles::Refuse => Err(Error::TooLarge(format!(
            "the file has {} bytes and this server sends at most {} in one response: ask for ranges, or have the client registered with large_files = \"redirect\"",
            stored.size, inline.bytes
        ))),
        // A range of the stored bytes is not that range of the file, and a client that does not decompress cannot read them.
        LargeFiles::Redirect if is_stored_compressed(stored, files) && (is_range || !request.takes_gzip) => {
            Err(Error::TooLarge(format!(
                "the file has {} bytes and is stored as gzip: ask for ranges of at most {} bytes, or for the whole file with Accept-Encoding: gzip",
                stored.size, inline.bytes
            )))
        }
        // A presigned link is for a whole object. A file inside a pack is small, and this server sends it.
        LargeFiles::Redirect if stored.location.place.is_some() => Ok(None),
        LargeFiles::Redirect => {
            let link = files.link(&stored.location.key, LINK, stored.linked()).await?;
            Ok(link.map(|link| {
                let headers = [(LOCATION, link), (CACHE_CONTROL, "private, no-store".to_owned())];
                (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
            }))
        }
    }
}

fn is_stored_compressed(stored: &Stored<'_>, files: &dyn Files) -> bool {
    files.compresses() && stored.location.place.is_none() && is_plain_ndjson(&stored.location.key)
}

/// Returns the response for a file that is generated while it is sent, so that its length is not known in advance. If an error ends
/// the stream, the connection is closed early, and the client detects that the file is incomplete.
pub fn made(
    bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    content_type: &'static str,
    file_name: &str,
) -> Result<Response> {
    let mut response = Body::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    let disposition = format!("attachment; filename=\"{file_name}\"");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// Files below this many bytes are not worth compressing.
const LEAST_COMPRESSED: u64 = 1024;

/// Returns whether gzip makes content of this type smaller: true for text, JSON and XML; images, PDF and archives are already compressed.
fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || ["json", "xml"].iter().any(|name| essence.ends_with(name))
        || essence == FHIR_NDJSON
}

/// Returns whether the client accepts gzip and does not prefer the uncompressed file (RFC 9110, 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for element in values.flat_map(|value| value.split(',')) {
        let mut parameters = element.split(';').map(str::trim);
        let coding = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parameters.find_map(|text| text.strip_prefix("q=").or_else(|| text.strip_prefix("Q=")));
        // A weight that cannot be parsed counts as 0.
        let weight = weight.map_or(1.0, |text| text.trim().parse::<f32>().unwrap_or(0.0));
        match coding.as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => identity = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

fn vary(headers: &mut HeaderMap, can_compress: bool) {
    if can_compress {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Compresses a stream as it is read.
fn gzip(bytes: ByteStream) -> impl Stream<Item = std::io::Result<Bytes>> {
    let reader = StreamReader::new(bytes.map(|piece| piece.map_err(std::io::Error::other)));
    let encoder = GzipEncoder::with_quality(reader, Level::Fastest);
    ReaderStream::with_capacity(encoder, PIECE)
}

/// The size of the blocks of compressed output, in bytes.
const PIECE: usize = 32 * 1024;

/// Returns the range of the file that the request asks for; `None` for the whole file. The header is parsed by hand because a number that
/// is too large for `u64` is beyond the end of every file (416), and `headers::Range` drops it like a text that is no number.
fn requested_range(request: &FileRequest, etag: &HeaderValue, size: u64) -> Result<Option<Range<u64>>> {
    if request.if_range.as_ref().is_some_and(|tag| tag != etag) {
        return Ok(None);
    }
    let Some(spec) = request.range.as_ref().and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // Every other kind of range is ignored, as the RFC allows.
    let Some(spec) = spec.strip_prefix("bytes=").filter(|spec| !spec.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.trim().split_once('-') else { return Ok(None) };
    // Digits only (RFC 9110, section 14.1.1). A number that is too large for `u64` is beyond the end of every file.
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
mod tests;
