//! A server whose responses are scripted.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::clock::hex;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::PATIENTS;

/// The server's next responses, and a record of its requests.
#[derive(Default)]
pub(super) struct Script {
    /// Responses to the kick-off, before it is accepted.
    pub(super) kick_off_replies: VecDeque<Response>,
    /// Responses to return before the statuses.
    pub(super) replies: VecDeque<Response>,
    /// Statuses and bodies to return before the manifest.
    pub(super) statuses: VecDeque<(StatusCode, Value)>,
    /// Whether the export does not end.
    pub(super) runs: bool,
    /// The number of downloads to break off in the middle.
    pub(super) broken_downloads: u32,
    pub(super) kick_offs: Vec<String>,
    pub(super) ranges: Vec<String>,
    pub(super) status_requests: u32,
    /// The paths of cancelled jobs.
    pub(super) cancelled: Vec<String>,
    /// The files in the manifest, by name and text.
    pub(super) files: Vec<(String, String)>,
    pub(super) attachments: Vec<(String, String)>,
    /// Statuses to return instead of files.
    pub(super) refused: HashMap<String, StatusCode>,
    /// Responses to return before a file or an attachment of this name.
    pub(super) file_replies: HashMap<String, VecDeque<Response>>,
    /// The requests for files: the path with its query, and the headers.
    pub(super) file_requests: Vec<(String, HeaderMap)>,
    /// Whether the URLs of files are signed. Each status request has another signature.
    pub(super) is_signed: bool,
    /// Whether the manifest has hashes.
    pub(super) has_hashes: bool,
    /// The maximum size of a response with a file.
    pub(super) largest: Option<usize>,
    /// The ETags of the files: the first is the current one, and the next follow after one response each.
    pub(super) etags: VecDeque<&'static str>,
    pub(super) status_at: Option<SocketAddr>,
    pub(super) own: Option<SocketAddr>,
}

impl Script {
    /// Returns the URL of an attachment.
    pub(super) fn attachment_url(&self, name: &str) -> String {
        format!("http://{}/download/attachments/{name}", self.own.expect("an address"))
    }

    pub(super) fn manifest(&self) -> Value {
        let own = self.own.expect("an address");
        let output = self.files.iter().map(|(name, text)| {
            let resource_type = name.split('.').next();
            let mut url = format!("http://{own}/files/{name}");
            if self.is_signed {
                url = format!("{url}?signature={}", self.status_requests);
            }
            let mut entry = json!({ "type": resource_type, "url": url, "count": text.lines().count() });
            if self.has_hashes {
                let sha256 = hex(digest(&SHA256, text.as_bytes()).as_ref());
                entry["extension"] = json!({ "sha256": sha256, "size": text.len() });
            }
            entry
        });
        json!({ "requiresAccessToken": false, "output": output.collect::<Vec<_>>(), "error": [] })
    }

    fn etag(&mut self) -> &'static str {
        match self.etags.len() {
            0 => "\"1\"",
            1 => self.etags[0],
            _ => self.etags.pop_front().expect("an ETag"),
        }
    }

    /// Returns the range of a file that a response contains; `None` is the whole file.
    fn range(&mut self, headers: &HeaderMap, etag: &str, size: usize) -> Option<std::ops::Range<usize>> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let range = text("range")?;
        self.ranges.push(range.to_owned());
        if text("if-range").is_some_and(|wanted| wanted != etag || wanted.starts_with("W/")) {
            return None;
        }
        let (start, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))?;
        let end = last.parse().map_or(size, |last: usize| size.min(last + 1));
        Some(start.parse().expect("a number")..end)
    }
}

pub(super) type Shared = Arc<Mutex<Script>>;

pub(super) fn lock(script: &Shared) -> MutexGuard<'_, Script> {
    script.lock().expect("no test panics while it holds the lock")
}

async fn kick_off(State(script): State<Shared>, headers: HeaderMap) -> Response {
    let mut script = lock(&script);
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    script.kick_offs.push(key.to_owned());
    if let Some(reply) = script.kick_off_replies.pop_front() {
        return reply;
    }
    let status = script.status_at.or(script.own).expect("an address");
    let url = format!("http://{status}/status/{}", script.kick_offs.len());
    (StatusCode::ACCEPTED, [("content-location", url)]).into_response()
}

async fn status(State(script): State<Shared>) -> Response {
    let mut script = lock(&script);
    script.status_requests += 1;
    if let Some(reply) = script.replies.pop_front() {
        return reply;
    }
    if let Some((status, body)) = script.statuses.pop_front() {
        return (status, [("retry-after", "0")], body.to_string()).into_response();
    }
    match script.runs {
        true => (StatusCode::ACCEPTED, [("retry-after", "1")]).into_response(),
        false => script.manifest().to_string().into_response(),
    }
}

async fn cancel(State(script): State<Shared>, url: Uri) -> StatusCode {
    lock(&script).cancelled.push(url.path().to_owned());
    StatusCode::ACCEPTED
}

async fn file(
    State(script): State<Shared>,
    url: Uri,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let mut script = lock(&script);
    script.file_requests.push((url.to_string(), headers.clone()));
    if let Some(status) = script.refused.get(&name) {
        return status.into_response();
    }
    if let Some(reply) = script.file_replies.get_mut(&name).and_then(VecDeque::pop_front) {
        return reply;
    }
    let is_attachment = url.path().contains("/attachments/") || url.path().contains("/Binary/");
    let known = if is_attachment { &script.attachments } else { &script.files };
    let Some((_, text)) = known.iter().find(|(known, _)| *known == name).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = script.etag();
    let range = script.range(&headers, etag, text.len());
    let (start, end) = range.as_ref().map_or((0, text.len()), |range| (range.start, range.end));
    if script.largest.is_some_and(|largest| end - start > largest) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let sent = Bytes::from(text[start..end].to_owned());
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut headers = HeaderMap::new();
    let mut insert = |name: &'static str, value: String| {
        headers.insert(name, value.parse().expect("a header"));
    };
    insert("content-length", sent.len().to_string());
    if !etag.is_empty() {
        insert("etag", etag.to_owned());
    }
    if range.is_some() {
        insert("content-range", format!("bytes {start}-{}/{}", end.max(1) - 1, text.len()));
    }
    if script.broken_downloads == 0 {
        return (status, headers, sent).into_response();
    }
    script.broken_downloads -= 1;
    let half = sent.slice(..sent.len() / 2);
    // The part before the cut is sent before the connection ends.
    let cut = futures_util::stream::once(async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err(std::io::Error::other("cut"))
    });
    let broken = futures_util::stream::iter([Ok(half)]).chain(cut);
    (status, headers, Body::from_stream(broken)).into_response()
}

pub(super) fn serve(script: &Shared, listener: TcpListener) {
    let app = Router::new()
        .route("/fhir/$export", get(kick_off))
        .route("/fhir/Patient/{patient}/$ehi-export", axum::routing::post(kick_off))
        .route("/status/{job}", get(status).delete(cancel))
        .route("/files/{name}", get(file))
        .route("/download/attachments/{name}", get(file))
        .route("/fhir/Binary/{name}", get(file))
        .with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// Returns the value of a header of a request; empty if it has none.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(super) async fn start() -> (Shared, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let files = vec![("Patient.ndjson".to_owned(), PATIENTS.to_owned())];
    let script = Arc::new(Mutex::new(Script { own: Some(address), files, ..Script::default() }));
    serve(&script, listener);
    (script, format!("http://{address}/fhir"))
}
