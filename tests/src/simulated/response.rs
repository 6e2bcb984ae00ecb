//! The response of a simulated service, before it is sent.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

#[derive(Debug, Clone)]
pub(crate) struct SimulatedResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl SimulatedResponse {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::json_bytes(status, body.to_string().into_bytes())
    }

    pub(crate) fn json_bytes(status: u16, body: Vec<u8>) -> Self {
        Self { body: body.into(), ..Self::new(status) }.header("content-type", "application/x-amz-json-1.0")
    }

    pub(crate) fn xml(status: u16, body: String) -> Self {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        Self { body: body.into(), ..Self::new(status) }.header("content-type", "application/xml")
    }

    /// Returns an error in the format of S3.
    pub(crate) fn xml_error(status: u16, code: &str) -> Self {
        Self::xml(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Converts the response for the SDK. The body is copied, so that the memory of its bytes is counted for the reader.
    pub(crate) fn for_sdk(&self) -> HttpResponse {
        let status = StatusCode::try_from(self.status).expect("a status");
        let mut response = HttpResponse::new(status, SdkBody::from(Bytes::copy_from_slice(&self.body)));
        for (name, value) in &self.headers {
            response.headers_mut().insert(*name, value.clone());
        }
        response
    }
}
