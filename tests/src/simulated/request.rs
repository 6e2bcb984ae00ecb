//! Reads the service and the operation of a request.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    DynamoDb,
    S3,
    Sqs,
}

/// A parsed request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) operation: &'static str,
    /// The bucket and the key of an S3 request; empty for other services.
    pub(crate) bucket: String,
    pub(crate) key: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The headers that the services use.
const HEADERS: [&str; 10] = [
    "content-encoding",
    "content-type",
    "if-match",
    "if-none-match",
    "range",
    "x-amz-content-sha256",
    "x-amz-checksum-crc32",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-decoded-content-length",
];

impl Call {
    /// Parses a request; `None` if it is for none of the services.
    pub(crate) fn read(request: &HttpRequest, body: &[u8]) -> Option<Self> {
        let url = url::Url::parse(request.uri()).ok()?;
        let host = url.host_str()?;
        let bucket = host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
        let headers = HEADERS.iter().filter_map(|name| {
            request.headers().get(*name).map(|value| ((*name).to_owned(), value.to_owned()))
        });
        let mut call = Self {
            service: Service::S3,
            operation: "",
            bucket: bucket.unwrap_or_default().to_owned(),
            key: String::new(),
            query: url.query_pairs().into_owned().collect(),
            headers: headers.collect(),
            body: body.to_vec(),
        };
        if let Some(target) = request.headers().get("x-amz-target") {
            let (service, operation) = target.rsplit_once('.')?;
            call.service = if service == "AmazonSQS" { Service::Sqs } else { Service::DynamoDb };
            call.operation = JSON_OPERATIONS.iter().find(|known| **known == operation)?;
            return Some(call);
        }
        bucket?;
        call.key = decoded(url.path().trim_start_matches('/'));
        call.operation = call.s3_operation(request.method())?;
        Some(call)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the key of the object that an UploadPartCopy request copies. It is in the same bucket.
    pub(crate) fn copy_source(&self) -> Option<String> {
        let source = decoded(self.header("x-amz-copy-source")?);
        let (bucket, key) = source.trim_start_matches('/').split_once('/')?;
        (bucket == self.bucket).then(|| key.to_owned())
    }

    /// Returns whether it is a request of DynamoDB that names this table.
    pub(crate) fn is_of_table(&self, table: &str) -> bool {
        self.service == Service::DynamoDb
            && String::from_utf8_lossy(&self.body).contains(&format!("\"TableName\":\"{table}\""))
    }

    fn s3_operation(&self, method: &str) -> Option<&'static str> {
        let has = |name| self.parameter(name).is_some();
        if self.header("x-amz-copy-source").is_some() {
            return (method == "PUT" && has("partNumber")).then_some("UploadPartCopy");
        }
        Some(match method {
            "GET" if has("list-type") => "ListObjectsV2",
            "GET" if has("uploads") => "ListMultipartUploads",
            "GET" if !self.key.is_empty() => "GetObject",
            "HEAD" if !self.key.is_empty() => "HeadObject",
            "PUT" if has("partNumber") => "UploadPart",
            "PUT" if !self.key.is_empty() => "PutObject",
            "POST" if has("uploads") => "CreateMultipartUpload",
            "POST" if has("uploadId") => "CompleteMultipartUpload",
            "POST" if has("delete") => "DeleteObjects",
            "DELETE" if has("uploadId") => "AbortMultipartUpload",
            "DELETE" if !self.key.is_empty() => "DeleteObject",
            _ => return None,
        })
    }
}

/// The operations of DynamoDB and SQS that are simulated.
const JSON_OPERATIONS: [&str; 14] = [
    "GetItem",
    "BatchGetItem",
    "Query",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
];

/// Returns a path with its percent-encoding decoded.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
