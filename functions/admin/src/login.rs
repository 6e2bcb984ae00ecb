//! Signing staff in and out.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, Actor, Event, Outcome};
use domain::error::{Error, Result};
use domain::roles::Role;
use http::header::SET_COOKIE;
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};
use security::attempts::{self, Account, Guard};
use serde_json::{Value, json};
use web::describe::Parameter;
use web::extract::SameSiteForm;
use web::own_page::is_own_page;
use web::pages::{SIGN_IN_WRONG, StaffLoginPage};
use web::respond::{PageError, html, json, see_other};
use web::session::{Cookies, STAFF, SameSiteRequest, StaffSession, begin, end};
use web::{ApiError, request_context};

use crate::Admin;
use crate::bodies::Credentials;

pub(crate) const NEXT: Parameter = Parameter::query(
    "next",
    "The page of this server to which the member of staff is redirected after signing in",
);
/// What the sign-in page sends in addition to the credentials.
pub(crate) const HIDDEN: [Parameter; 2] = [
    Parameter::field(
        "next",
        "The page of this server to which the member of staff is redirected after signing in",
    ),
    Parameter::field("kept", "What was typed on that page before, as a urlencoded form"),
];

/// The button for another language.
pub(crate) const STAY: Parameter =
    Parameter::field("stay", "The button for another language, which shows the page again");
/// What the page sends with this button.
pub(crate) const SAID: Parameter =
    Parameter::field("said", "The message that the page shows again in another language");

/// The path of the sign-in page.
const SIGN_IN: &str = "/staff/login";

/// Returns the address if it is that of a page to which a member of staff may be redirected after signing in.
pub(crate) fn own_page(address: &str) -> Option<&str> {
    let is_page = is_own_page(address, &["/staff"]) && !is_own_page(address, &[SIGN_IN, "/staff/logout"]);
    is_page.then_some(address)
}

/// Returns the page of a request, to which a member of staff may be redirected after signing in.
pub(crate) fn next_page(address: Option<&PathAndQuery>) -> Option<String> {
    own_page(address?.as_str()).map(str::to_owned)
}

/// Returns the address of the sign-in page that leads to the page of a request. The first page of staff depends on their roles.
pub(crate) fn sign_in_for(address: Option<&PathAndQuery>) -> Result<String> {
    let Some(next) = next_page(address).filter(|next| next != "/staff") else {
        return Ok(SIGN_IN.to_owned());
    };
    let query = serde_urlencoded::to_string([(NEXT.name, next)]).map_err(Error::internal)?;
    Ok(format!("{SIGN_IN}?{query}"))
}

/// `POST /admin/login`, JSON or a form.
pub(crate) async fn by_api(
    State(state): State<Admin>,
    _: SameSiteRequest,
    Credentials { username, password }: Credentials,
) -> Result<Response, ApiError> {
    match state.sign_in(&username, &password).await? {
        Some(cookie) => {
            let mut response = json(StatusCode::OK, &json!({ "username": username }));
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        None => Ok(json(StatusCode::UNAUTHORIZED, &json!({ "error": "user name or password is wrong" }))),
    }
}

/// `POST /staff/login`: the form of the sign-in page.
pub(crate) async fn by_page(
    State(state): State<Admin>,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let [next, kept] = HIDDEN.map(|hidden| form.get(hidden.name));
    let (next, username) = (own_page(next), form.get("username"));
    let page = StaffLoginPage {
        next: next.unwrap_or_default().to_owned(),
        kept: kept.to_owned(),
        username: username.to_owned(),
        ..StaffLoginPage::default()
    };
    if form.find(STAY.name).is_some() {
        return Ok(html(StatusCode::OK, &page.saying(form.get(SAID.name))));
    }
    match state.sign_in(username, form.get("password")).await {
        Ok(Some(cookie)) => {
            let target = match next {
                Some(next) => state.with_kept(next, username, kept).await?,
                None => state.home_of(username).to_owned(),
            };
            let mut response = see_other(&state.settings.url(&target));
            response.headers_mut().insert(SET_COOKIE, cookie);
            Ok(response)
        }
        Ok(None) => Ok(html(StatusCode::UNAUTHORIZED, &page.saying(SIGN_IN_WRONG))),
        Err(Error::Throttled { retry_after }) => {
            let words = request_context::words();
            let error = Some(words.text("sign-in-locked", &[("seconds", &words.number(retry_after))]));
            Ok(html(StatusCode::TOO_MANY_REQUESTS, &StaffLoginPage { error, ..page }))
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/logout`.
pub(crate) async fn logout(State(state): State<Admin>, cookies: Cookies) -> Result<Response, ApiError> {
    let cookie = state.sign_out(&cookies).await?;
    Ok(([(SET_COOKIE, cookie)], json(StatusCode::OK, &Value::Object(serde_json::Map::new()))).into_response())
}

/// `POST /staff/logout`: the button of the pages.
pub(crate) async fn leave(
    State(state): State<Admin>,
    cookies: Cookies,
    _: SameSiteForm,
) -> Result<Response, PageError> {
    let cookie = state.sign_out(&cookies).await?;
    let mut response = see_other(&state.settings.url(SIGN_IN));
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

impl Admin {
    /// Returns the first page after the sign-in, which depends on the roles of the member of staff.
    fn home_of(&self, username: &str) -> &'static str {
        let account = self.settings.staff.iter().find(|account| account.username == username);
        let has = |role| account.is_some_and(|account| account.roles.has(role));
        match () {
            () if has(Role::Reviewer) => "/staff",
            () if has(Role::Auditor) => "/staff/audit",
            () if has(Role::Administrator) => "/staff/settings",
            () => "/staff",
        }
    }

    /// Returns the cookie of a new session, or `None` if name or password is wrong.
    async fn sign_in(&self, username: &str, password: &str) -> Result<Option<HeaderValue>> {
        let account = self.settings.staff.iter().find(|account| account.username == username);
        let hash = account.map(settings::StaffAccount::password_hash);
        let guard = Guard {
            expiring: &*self.expiring,
            clock: &*self.clock,
            limits: &self.settings.limits,
            address: request_context::address(),
        };
        let is_right = attempts::verify(Account::Staff(username), password, hash, &guard).await?;
        let Some(account) = account.filter(|_| is_right) else {
            let actor = account.map_or_else(Actor::unknown, |account| Actor::staff(&account.username));
            self.audit.record(Event::new(actor, Action::SignInFailed).with(Outcome::Refused)).await?;
            return Ok(None);
        };
        self.audit.record(Event::new(Actor::staff(username), Action::SignIn)).await?;
        tracing::info!(staff = username, action = "signed in", "staff");
        let session = StaffSession::new(account);
        let sources = (&*self.clock, &*self.random);
        begin(STAFF, &session, &*self.expiring, sources, &self.settings).await.map(Some)
    }

    /// Ends the session and returns the header that clears its cookie.
    async fn sign_out(&self, cookies: &Cookies) -> Result<HeaderValue> {
        let (session, cookie) = end::<StaffSession>(STAFF, cookies, &*self.expiring, &self.settings).await?;
        if let Some(StaffSession { username, .. }) = session {
            self.audit.record(Event::new(Actor::staff(&username), Action::SignOut)).await?;
            tracing::info!(staff = username, action = "signed out", "staff");
        }
        Ok(cookie)
    }
}
