//! The store of files, under keys of segments joined by `/`.

use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use jiff::SignedDuration;

use crate::error::Result;

pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The store of files.
#[async_trait]
pub trait Files: Send + Sync {
    /// Begins a file. It is complete and durable when [`FileWriter::finish`] returns; a writer that is
    /// dropped leaves nothing that `open` finds, or a part that [`Files::remove_prefix`] removes.
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>>;

    /// As [`Files::create`], where the store takes large files in parts in parts of this size.
    async fn create_in_parts(&self, key: &str, part_bytes: Option<usize>) -> Result<Box<dyn FileWriter>> {
        let _ = part_bytes;
        self.create(key).await
    }

    /// Whether the store keeps files of lines as gzip, which whoever puts several into one object must do as well.
    fn compresses(&self) -> bool {
        false
    }

    /// The size of a file; `None` when there is none.
    async fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Streams the bytes of a range, or all of them. [`crate::error::Error::NotFound`] when there is no such file.
    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// A URL under which anybody can fetch the file for a while; `None` where the host streams it itself.
    async fn link(&self, key: &str, lifetime: SignedDuration, file_name: &str) -> Result<Option<String>>;

    /// A form that puts a file of at most `limit` bytes there; `None` where the host takes files itself.
    async fn upload_form(
        &self,
        key: &str,
        content_type: &str,
        limit: u64,
        lifetime: SignedDuration,
    ) -> Result<Option<UploadForm>>;

    async fn remove(&self, key: &str) -> Result<()>;

    /// Removes every file whose key starts with `prefix`, which ends in `/`. None is no error.
    async fn remove_prefix(&self, prefix: &str) -> Result<()>;

    /// The segments right below a prefix, in no order: directories end in `/`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
}

/// A file being written.
#[async_trait]
pub trait FileWriter: Send + Sync {
    /// Writes all of the buffer and gives it back, empty, to be filled again.
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>>;

    /// Ends the file; from then on it can be opened.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// What a browser or a tool sends to the store itself to put a file there: a form that is good for one key, one
/// type, a largest size and a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadForm {
    pub url: String,
    /// The form's fields, to be sent before the file, in this order.
    pub fields: Vec<(String, String)>,
}

/// Checks a key: segments that stay below the root. Keys are made by us of parsed ids, so another one is a defect.
pub fn checked_key(key: &str) -> Result<&str> {
    let plain = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['\\', '\0'])
    };
    if key.trim_end_matches('/').split('/').all(plain) {
        Ok(key)
    } else {
        Err(crate::error::Error::internal("a storage key that is no path below the root"))
    }
}

/// Reads a small file whole, refusing more than `limit` bytes.
pub async fn read_all(files: &dyn Files, key: &str, limit: usize) -> Result<Vec<u8>> {
    use futures_util::StreamExt;

    let mut stream = files.open(key, None).await?;
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        if all.len() + bytes.len() > limit {
            return Err(crate::error::Error::internal(format!("stored file over {limit} bytes")));
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// Writes a small file whole.
pub async fn write_all(files: &dyn Files, key: &str, bytes: Vec<u8>) -> Result<()> {
    let mut writer = files.create(key).await?;
    writer.write(bytes).await?;
    writer.finish().await
}
