//! S3: objects in memory, and objects that a formula generates when they are read.

mod list;
mod multipart;
mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::request::Call;
use super::response::SimulatedResponse;

pub(crate) use self::objects::keys_to_delete;

/// Objects that are not stored: each is generated from its number. Their keys are sorted like their numbers.
pub trait Generated: Send + Sync + std::fmt::Debug {
    fn count(&self) -> u64;

    fn key(&self, number: u64) -> String;

    fn size(&self, number: u64) -> u64;

    /// Returns exactly [`Generated::size`] bytes.
    fn bytes(&self, number: u64) -> Bytes;
}

/// Returns the number of the first generated object whose key is not before this key.
pub(crate) fn lower_bound(generated: &dyn Generated, key: &str) -> u64 {
    let (mut low, mut high) = (0, generated.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if generated.key(middle).as_str() < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    etag: String,
    changed: Duration,
    content_type: String,
    encoding: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    objects: BTreeMap<String, Object>,
    generated: Option<Arc<dyn Generated>>,
    uploads: BTreeMap<(String, String), multipart::Upload>,
}

#[derive(Debug, Clone)]
pub(crate) struct S3 {
    buckets: BTreeMap<&'static str, Bucket>,
    /// The number of keys on a page of a listing: a thousand, or fewer, which S3 may also return.
    pub(crate) page: usize,
    /// Whether pages may be shorter than that, or empty.
    pub(crate) holes: bool,
    uploads: u64,
}

impl S3 {
    pub(crate) fn new(buckets: &[&'static str]) -> Self {
        let buckets = buckets.iter().map(|name| (*name, Bucket::default())).collect();
        Self { buckets, page: 1_000, holes: false, uploads: 0 }
    }

    pub(crate) fn call(&mut self, call: &Call, now: Duration) -> SimulatedResponse {
        let (page, holes) = (self.page, self.holes);
        self.uploads += 1;
        let number = self.uploads;
        let Some(bucket) = self.buckets.get_mut(call.bucket.as_str()) else {
            return SimulatedResponse::xml_error(404, "NoSuchBucket");
        };
        let outcome = match call.operation {
            "ListObjectsV2" => Ok(bucket.list(call, page, holes)),
            "GetObject" => bucket.get(call, false),
            "HeadObject" => bucket.get(call, true),
            "PutObject" => bucket.put(call, now),
            "DeleteObject" => {
                bucket.objects.remove(&call.key);
                Ok(SimulatedResponse::new(204))
            }
            "DeleteObjects" => Ok(bucket.delete_all(call)),
            "CreateMultipartUpload" => Ok(bucket.begin(call, number)),
            "UploadPart" => bucket.part(call),
            "UploadPartCopy" => bucket.copied_part(call),
            "CompleteMultipartUpload" => bucket.complete(call, now),
            "AbortMultipartUpload" => bucket.abort(call),
            "ListMultipartUploads" => Ok(bucket.list_uploads(call)),
            _ => Err((501, "NotImplemented")),
        };
        outcome.unwrap_or_else(|(status, code)| SimulatedResponse::xml_error(status, code))
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }

    pub(crate) fn bucket_mut(&mut self, name: &str) -> Option<&mut Bucket> {
        self.buckets.get_mut(name)
    }
}

/// The status and the code of an error.
type Refused = (u16, &'static str);

impl Bucket {
    pub(crate) fn generate(&mut self, generated: Arc<dyn Generated>) {
        self.generated = Some(generated);
    }

    pub(crate) fn store(&mut self, key: &str, bytes: Bytes, encoding: Option<&str>) {
        let encoding = encoding.map(str::to_owned);
        let object = Object::new(bytes, "application/octet-stream", encoding, Duration::ZERO);
        self.objects.insert(key.to_owned(), object);
    }

    /// Returns the stored objects below a prefix.
    pub(crate) fn below<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = (&'b String, &'b Object)> {
        self.objects.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(crate) fn has_uploads(&self) -> bool {
        !self.uploads.is_empty()
    }

    /// Returns the position of a key among the generated ones, from 0 to 1; `None` if it is not one of them.
    pub(crate) fn position(&self, key: &str) -> Option<f64> {
        let generated = self.generated.as_deref()?;
        let number = lower_bound(generated, key);
        #[expect(clippy::cast_precision_loss, reason = "a share of the whole")]
        (number < generated.count() && generated.key(number) == key)
            .then(|| number as f64 / generated.count() as f64)
    }
}

/// Returns the texts of all elements with this name, which must have no child elements.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let pieces = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    pieces.map(|(text, _)| unescaped(text)).collect()
}

const ESCAPES: [(&str, &str); 5] =
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];

fn unescaped(text: &str) -> String {
    let text = text.replace("&#x22;", "\"").replace("&#34;", "\"");
    ESCAPES.iter().fold(text, |text, (escape, letter)| text.replace(escape, letter))
}

fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"', '\'']) {
        return text.into();
    }
    let ampersand = text.replace('&', "&amp;");
    let rest = ESCAPES.iter().take(4);
    rest.fold(ampersand, |text, (escape, letter)| text.replace(letter, escape)).into()
}
