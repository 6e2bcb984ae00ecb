//! Writes an object: a small one in one request, a large one in parts. It is written by hand because `aws-sdk-s3` only sends the single
//! requests of an upload: the caller must divide the bytes into parts.
//!
//! Memory is bounded, however many files are open and however large they are. Each file keeps at most about [`IN_MEMORY`]
//! bytes in memory; the rest of a part that is not full yet is in a temporary file. Only [`PARTS_AT_ONCE`] parts of all files
//! together are in memory while they are sent. The parts begin with the size in the settings, which doubles after every 2,000
//! parts, so that 10,000 parts (S3, limits) are enough for the largest object of S3.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use domain::error::{Error, Result};
use domain::ports::files::FileWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::calls::{completion_timeouts, failed, upload_timeouts};
use crate::objects::Bucket;

/// The number of bytes of one file that are kept in memory before they are moved to the temporary file.
const IN_MEMORY: usize = 1024 * 1024;
/// The maximum number of parts in memory, over all files.
pub(super) const PARTS_AT_ONCE: usize = 3;
/// The number of parts of the same size.
const SAME_SIZE: usize = 2_000;

/// An object that is being written.
pub(super) struct Upload {
    bucket: Bucket,
    key: String,
    content_type: &'static str,
    part_bytes: usize,
    slots: Arc<Semaphore>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    memory: Vec<u8>,
    spool: Option<Spool>,
    /// The id of the multipart upload, if it was started.
    id: Option<String>,
    /// The number of the last started part.
    begun: i32,
    parts: JoinSet<Result<CompletedPart>>,
    done: Vec<CompletedPart>,
}

/// The beginning of the current part, in a temporary file.
struct Spool {
    file: File,
    length: usize,
}

impl Upload {
    pub(super) fn new(
        bucket: Bucket,
        key: String,
        content_type: &'static str,
        compress: bool,
        part_bytes: usize,
        slots: Arc<Semaphore>,
    ) -> Self {
        Self {
            bucket,
            key,
            content_type,
            part_bytes,
            slots,
            encoder: compress.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
            memory: Vec::new(),
            spool: None,
            id: None,
            begun: 0,
            parts: JoinSet::new(),
            done: Vec::new(),
        }
    }

    fn encoding(&self) -> Option<String> {
        self.encoder.is_some().then(|| "gzip".to_owned())
    }

    fn part_size(&self) -> usize {
        self.part_bytes << ((self.done.len() + self.parts.len()) / SAME_SIZE)
    }

    fn waiting(&self) -> usize {
        self.memory.len() + self.spool.as_ref().map_or(0, |spool| spool.length)
    }

    /// Moves the bytes in memory to the temporary file.
    async fn spill(&mut self) -> Result<()> {
        let memory = std::mem::take(&mut self.memory);
        let spool = self.spool.take();
        let (spool, memory) = blocking(move || {
            let mut spool = match spool {
                Some(spool) => spool,
                None => Spool { file: tempfile::tempfile()?, length: 0 },
            };
            spool.file.write_all(&memory)?;
            spool.length += memory.len();
            Ok((spool, memory))
        })
        .await?;
        self.spool = Some(spool);
        self.memory = memory;
        self.memory.clear();
        Ok(())
    }

    /// Takes all unsent bytes as one part.
    async fn take_part(&mut self) -> Result<Vec<u8>> {
        let memory = std::mem::take(&mut self.memory);
        let Some(mut spool) = self.spool.take() else { return Ok(memory) };
        let (spool, part) = blocking(move || {
            let mut part = Vec::with_capacity(spool.length + memory.len());
            spool.file.seek(SeekFrom::Start(0))?;
            spool.file.read_to_end(&mut part)?;
            part.extend_from_slice(&memory);
            spool.file.set_len(0)?;
            spool.file.seek(SeekFrom::Start(0))?;
            spool.length = 0;
            Ok((spool, part))
        })
        .await?;
        self.spool = Some(spool);
        Ok(part)
    }

    /// Returns the id of the multipart upload, which it starts if necessary.
    async fn begin(&mut self) -> Result<String> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let create = self
            .bucket
            .client
            .create_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .content_type(self.content_type)
            .set_content_encoding(self.encoding())
            .checksum_algorithm(ChecksumAlgorithm::Crc32);
        let created = create.send().await.map_err(failed("CreateMultipartUpload"))?;
        let id =
            created.upload_id.ok_or_else(|| Error::unavailable("CreateMultipartUpload returned no id"))?;
        self.id = Some(id.clone());
        Ok(id)
    }

    /// Sends the unsent bytes as a part. The request runs in its own task while the caller continues.
    async fn send_part(&mut self) -> Result<()> {
        let slot = self.slots.clone().acquire_owned().await.map_err(Error::internal)?;
        let id = self.begin().await?;
        let part = bytes::Bytes::from(self.take_part().await?);
        self.begun += 1;
        let number = self.begun;
        let upload = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .upload_id(id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(Body::from(part));
        self.parts.spawn(async move {
            let timeouts = aws_sdk_s3::config::Config::builder().timeout_config(upload_timeouts());
            let uploaded = upload.customize().config_override(timeouts).send().await;
            drop(slot);
            let uploaded = uploaded.map_err(failed("UploadPart"))?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(uploaded.e_tag)
                .set_checksum_crc32(uploaded.checksum_crc32);
            Ok(part.build())
        });
        // An error of an earlier part is returned as soon as possible.
        while let Some(part) = self.parts.try_join_next() {
            self.done.push(part.map_err(Error::internal)??);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<()> {
        if let Some(encoder) = self.encoder.as_mut() {
            encoder.try_finish()?;
            self.memory.append(encoder.get_mut());
        }
        if self.id.is_none() {
            let _slot = self.slots.clone().acquire_owned().await.map_err(Error::internal)?;
            let body = self.take_part().await?;
            let timeouts = aws_sdk_s3::config::Config::builder().timeout_config(upload_timeouts());
            let put = self
                .bucket
                .client
                .put_object()
                .bucket(&self.bucket.name)
                .key(&self.key)
                .content_type(self.content_type)
                .set_content_encoding(self.encoding())
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .body(Body::from(body));
            put.customize().config_override(timeouts).send().await.map_err(failed("PutObject"))?;
            return Ok(());
        }
        if self.waiting() > 0 {
            self.send_part().await?;
        }
        while let Some(part) = self.parts.join_next().await {
            self.done.push(part.map_err(Error::internal)??);
        }
        self.done.sort_by_key(|part| part.part_number);
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.done))).build();
        let complete = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .multipart_upload(parts);
        let timeouts = aws_sdk_s3::config::Config::builder().timeout_config(completion_timeouts());
        match complete.customize().config_override(timeouts).send().await {
            Ok(_) => {}
            // The response to an earlier attempt was lost: the upload no longer exists because it is complete.
            Err(error) if is_gone(&error) && self.exists().await? => {}
            Err(error) => return Err(failed("CompleteMultipartUpload")(error)),
        }
        self.id = None;
        Ok(())
    }

    /// Returns whether the object exists. The key of an exported file contains the attempt, so only this upload can
    /// have written it.
    async fn exists(&self) -> Result<bool> {
        let head = self.bucket.client.head_object().bucket(&self.bucket.name).key(&self.key);
        match head.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::head_object::HeadObjectError::is_not_found) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("HeadObject")(error)),
        }
    }

    async fn abort(&mut self) {
        self.parts.shutdown().await;
        if let Some(id) = self.id.take() {
            abort(&self.bucket, &self.key, &id).await;
        }
    }
}

fn is_gone<R>(
    error: &aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError,
        R,
    >,
) -> bool {
    use aws_sdk_s3::error::ProvideErrorMetadata;

    error.code() == Some("NoSuchUpload")
}

/// Aborts a multipart upload, whose parts are then removed. `key` is the object's key in the bucket, with the prefix.
pub(super) async fn abort(bucket: &Bucket, key: &str, id: &str) {
    let abort = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(key).upload_id(id);
    if let Err(error) = abort.send().await.map_err(failed("AbortMultipartUpload")) {
        tracing::warn!(error = %error, cause = error.causes(), "a multipart upload could not be aborted; the bucket's lifecycle rule removes it");
    }
}

#[async_trait]
impl FileWriter for Upload {
    async fn write(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        match &mut self.encoder {
            Some(encoder) => {
                encoder.write_all(&buffer)?;
                self.memory.append(encoder.get_mut());
            }
            None => self.memory.extend_from_slice(&buffer),
        }
        buffer.clear();
        let written = if self.waiting() >= self.part_size() {
            self.send_part().await
        } else if self.memory.len() >= IN_MEMORY {
            self.spill().await
        } else {
            Ok(())
        };
        if let Err(error) = written {
            self.abort().await;
            return Err(error);
        }
        Ok(buffer)
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let completed = self.complete().await;
        if completed.is_err() {
            self.abort().await;
        }
        completed
    }
}

impl Drop for Upload {
    /// Aborts an upload that was not completed, in its own task. If the process is frozen before that,
    /// [`Files::remove_prefix`](domain::ports::files::Files::remove_prefix) or the bucket's lifecycle rule does it.
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        runtime.spawn(async move { abort(&bucket, &key, &id).await });
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
