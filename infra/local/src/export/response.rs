//! The responses of a server, and the errors and URLs in them. Everything is read up to a limit.

use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use super::page::page_text;
use crate::Failure;

/// The maximum length of a JSON document, such as a manifest, in bytes.
const MAX_JSON: usize = 256 * 1024 * 1024;
/// The maximum length of an error that is read, in bytes.
pub(super) const MAX_ERROR: usize = 1024 * 1024;

/// Sends a request whose response must be a success or a redirect.
pub(crate) async fn send(request: RequestBuilder) -> Result<Response, Failure> {
    checked(request.send().await.map_err(unreachable)?).await
}

/// Returns the response if it is a success or a redirect, and the server's error otherwise.
pub(crate) async fn checked(response: Response) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(response);
    }
    Err(error_of(response).await.0)
}

/// Returns the response if it is a success, and the server's error otherwise. The error of a redirect names its target.
pub(super) async fn succeeded(response: Response) -> Result<Response, Failure> {
    if response.status().is_success() {
        return Ok(response);
    }
    let target = redirect_target(&response);
    let error = error_of(response).await.0;
    Err(match target {
        Some(target) => redirected(&error, &target),
        None => error,
    })
}

/// Returns the error of a request that the server redirects although it must not.
pub(super) fn redirected(error: &Failure, target: &str) -> Failure {
    Failure::new(format!(
        "{error}: it redirects to {target}; if that is a page for signing in, the access token must be renewed"
    ))
}

/// Returns the target of a redirect as the server wrote it.
pub(super) fn redirect_target(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    location.filter(|_| response.status().is_redirection()).map(str::to_owned)
}

/// Returns the absolute form of a URL that a response contains.
///
/// # Errors
///
/// It is not a URL, or not one of HTTP.
pub(super) fn resolve(base: &Url, text: &str) -> Result<Url, Failure> {
    let url = base.join(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Failure::new(format!("the server returned an invalid URL: {text}")))
}

/// Returns whether the status means that the server does not have what was requested.
pub(super) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// Returns the server's error in a response, and the body if it is JSON.
pub(crate) async fn error_of(response: Response) -> (Failure, Value) {
    let (status, path) = (response.status(), response.url().path().to_owned());
    let is_page = is_page(&response);
    let bytes = beginning(response, MAX_ERROR).await.unwrap_or_default();
    if is_page {
        let reason = page_text(&String::from_utf8_lossy(&bytes));
        return (Failure::new(format!("the server returned {status} for {path}: {reason}")), Value::Null);
    }
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    (refusal(status, &path, &body), body)
}

/// Returns the body of a response, or its beginning if it has more than `limit` bytes.
pub(super) async fn beginning(mut response: Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        let Some(next) = response.chunk().await? else { break };
        bytes.extend_from_slice(&next[..next.len().min(limit - bytes.len())]);
    }
    Ok(bytes)
}

/// Returns whether a response is a page in HTML.
pub(super) fn is_page(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Returns the error in a response of the server, in one line.
pub(crate) fn refusal(status: StatusCode, path: &str, body: &Value) -> Failure {
    let reason = body["issue"][0]["diagnostics"].as_str().or_else(|| body["error_description"].as_str());
    Failure::new(format!("the server returned {status} for {path}: {}", reason.unwrap_or("no reason given")))
}

pub(crate) async fn json(response: Response) -> Result<Value, Failure> {
    let (path, is_page) = (response.url().path().to_owned(), is_page(&response));
    let bytes = beginning(response, MAX_JSON + 1).await.map_err(unreachable)?;
    if bytes.len() > MAX_JSON {
        return Err(Failure::new(format!(
            "the server's response for {path} is larger than {MAX_JSON} bytes"
        )));
    }
    serde_json::from_slice(&bytes).map_err(|_| {
        let text = match is_page {
            true => format!(", but a page: {}", page_text(&String::from_utf8_lossy(&bytes))),
            false => String::new(),
        };
        Failure::new(format!("the server's response for {path} is not JSON{text}"))
    })
}

/// Returns a URL without its query and its fragment: the query may be a signature.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Returns the failure of a request without a response. It names the URL without its query.
pub(crate) fn unreachable(error: reqwest::Error) -> Failure {
    let at = error.url().map(|url| format!(" ({})", without_query(url.as_str()))).unwrap_or_default();
    let error = error.without_url();
    let mut text = format!("the server cannot be reached{at}: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Failure(text)
}
