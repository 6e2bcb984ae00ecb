//! Multipart uploads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::objects::{etag_of, ranged, sent_bytes, stored_encoding};
use super::{Bucket, Object, Refused, escaped, texts};
use crate::simulated::request::Call;
use crate::simulated::response::SimulatedResponse;

/// The minimum size of every part except the last (S3, limits), in bytes.
const SMALLEST: usize = 5 * 1024 * 1024;
/// The maximum number of parts in one upload.
const MAX_PARTS: u32 = 10_000;

#[derive(Debug, Clone)]
pub(super) struct Upload {
    content_type: String,
    encoding: Option<String>,
    parts: BTreeMap<u32, Bytes>,
}

impl Bucket {
    pub(super) fn begin(&mut self, call: &Call, number: u64) -> SimulatedResponse {
        let id = format!("upload-{number}");
        let content_type = call.header("content-type").unwrap_or("binary/octet-stream").to_owned();
        let upload = Upload { content_type, encoding: stored_encoding(call), parts: BTreeMap::new() };
        self.uploads.insert((call.key.clone(), id.clone()), upload);
        SimulatedResponse::xml(
            200,
            format!(
                "<InitiateMultipartUploadResult><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
                escaped(&call.key)
            ),
        )
    }

    /// Adds an upload that is neither completed nor aborted.
    pub(crate) fn leave_upload(&mut self, key: &str) {
        let upload =
            Upload { content_type: "binary/octet-stream".to_owned(), encoding: None, parts: BTreeMap::new() };
        self.uploads.insert((key.to_owned(), "left".to_owned()), upload);
    }

    fn id(call: &Call) -> Result<(String, String), Refused> {
        Ok((call.key.clone(), call.parameter("uploadId").ok_or((400, "InvalidRequest"))?.to_owned()))
    }

    fn part_number(call: &Call) -> Result<u32, Refused> {
        let number = call.parameter("partNumber").and_then(|number| number.parse().ok());
        number.filter(|number| (1..=MAX_PARTS).contains(number)).ok_or((400, "InvalidArgument"))
    }

    /// Copies an object of this bucket, or a range of it, as a part.
    pub(super) fn copied_part(&mut self, call: &Call) -> Result<SimulatedResponse, Refused> {
        let number = Self::part_number(call)?;
        let source = call.copy_source().ok_or((400, "InvalidArgument"))?;
        let object = self.find(&source).ok_or((404, "NoSuchKey"))?;
        let range = call.header("x-amz-copy-source-range");
        let range = range.map(|range| ranged(range, object.bytes.len())).transpose()?;
        let bytes = range.map_or(object.bytes.clone(), |range| object.bytes.slice(range));
        let upload = self.uploads.get_mut(&Self::id(call)?).ok_or((404, "NoSuchUpload"))?;
        let etag = etag_of(&bytes);
        upload.parts.insert(number, bytes);
        let body = format!("<CopyPartResult><ETag>{}</ETag></CopyPartResult>", escaped(&etag));
        Ok(SimulatedResponse::xml(200, body))
    }

    pub(super) fn part(&mut self, call: &Call) -> Result<SimulatedResponse, Refused> {
        let number = Self::part_number(call)?;
        let bytes = sent_bytes(call).ok_or((400, "IncompleteBody"))?;
        let upload = self.uploads.get_mut(&Self::id(call)?).ok_or((404, "NoSuchUpload"))?;
        let mut response = SimulatedResponse::new(200).header("etag", etag_of(&bytes));
        if let Some(checksum) = call.header("x-amz-checksum-crc32") {
            response = response.header("x-amz-checksum-crc32", checksum);
        }
        upload.parts.insert(number, bytes);
        Ok(response)
    }

    pub(super) fn complete(&mut self, call: &Call, now: Duration) -> Result<SimulatedResponse, Refused> {
        let id = Self::id(call)?;
        let upload = self.uploads.get(&id).ok_or((404, "NoSuchUpload"))?;
        let xml = String::from_utf8_lossy(&call.body);
        let numbers: Vec<u32> =
            texts(&xml, "PartNumber").iter().filter_map(|number| number.parse().ok()).collect();
        if numbers.is_empty() || !numbers.is_sorted_by(|one, other| one < other) {
            return Err((400, "InvalidPartOrder"));
        }
        let mut whole = Vec::new();
        for (place, (number, etag)) in numbers.iter().zip(texts(&xml, "ETag")).enumerate() {
            let part =
                upload.parts.get(number).filter(|part| etag_of(part) == etag).ok_or((400, "InvalidPart"))?;
            if place + 1 < numbers.len() && part.len() < SMALLEST {
                return Err((400, "EntityTooSmall"));
            }
            whole.extend_from_slice(part);
        }
        let object = Object::new(whole.into(), &upload.content_type, upload.encoding.clone(), now);
        let object = object.with_parts(numbers.len());
        let etag = escaped(object.etag()).into_owned();
        self.objects.insert(call.key.clone(), object);
        self.uploads.remove(&id);
        let body = format!(
            "<CompleteMultipartUploadResult><Key>{}</Key><ETag>{etag}</ETag></CompleteMultipartUploadResult>",
            escaped(&call.key)
        );
        Ok(SimulatedResponse::xml(200, body))
    }

    pub(super) fn abort(&mut self, call: &Call) -> Result<SimulatedResponse, Refused> {
        self.uploads
            .remove(&Self::id(call)?)
            .map(|_| SimulatedResponse::new(204))
            .ok_or((404, "NoSuchUpload"))
    }

    pub(super) fn list_uploads(&self, call: &Call) -> SimulatedResponse {
        let prefix = call.parameter("prefix").unwrap_or_default();
        let mut body = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>".to_owned();
        for (key, id) in self.uploads.keys().filter(|(key, _)| key.starts_with(prefix)) {
            let _ = write!(body, "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", escaped(key));
        }
        body.push_str("</ListMultipartUploadsResult>");
        SimulatedResponse::xml(200, body)
    }
}
