//! Joins objects within the bucket: S3 copies them as the parts of a new object, so that their bytes do not pass through a function.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use domain::error::{Error, Result};
use domain::ports::files::{FilePart, Joiner, checked_key};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::calls::{completion_timeouts, failed};
use crate::files::content_type;
use crate::objects::Bucket;
use crate::upload::abort;

/// The maximum number of bytes that one request copies. S3 allows 5 GiB, which takes longer.
const MAX_COPIED: u64 = 512 * 1024 * 1024;
/// The number of requests that copy at once.
const AT_ONCE: usize = 8;

/// See the [module](self).
pub(super) struct AwsJoiner {
    pub(super) bucket: Bucket,
}

/// A range of an object that becomes one part; `None` is the whole object.
type Copied<'p> = (&'p str, Option<Range<u64>>);

/// Divides the objects into parts of almost the same size.
fn copies(parts: &[FilePart]) -> Vec<Copied<'_>> {
    let mut copies = Vec::new();
    for part in parts {
        let count = part.bytes.div_ceil(MAX_COPIED);
        if count <= 1 {
            copies.push((part.key.as_str(), None));
            continue;
        }
        let step = part.bytes.div_ceil(count);
        let starts = (0..count).map(|number| number * step);
        copies.extend(
            starts.map(|start| (part.key.as_str(), Some(start..part.bytes.min(start.saturating_add(step))))),
        );
    }
    copies
}

#[async_trait]
impl Joiner for AwsJoiner {
    async fn join(&self, key: &str, parts: &[FilePart]) -> Result<()> {
        let Bucket { client, name, .. } = &self.bucket;
        let content_type = content_type(key);
        let key = self.bucket.key(checked_key(key)?);
        let create = client.create_multipart_upload().bucket(name).key(&key).content_type(content_type);
        let create = create.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let created = create.send().await.map_err(failed("CreateMultipartUpload"))?;
        let id =
            created.upload_id.ok_or_else(|| Error::unavailable("CreateMultipartUpload returned no id"))?;
        let joined = self.copy_and_complete(&key, &id, parts).await;
        if joined.is_err() {
            abort(&self.bucket, &key, &id).await;
        }
        joined
    }
}

impl AwsJoiner {
    async fn copy_and_complete(&self, key: &str, id: &str, parts: &[FilePart]) -> Result<()> {
        let numbered = (1..).zip(copies(parts));
        let requests: Vec<_> = numbered.map(|(number, copied)| self.copy(key, id, number, copied)).collect();
        let done: Vec<_> = stream::iter(requests).buffered(AT_ONCE).try_collect().await?;
        let Bucket { client, name, .. } = &self.bucket;
        let complete = client
            .complete_multipart_upload()
            .bucket(name)
            .key(key)
            .upload_id(id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(done)).build());
        let config = aws_sdk_s3::config::Config::builder().timeout_config(completion_timeouts());
        let completed = complete.customize().config_override(config).send().await;
        completed.map_err(failed("CompleteMultipartUpload"))?;
        Ok(())
    }

    async fn copy(
        &self,
        key: &str,
        id: &str,
        number: i32,
        (source, range): Copied<'_>,
    ) -> Result<CompletedPart> {
        let Bucket { client, name, .. } = &self.bucket;
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let copy = client
            .upload_part_copy()
            .bucket(name)
            .key(key)
            .upload_id(id)
            .part_number(number)
            .copy_source(format!("{name}/{}", self.bucket.key(checked_key(source)?)))
            .set_copy_source_range(range);
        let config = aws_sdk_s3::config::Config::builder().timeout_config(completion_timeouts());
        let copied = copy.customize().config_override(config).send().await;
        let copied = copied.map_err(failed("UploadPartCopy"))?.copy_part_result;
        let copied = copied.ok_or_else(|| Error::unavailable("UploadPartCopy returned no result"))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(copied.e_tag);
        Ok(part.set_checksum_crc32(copied.checksum_crc32).build())
    }
}

#[cfg(test)]
mod tests;
