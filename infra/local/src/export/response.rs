//! The responses of a server, and the errors in them.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use super::page::page_text;
use crate::Failure;

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

/// Returns the server's error in a response, and the body if it is JSON.
pub(crate) async fn error_of(response: Response) -> (Failure, Value) {
    let (status, path) = (response.status(), response.url().path().to_owned());
    let is_page = is_page(&response);
    let text = response.text().await.unwrap_or_default();
    if is_page {
        let reason = page_text(&text);
        return (Failure::new(format!("the server returned {status} for {path}: {reason}")), Value::Null);
    }
    let body = serde_json::from_str(&text).unwrap_or_default();
    (refusal(status, &path, &body), body)
}

fn is_page(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Returns the error in a response of the server, in one line.
pub(crate) fn refusal(status: StatusCode, path: &str, body: &Value) -> Failure {
    let reason = body["issue"][0]["diagnostics"].as_str().or_else(|| body["error_description"].as_str());
    Failure::new(format!("the server returned {status} for {path}: {}", reason.unwrap_or("no reason given")))
}

pub(crate) async fn json(response: Response) -> Result<Value, Failure> {
    let (path, is_page) = (response.url().path().to_owned(), is_page(&response));
    let bytes = response.bytes().await.map_err(unreachable)?;
    serde_json::from_slice(&bytes).map_err(|_| {
        let text = match is_page {
            true => format!(", but a page: {}", page_text(&String::from_utf8_lossy(&bytes))),
            false => String::new(),
        };
        Failure::new(format!("the server's response for {path} is not JSON{text}"))
    })
}

pub(crate) fn unreachable(error: reqwest::Error) -> Failure {
    let mut text = format!("the server cannot be reached: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Failure(text)
}
