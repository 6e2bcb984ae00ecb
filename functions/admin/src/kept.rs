//! What a member of staff has typed into a form, kept while the member signs in again.
//!
//! A form that arrives without a session changes nothing. The response is the sign-in page, whose hidden fields have what was typed
//! and the address of the form. After the sign-in it is stored for a few minutes, for this member only, and the page of the form shows
//! it again. Nothing is decided by that: the member must press the button of that page.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Multipart, Request};
use axum::response::{IntoResponse, Response};
use domain::error::{Error, Result};
use domain::ids::Attempt;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use http::header::{ACCEPT, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use settings::Settings;
use web::caller::bearer_token;
use web::describe::Parameter;
use web::extract::{ContentLength, Fields, Form, Query, Unread};
use web::pages::StaffLoginPage;
use web::respond::html;
use web::session::{LIFETIME, Origin};

use crate::Admin;
use crate::login::next_page;

/// The query parameter of a page whose form can be filled in again.
pub(crate) const KEPT: Parameter =
    Parameter::query("kept", "What was typed before the member of staff signed in again");
/// The button that extends the session, and shows the form again with what was typed.
pub(crate) const STAY: Parameter =
    Parameter::field("stay", "The button that extends the session and shows the form again");
/// The maximum length of what is kept, in bytes of a urlencoded form. The longest form of staff takes about a third of it.
const MAX: usize = 16 * 1024;
/// The fields that nobody types.
const NOT_TYPED: [&str; 2] = ["version", STAY.name];
/// The ends of the addresses of forms that have no page of their own. The page with the form has the address without it.
const WITHOUT_PAGE: [&str; 3] = ["/undo", "/add-files", "/remove-files"];

/// A form that a page for staff sends, and its caller. A caller without a session gets the sign-in page, which keeps what was typed.
pub(crate) struct StaffForm<T, F = Form>(pub(crate) T, pub(crate) F);

impl<T: FromRequestParts<Admin> + Send, F: From<Form>> FromRequest<Admin> for StaffForm<T, F> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Admin) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = T::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response);
        let request = Request::from_parts(parts, body);
        match caller {
            Ok(caller) => {
                let form = Form::from_request(request, state).await.map_err(IntoResponse::into_response)?;
                Ok(Self(caller, F::from(form)))
            }
            Err(refused) => Err(sign_in_again(request, refused, state).await),
        }
    }
}

/// Files that a page for staff sends, and their caller. A caller without a session gets the sign-in page, which says that the files must
/// be chosen again.
pub(crate) struct StaffFiles<T>(pub(crate) T, pub(crate) ContentLength, pub(crate) Unread<Multipart>);

impl<T: FromRequestParts<Admin> + Send> FromRequest<Admin> for StaffFiles<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Admin) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = T::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response);
        match caller {
            Ok(caller) => {
                let Ok(length) = ContentLength::from_request_parts(&mut parts, state).await;
                let Ok(files) = Unread::from_request(Request::from_parts(parts, body), state).await;
                Ok(Self(caller, length, files))
            }
            Err(refused) => {
                let Some((next, _)) = page_after_sign_in(&parts.headers, &parts.uri, &refused, state) else {
                    return Err(refused);
                };
                let again = Some("staff-signed-out-files");
                Err(sign_in_page(&StaffLoginPage { next, again, ..StaffLoginPage::default() }, &refused))
            }
        }
    }
}

/// Returns the sign-in page for a form without a session.
async fn sign_in_again(request: Request, refused: Response, state: &Admin) -> Response {
    let Some((next, has_page)) = page_after_sign_in(request.headers(), request.uri(), &refused, state) else {
        return refused;
    };
    let Ok(form) = Form::from_request(request, state).await else { return refused };
    let kept = match has_page {
        true => form.fields().without(&NOT_TYPED).encode().unwrap_or_default(),
        false => String::new(),
    };
    let kept = if kept.len() > MAX { String::new() } else { kept };
    let again = Some(if kept.is_empty() { "staff-signed-out" } else { "staff-signed-out-kept" });
    sign_in_page(&StaffLoginPage { next, kept, again, ..StaffLoginPage::default() }, &refused)
}

/// Returns the page that follows the sign-in, and whether it has the form that was sent. `None` for a program and for a page of another
/// site, which get the response that refuses the request.
fn page_after_sign_in(
    headers: &HeaderMap,
    uri: &Uri,
    refused: &Response,
    state: &Admin,
) -> Option<(String, bool)> {
    let is_of_this_site = Origin::of(headers, &Arc::<Settings>::from_ref(state)).check().is_ok();
    let is_signed_out = refused.status() == StatusCode::UNAUTHORIZED && bearer_token(headers).is_none();
    if !is_signed_out || !is_of_this_site || wants_json(headers) {
        return None;
    }
    let next = next_page(uri.path_and_query())?;
    let with_button = WITHOUT_PAGE.into_iter().find_map(|button| next.strip_suffix(button));
    Some(match with_button {
        Some(page) => (page.to_owned(), false),
        None => (next, true),
    })
}

fn sign_in_page(page: &StaffLoginPage, refused: &Response) -> Response {
    let mut response = html(StatusCode::UNAUTHORIZED, page);
    let challenge = refused.headers().get(WWW_AUTHENTICATE).cloned();
    response.headers_mut().extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
    response
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("json") && !accept.contains("text/html")
}

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Typed {
    username: String,
    /// A urlencoded form.
    fields: String,
}

impl Admin {
    /// Returns the address of the page that follows the sign-in. If something was typed there before, it is stored, and the address
    /// names it.
    pub(crate) async fn with_kept(&self, next: &str, username: &str, fields: &str) -> Result<String> {
        if fields.is_empty() || fields.len() > MAX {
            return Ok(next.to_owned());
        }
        let key = self.random.attempt();
        let typed = Typed { username: username.to_owned(), fields: fields.to_owned() };
        let expires_at = self.clock.now().saturating_add(LIFETIME).map_err(Error::internal)?;
        let typed = serde_json::to_value(typed)?;
        self.expiring.put(EntryKind::KeptInput, key.as_str(), typed, expires_at).await?;
        let separator = if next.contains('?') { '&' } else { '?' };
        Ok(format!("{next}{separator}{}={key}", KEPT.name))
    }

    /// Returns the fields that this member of staff typed before signing in again; `None` if there are none.
    pub(crate) async fn kept(&self, query: &Query, username: &str) -> Result<Option<Fields>> {
        let Some(Ok(key)) = query.get(KEPT.name).map(Attempt::parse) else { return Ok(None) };
        let entry = self.expiring.get(EntryKind::KeptInput, key.as_str()).await?;
        let typed: Option<Typed> = entry.as_ref().map(ExpiringEntry::read).transpose()?;
        let own = typed.filter(|typed| typed.username == username);
        Ok(own.and_then(|typed| Fields::decode(typed.fields.as_bytes())))
    }
}
