//! The port for the store of exported files. Keys are segments joined by `/`.

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
    /// Begins a file, which is complete and durable when [`FileWriter::finish`] returns. A writer that is dropped before
    /// leaves nothing that `open` finds; [`Files::remove_prefix`] removes the parts that it may leave.
    async fn create(&self, key: &str) -> Result<Box<dyn FileWriter>>;

    /// Like [`Files::create`]. A store that uploads large files in parts uses parts of `part_bytes` bytes.
    async fn create_in_parts(&self, key: &str, part_bytes: Option<usize>) -> Result<Box<dyn FileWriter>> {
        let _ = part_bytes;
        self.create(key).await
    }

    /// Returns whether the store keeps NDJSON files as gzip. A caller that writes several files into one object must
    /// compress them itself.
    fn compresses(&self) -> bool {
        false
    }

    /// Replaces a whole small file, which is not NDJSON, if it has the content that the caller knows: `None` stands for no file.
    /// Returns whether it did. Of callers that know the same content, one succeeds; so no change is lost.
    async fn swap(&self, key: &str, known: Option<&[u8]>, bytes: Vec<u8>) -> Result<bool>;

    /// Returns the size of a file in bytes; `None` if there is no such file.
    async fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Streams the bytes of a range, or all of them. Returns [`crate::error::Error::NotFound`] if there is no such file.
    async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// Returns a URL by which anyone can download the file for `lifetime`; `None` if the host streams files itself.
    async fn link(&self, key: &str, lifetime: SignedDuration, file: Linked<'_>) -> Result<Option<String>>;

    /// Returns whether [`Files::link`] returns URLs.
    fn has_links(&self) -> bool {
        false
    }

    /// Returns whether [`Files::upload_form`] returns forms.
    fn takes_uploads(&self) -> bool {
        false
    }

    /// Returns a form that uploads the announced file to this key; `None` if the host receives files itself.
    async fn upload_form(&self, key: &str, upload: Announced<'_>) -> Result<Option<UploadForm>>;

    async fn remove(&self, key: &str) -> Result<()>;

    /// Removes every file whose key starts with `prefix`, which ends in `/`. It is not an error if there are none.
    async fn remove_prefix(&self, prefix: &str) -> Result<()>;

    /// Returns the segments directly below a prefix, in any order. Directories end in `/`.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
}

/// A file being written.
#[async_trait]
pub trait FileWriter: Send + Sync {
    /// Writes the whole buffer and returns it empty, so that it can be filled again.
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>>;

    /// Completes the file. From then on it can be opened.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// The minimum size of a file that is joined with others that follow it (S3, limits).
pub const MIN_JOINED: u64 = 5 * 1024 * 1024;

/// Joins files within the store of [`Files`]. It is a port of its own, because only workers need it.
#[async_trait]
pub trait Joiner: Send + Sync {
    /// Joins files to one, which is complete and durable when this returns. Each file but the last has at least [`MIN_JOINED`] bytes.
    async fn join(&self, key: &str, parts: &[FilePart]) -> Result<()>;
}

/// A file that is joined with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    pub key: String,
    pub bytes: u64,
}

/// What a browser does with a file that it gets by a link.
#[derive(Debug, Clone, Copy)]
pub struct Linked<'f> {
    /// The name under which the file is saved.
    pub name: &'f str,
    /// The media type with which the browser shows the file. `None`: the browser saves the file, with the type that is stored.
    pub shown_as: Option<&'f str>,
}

impl<'f> Linked<'f> {
    /// Describes a file that the browser saves under this name.
    pub fn saved(name: &'f str) -> Self {
        Self { name, shown_as: None }
    }

    /// Returns the value of `Content-Disposition`.
    pub fn disposition(&self) -> String {
        let kind = if self.shown_as.is_some() { "inline" } else { "attachment" };
        format!("{kind}; filename=\"{}\"", self.name)
    }
}

/// A file that will be uploaded directly to the store.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'f> {
    pub content_type: &'f str,
    pub max_bytes: u64,
    /// The time within which the upload must begin.
    pub lifetime: SignedDuration,
    /// The URL to which the store redirects the browser after the upload, with some query parameters of its own.
    pub redirect: Option<&'f str>,
}

/// A form with which a browser or a tool uploads a file directly to the store. It is valid for one key, one content type,
/// a maximum size and a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadForm {
    pub url: String,
    /// The form's fields, which must be sent before the file in this order.
    pub fields: Vec<(String, String)>,
}

/// Checks that the segments of a key stay below the root. Keys consist of parsed ids, so a wrong one is a fault of this
/// server.
pub fn checked_key(key: &str) -> Result<&str> {
    let plain = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && !segment.contains(['\\', '\0'])
    };
    if key.trim_end_matches('/').split('/').all(plain) {
        Ok(key)
    } else {
        Err(crate::error::Error::internal("a storage key is not a path below the root"))
    }
}

/// Reads a whole small file. Returns an error if it has more than `limit` bytes.
pub async fn read_all(files: &dyn Files, key: &str, limit: usize) -> Result<Vec<u8>> {
    use futures_util::StreamExt;

    let mut stream = files.open(key, None).await?;
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        if all.len() + bytes.len() > limit {
            return Err(crate::error::Error::internal(format!("a stored file has more than {limit} bytes")));
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// Writes a whole small file.
pub async fn write_all(files: &dyn Files, key: &str, bytes: Vec<u8>) -> Result<()> {
    let mut writer = files.create(key).await?;
    writer.write(bytes).await?;
    writer.finish().await
}
