//! Reads objects of a bucket despite broken connections, and lists them page by page.

use std::collections::VecDeque;
use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream as Body;
use bytes::Bytes;
use domain::error::{Error, Result, Store};
use domain::ports::files::ByteStream;
use futures_util::stream;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::calls::failed;

/// A bucket, or a prefix of one.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    /// Ends in `/`, or is empty.
    pub(super) prefix: String,
    /// The store in the bucket, for errors.
    pub(super) store: Store,
}

/// An object of a listing; its key is below the bucket's prefix.
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) changed: Option<Timestamp>,
}

/// A page of a listing.
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    /// The token of the next page; `None` on the last one.
    pub(super) next: Option<String>,
}

/// The maximum number of times that one read of an object is resumed.
const RESUMES: u32 = 5;
/// The number of pieces that are fetched ahead of the reader. A piece is at most one TLS record or one read of the
/// socket.
const AHEAD: usize = 32;

impl Bucket {
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Opens an object, or a range of it. Returns [`Error::NotFound`] if the object does not exist.
    pub(super) async fn open(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        let mut object = Object {
            bucket: self.clone(),
            key: self.key(key),
            at: range.as_ref().map_or(0, |range| range.start),
            end: range.map(|range| range.end),
            etag: None,
            encoding: None,
            body: None,
            resumes: 0,
        };
        object.body = Some(object.request().await?);
        Ok(object)
    }

    /// Returns the first page of the objects below a prefix and after a key, or the page of a token. A page has at most `keys` objects, or
    /// as many as S3 returns.
    pub(super) async fn list(
        &self,
        prefix: &str,
        start_after: Option<&str>,
        token: Option<String>,
        keys: Option<usize>,
    ) -> Result<Page> {
        let list = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(self.key(prefix))
            .set_start_after(start_after.map(|after| self.key(after)))
            .set_continuation_token(token)
            .set_max_keys(keys.and_then(|keys| i32::try_from(keys).ok()));
        let listed = list.send().await.map_err(failed("ListObjectsV2"));
        let listed = listed.map_err(|error| error.of_store(self.store))?;
        let objects = listed.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let key = object.key?;
            let etag = object.e_tag.unwrap_or_default();
            Some(Listed {
                key: key.strip_prefix(&self.prefix)?.to_owned(),
                size: u64::try_from(object.size.unwrap_or_default()).unwrap_or_default(),
                changed: object.last_modified.and_then(|at| changed_at_latest(at.secs(), &etag)),
                etag,
            })
        });
        Ok(Page { objects: objects.collect(), next: listed.next_continuation_token })
    }

    /// Lists every object below a prefix, and keeps at most a page of them in memory.
    pub(super) fn walk(&self, prefix: &str, start_after: Option<&str>) -> Walk {
        Walk {
            bucket: self.clone(),
            prefix: prefix.to_owned(),
            start_after: start_after.map(str::to_owned),
            page: VecDeque::new(),
            page_keys: None,
            next: None,
            ended: false,
        }
    }
}

/// Returns the latest time at which an object may have appeared in the bucket. S3 truncates the time to seconds. For an
/// object that was uploaded in parts, it is the start of the upload (S3 User Guide, system-defined object metadata).
/// The ETag of such an object ends in `-` and the number of parts.
fn changed_at_latest(last_modified: i64, etag: &str) -> Option<Timestamp> {
    const LONGEST_UPLOAD: i64 = 24 * 60 * 60;
    let later = if etag.contains('-') { LONGEST_UPLOAD } else { 1 };
    Timestamp::from_second(last_modified.saturating_add(later)).ok()
}

/// A listing of objects, one by one.
pub(super) struct Walk {
    bucket: Bucket,
    prefix: String,
    start_after: Option<String>,
    page: VecDeque<Listed>,
    page_keys: Option<usize>,
    next: Option<String>,
    ended: bool,
}

impl Walk {
    /// Lists this number of objects with each request.
    pub(super) fn in_pages_of(self, keys: usize) -> Self {
        Self { page_keys: Some(keys), ..self }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Listed>> {
        self.fill().await?;
        Ok(self.page.pop_front())
    }

    /// Returns the next object without removing it.
    pub(super) async fn peek(&mut self) -> Result<Option<&Listed>> {
        self.fill().await?;
        Ok(self.page.front())
    }

    /// Skips the objects of the current page that are before this key. Returns whether the next object is known without
    /// another request.
    pub(super) fn skip_to(&mut self, key: &str) -> bool {
        while self.page.pop_front_if(|listed| listed.key.as_str() < key).is_some() {}
        self.ended || !self.page.is_empty()
    }

    async fn fill(&mut self) -> Result<()> {
        while self.page.is_empty() && !self.ended {
            let after = self.start_after.as_deref();
            let page = self.bucket.list(&self.prefix, after, self.next.take(), self.page_keys).await?;
            self.next = page.next;
            self.ended = self.next.is_none();
            self.page.extend(page.objects);
        }
        Ok(())
    }
}

/// An object that is being read. If the connection breaks, the same version is read from the next byte.
pub(super) struct Object {
    bucket: Bucket,
    key: String,
    at: u64,
    end: Option<u64>,
    etag: Option<String>,
    encoding: Option<String>,
    body: Option<Body>,
    resumes: u32,
}

impl Object {
    /// Returns the content encoding of the object, such as `gzip`.
    pub(super) fn encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// Returns the version of the object, as S3 names it.
    pub(super) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    async fn request(&mut self) -> Result<Body> {
        let range = match (self.at, self.end) {
            (0, None) => None,
            (at, None) => Some(format!("bytes={at}-")),
            (at, Some(end)) => Some(format!("bytes={at}-{}", end.saturating_sub(1))),
        };
        let get = self
            .bucket
            .client
            .get_object()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .set_range(range)
            .set_if_match(self.etag.clone());
        let object = match get.send().await {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => {
                return Err(Error::NotFound("there is no such file"));
            }
            Err(error) if error.code() == Some("InvalidRange") => return Ok(Body::default()),
            Err(error) => return Err(failed("GetObject")(error).of_store(self.bucket.store)),
        };
        self.etag = object.e_tag.or(self.etag.take());
        self.encoding = object.content_encoding.filter(|encoding| encoding != "aws-chunked");
        // The length is stored, because a body may end early without an error.
        if let Some(length) = object.content_length.and_then(|length| u64::try_from(length).ok()) {
            self.end = Some(self.at + length);
        }
        Ok(object.body)
    }

    /// Returns the next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.end.is_some_and(|end| self.at >= end) {
                return Ok(None);
            }
            let problem = match &mut self.body {
                Some(body) => match body.next().await {
                    Some(Ok(bytes)) if bytes.is_empty() => continue,
                    Some(Ok(bytes)) => {
                        self.at += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                    Some(Err(error)) => error.to_string(),
                    None if self.end.is_none() => return Ok(None),
                    None => "it ended early".to_owned(),
                },
                None => String::new(),
            };
            self.body = None;
            self.resumes += 1;
            if self.resumes > RESUMES {
                return Err(Error::unavailable(format!("GetObject broke {} times: {problem}", self.resumes))
                    .of_store(self.bucket.store));
            }
            self.body = Some(self.request().await?);
        }
    }

    /// Returns the contents as a stream. A bounded number of pieces is fetched ahead of the reader.
    pub(super) fn ahead(mut self) -> ByteStream {
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            loop {
                let (piece, last) = match self.next().await {
                    Ok(Some(bytes)) => (Ok(bytes), false),
                    Ok(None) => return,
                    Err(error) => (Err(error), true),
                };
                // Sending fails when the reader was dropped.
                if sender.send(piece).await.is_err() || last {
                    return;
                }
            }
        });
        Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)))
    }

    /// Returns the contents as a stream. Each piece is fetched when the reader needs it.
    pub(super) fn stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(self, |mut object| async move {
            Ok(object.next().await?.map(|bytes| (bytes, object)))
        }))
    }
}
