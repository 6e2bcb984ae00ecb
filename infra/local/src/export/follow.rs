//! Sends the requests for files, and follows redirects.

use http::Method;
use reqwest::{RequestBuilder, Response};
use url::Url;

use super::response::{redirect_target, resolve, without_query};
use super::retry::{Patience, Repeat, Trouble};
use super::smart::Session;
use crate::Failure;

/// The maximum number of redirects of one request.
const MAX_REDIRECTS: usize = 5;

/// Requests a file, and follows redirects. The token is sent to the origin of the URL only, and to nobody after a
/// redirect to another origin.
pub(super) async fn get(
    session: &Session,
    patience: &Patience,
    url: &Url,
    mut with_token: bool,
    prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
) -> Result<Response, Trouble> {
    let mut at = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = match with_token {
            true => {
                let request = async || session.attempt(&Method::GET, at.as_str(), prepare).await;
                patience.send(Repeat::Safe, request).await?
            }
            false => without_token(session, patience, &at, prepare).await?,
        };
        let Some(target) = redirect_target(&response) else { return Ok(response) };
        let target = resolve(&at, &target).map_err(Trouble::of_server)?;
        with_token &= target.origin() == url.origin();
        at = target;
    }
    Err(Trouble::of_server(Failure::new(format!(
        "the server redirects more than {MAX_REDIRECTS} times, the last time to {}",
        without_query(at.as_str())
    ))))
}

/// Requests a URL without the token. Object stores refuse a signed URL if the request also has a token.
pub(super) async fn without_token(
    session: &Session,
    patience: &Patience,
    url: &Url,
    prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
) -> Result<Response, Trouble> {
    let request = async || {
        let request = prepare(session.client.get(url.clone()));
        request.send().await.map_err(Trouble::of_transport)
    };
    patience.send(Repeat::Safe, request).await
}
