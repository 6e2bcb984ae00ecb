//! Builds and sends requests, and reads their responses.

use std::net::IpAddr;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use security::address::PeerAddress;
use serde_json::Value;
use tower::ServiceExt;

use crate::{BASE_URL, World, text};

/// A request that is being built.
pub struct Call<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    peer: Option<IpAddr>,
}

impl<'w> Call<'w> {
    pub(crate) fn new(world: &'w World, method: Method, path: String) -> Self {
        Self { world, method, path, headers: HeaderMap::new(), body: Vec::new(), peer: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    /// Sends the request from this address. This works in memory only: a deployment sees the test's own address.
    pub fn from(mut self, address: &str) -> Self {
        self.peer = Some(address.parse().expect("an address"));
        self
    }

    /// Sends the cookie that a response set.
    pub fn cookie(self, response: &TestResponse) -> Self {
        let cookie = response.cookie();
        self.header(COOKIE.as_str(), &cookie)
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    pub fn form<N: AsRef<str>, V: AsRef<str>>(mut self, fields: &[(N, V)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body = form.finish().into_bytes();
        self.header(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Sets a body of `multipart/form-data` with files in `attachments`.
    pub fn files(self, files: &[(&str, &str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (name, content_type, bytes) in files {
            let head = format!(
                "--XX\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XX--\r\n");
        self.body("multipart/form-data; boundary=XX", body)
    }

    pub async fn send(self) -> TestResponse {
        let world = self.world;
        world.send(self.request()).await
    }

    /// Sends the request to a host with other ports.
    pub async fn send_over(self, app: Router) -> TestResponse {
        TestResponse::of(app, self.request()).await
    }

    fn request(self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().expect("a path");
        *request.headers_mut() = self.headers;
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(PeerAddress(peer));
        }
        request
    }
}

/// The response to a request.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl TestResponse {
    /// Returns the response of a host's router.
    pub async fn of(app: Router, request: Request<Body>) -> Self {
        let (parts, body) = app.oneshot(request).await.expect("the app is infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    /// Checks the ledger, if the response is a manifest.
    pub(crate) fn check_ledger(&self) {
        if self.status != StatusCode::OK {
            return;
        }
        let manifest = serde_json::from_slice(&self.body).ok();
        if let Some(ledger) = manifest.as_ref().and_then(crate::ledger::of_manifest) {
            crate::ledger::check_laws(&ledger);
        }
    }

    /// Parses lines of NDJSON; every line must have a line end.
    pub fn lines(&self) -> Vec<Value> {
        assert!(self.body.ends_with(b"\n"), "the last line has no end");
        let lines = self.body.strip_suffix(b"\n").unwrap_or_default().split(|byte| *byte == b'\n');
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn location(&self) -> String {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.text());
        self.header(LOCATION.as_str()).to_owned()
    }

    pub fn cookie(&self) -> String {
        self.header(SET_COOKIE.as_str()).split(';').next().unwrap_or_default().to_owned()
    }

    /// Returns the path of the job that a kick-off started.
    pub fn job(&self) -> String {
        let status = self.header("content-location").strip_prefix(BASE_URL).expect("an absolute URL");
        status.strip_suffix("/status").expect("a status URL").to_owned()
    }

    /// Returns the text of the response, which must be an OperationOutcome.
    pub fn outcome(&self) -> String {
        assert_eq!(self.header("content-type"), "application/fhir+json", "{}", self.text());
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        text(&outcome["issue"][0]["diagnostics"])
    }
}
