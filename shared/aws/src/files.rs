//! Exported files in a bucket. The bucket itself encrypts all objects (SSE-KMS, `template.yaml`), so that encryption does
//! not depend on the requests.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use domain::error::{Error, Result};
use domain::ports::files::{Announced, ByteStream, FileWriter, Files, Linked, UploadForm, checked_key};
use fhir::media_types;
use jiff::SignedDuration;
use storage::compressed::decompressed;
use storage::layout::is_plain_ndjson;
use tokio::sync::Semaphore;

use crate::calls::failed;
use crate::objects::Bucket;
use crate::presign::Presigner;
use crate::upload::{PARTS_AT_ONCE, Upload, abort};

/// The files of a bucket.
pub(super) struct AwsFiles {
    bucket: Bucket,
    presigner: Presigner,
    compress: bool,
    part_bytes: usize,
    slots: Arc<Semaphore>,
}

/// The version of a file that is compared with a content.
enum Version {
    None,
    /// It has this content; with its ETag.
    Same(String),
    Other,
}

/// Codes of S3 when an object is not of the version that a request names, or is being written (S3, conditional writes).
const REPLACED: [&str; 3] = ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"];

/// The minimum size of a part of a multipart upload, except for the last one (S3, limits).
const SMALLEST_PART: usize = 5 * 1024 * 1024;
const LARGEST_PART: usize = 64 * 1024 * 1024;

impl AwsFiles {
    pub(super) fn new(bucket: Bucket, presigner: Presigner, compress: bool, part_bytes: usize) -> Self {
        let slots = Arc::new(Semaphore::new(PARTS_AT_ONCE));
        Self { bucket, presigner, compress, part_bytes: part_bytes.clamp(SMALLEST_PART, LARGEST_PART), slots }
    }

    async fn remove_keys(&self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let object = |key: &String| ObjectIdentifier::builder().key(self.bucket.key(key)).build();
        let objects = keys.iter().map(object).collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        let delete =
            Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(Error::internal)?;
        let delete = self.bucket.client.delete_objects().bucket(&self.bucket.name).delete(delete);
        let deleted = delete.send().await.map_err(failed("DeleteObjects"))?;
        // The request may succeed although some keys were not deleted.
        match deleted.errors() {
            [] => Ok(()),
            [first, ..] => Err(Error::unavailable(format!(
                "DeleteObjects left {} objects: {}",
                deleted.errors().len(),
                first.code().unwrap_or_default()
            ))),
        }
    }

    /// Returns the version of a file, if it has this content.
    async fn version_with(&self, key: &str, content: Option<&[u8]>) -> Result<Version> {
        let mut object = match self.bucket.open(key, None).await {
            Ok(object) => object,
            Err(Error::NotFound(_)) => return Ok(Version::None),
            Err(error) => return Err(error),
        };
        let mut rest = content.unwrap_or_default();
        while let Some(piece) = object.next().await? {
            match rest.strip_prefix(&piece[..]) {
                Some(behind) => rest = behind,
                None => return Ok(Version::Other),
            }
        }
        Ok(match object.etag() {
            Some(etag) if rest.is_empty() => Version::Same(etag.to_owned()),
            _ => Version::Other,
        })
    }

    async fn abort_uploads(&self, prefix: &str) -> Result<()> {
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let list = self
                .bucket
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket.name)
                .prefix(self.bucket.key(prefix))
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker);
            let listed = list.send().await.map_err(failed("ListMultipartUploads"))?;
            for upload in listed.uploads() {
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                    abort(&self.bucket, key, id).await;
                }
            }
            if listed.is_truncated() != Some(true) {
                return Ok(());
            }
            (key_marker, id_marker) = (listed.next_key_marker, listed.next_upload_id_marker);
        }
    }
}

/// Returns the media type of a key by its extension.
pub(super) fn content_type(key: &str) -> &'static str {
    let extension = key.rsplit_once('.').map_or("", |(_, extension)| extension);
    media_types::of_extension(extension)
}

#[async_trait]
impl Files for AwsFiles {
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>> {
        self.create_in_parts(key, None).await
    }

    async fn create_in_parts(&self, key: &str, part_bytes: Option<usize>) -> Result<Box<dyn FileWriter>> {
        let part_bytes = part_bytes.unwrap_or(self.part_bytes).clamp(SMALLEST_PART, LARGEST_PART);
        let compress = self.compress && is_plain_ndjson(key);
        let whole = self.bucket.key(checked_key(key)?);
        let slots = self.slots.clone();
        let upload = Upload::new(self.bucket.clone(), whole, content_type(key), compress, part_bytes, slots);
        Ok(Box::new(upload))
    }

    fn compresses(&self) -> bool {
        self.compress
    }

    async fn swap(&self, key: &str, known: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool> {
        let key = checked_key(key)?;
        let put = self.bucket.client.put_object().bucket(&self.bucket.name).key(self.bucket.key(key));
        let put = put.content_type(content_type(key)).body(bytes.clone().into());
        let put = match (self.version_with(key, known).await?, known) {
            (Version::None, None) => put.if_none_match("*"),
            (Version::Same(etag), Some(_)) => put.if_match(etag),
            _ => return Ok(false),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            // An earlier attempt of this call can have succeeded without its response.
            Err(error) if error.code().is_some_and(|code| REPLACED.contains(&code)) => {
                Ok(matches!(self.version_with(key, Some(&bytes)).await?, Version::Same(_)))
            }
            Err(error) => Err(failed("PutObject")(error)),
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        let key = checked_key(key)?;
        let head = self.bucket.client.head_object().bucket(&self.bucket.name).key(self.bucket.key(key));
        let head = match head.send().await {
            Ok(head) => head,
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => return Ok(None),
            Err(error) => return Err(failed("HeadObject")(error)),
        };
        if head.content_encoding() != Some("gzip") {
            return Ok(head.content_length().and_then(|length| u64::try_from(length).ok()));
        }
        // S3 does not store the size before compression, so the object is read to find it.
        let mut stream = self.open(key, None).await?;
        let mut size = 0;
        while let Some(bytes) = futures_util::StreamExt::next(&mut stream).await {
            size += bytes?.len() as u64;
        }
        Ok(Some(size))
    }

    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let key = checked_key(key)?;
        if self.compress && is_plain_ndjson(key) {
            let object = self.bucket.open(key, None).await?;
            return Ok(match object.encoding() {
                Some("gzip") => decompressed(key, object.stream(), range),
                // The object was written before compression was turned on.
                _ => match range {
                    Some(range) => self.bucket.open(key, Some(range)).await?.stream(),
                    None => object.stream(),
                },
            });
        }
        let object = self.bucket.open(key, range.clone()).await?;
        if object.encoding() == Some("gzip") {
            let whole = self.bucket.open(key, None).await?;
            return Ok(decompressed(key, whole.stream(), range));
        }
        Ok(object.stream())
    }

    async fn link(&self, key: &str, lifetime: SignedDuration, file: Linked<'_>) -> Result<Option<String>> {
        let key = self.bucket.key(checked_key(key)?);
        self.presigner.download(&self.bucket.name, &key, lifetime, file).await.map(Some)
    }

    fn has_links(&self) -> bool {
        true
    }

    fn takes_uploads(&self) -> bool {
        true
    }

    async fn upload_form(&self, key: &str, upload: Announced<'_>) -> Result<Option<UploadForm>> {
        let key = self.bucket.key(checked_key(key)?);
        self.presigner.upload(&self.bucket.name, &key, upload).await.map(Some)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.remove_keys(&[checked_key(key)?.to_owned()]).await
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let prefix = checked_key(prefix)?;
        self.abort_uploads(prefix).await?;
        let mut walk = self.bucket.walk(prefix, None);
        let mut keys = Vec::new();
        while let Some(object) = walk.next().await? {
            keys.push(object.key);
            if keys.len() == 1_000 {
                self.remove_keys(&keys).await?;
                keys.clear();
            }
        }
        self.remove_keys(&keys).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = self.bucket.key(checked_key(prefix)?);
        let list = self.bucket.client.list_objects_v2().bucket(&self.bucket.name);
        let mut pages = list.prefix(&prefix).delimiter("/").into_paginator().send();
        let mut names = Vec::new();
        while let Some(listed) = pages.try_next().await.map_err(failed("ListObjectsV2"))? {
            let directories = listed.common_prefixes().iter().filter_map(|directory| directory.prefix());
            let files = listed.contents().iter().filter_map(|object| object.key());
            let below = directories.chain(files).filter_map(|key| key.strip_prefix(&prefix));
            names.extend(below.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(names)
    }
}
