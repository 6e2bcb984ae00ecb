//! `/patient-login` identifies the patient. In a sandbox a person picks a patient from a list; otherwise patients have accounts in the
//! settings.

use axum::extract::State;
use axum::response::Response;
use crypto::fingerprint;
use domain::audit::{Action, Actor, Event, Outcome};
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::patient::summary;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use security::attempts::{self, Account};
use serde_json::json;
use settings::SignInMethod;
use web::describe::Parameter;
use web::extract::{Query, SameSiteForm};
use web::own_page::is_own_page;
use web::pages::{PatientLoginPage, SIGN_IN_WRONG};
use web::patient_session::{sign_in, sign_out};
use web::request_context;
use web::respond::{PageError, html, see_other};
use web::session::{Cookies, PatientSession};

use crate::{AuthorizationRequest, Authorize};

/// The purpose of signing in.
pub(crate) const PURPOSE: [Parameter; 2] = [
    Parameter::query("request", "The app's request that waits for the patient"),
    Parameter::query("next", "The page of this server to which the patient is redirected after signing in"),
];
pub(crate) const FROM: Parameter =
    Parameter::query("from", "In a sandbox: the id with which the list of patients begins");
pub(crate) const SAVED: Parameter =
    Parameter::query("saved", "The patient was signed out, and the input of the form was saved");
/// The credentials of the patient.
pub(crate) const CREDENTIALS: [Parameter; 3] = [
    Parameter::field("username", "The name of the account"),
    Parameter::field("password", "The password of the account"),
    Parameter::field("patient", "In a sandbox: the id of the chosen patient"),
];

/// The button for another language.
pub(crate) const STAY: Parameter =
    Parameter::field("stay", "The button for another language, which shows the page again");
/// What the page sends with this button.
pub(crate) const SAID: Parameter =
    Parameter::field("said", "The message that the page shows again in another language");

/// The pages of patients, to which one of them is redirected after signing in.
const PAGES_OF_PATIENTS: [&str; 4] = ["/my", "/jobs", "/fhir", "/4_0_0"];
/// The error if the patient has decided about the request before.
pub(crate) const DECIDED: &str = "this request was already decided in another window";
/// The number of patients on one page of the sandbox.
const PAGE: usize = 20;

pub(crate) async fn show(State(state): State<Authorize>, query: Query) -> Result<Response, PageError> {
    let request = query.get("request").unwrap_or_default();
    let next = query.get("next").unwrap_or_default();
    let pending = state.check_purpose(request, next).await?;
    let page = PatientLoginPage {
        request: request.to_owned(),
        next: next.to_owned(),
        app: pending.map(|(_, pending)| state.app_name(&pending)),
        was_saved: query.get("saved").is_some(),
        from: query.get("from").unwrap_or_default().to_owned(),
        ..PatientLoginPage::default()
    };
    state.page(StatusCode::OK, page).await.map_err(PageError)
}

pub(crate) async fn submit(
    State(state): State<Authorize>,
    cookies: Cookies,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let (request, next) = (form.get("request"), form.get("next"));
    let pending = state.check_purpose(request, next).await?;
    let username = form.get("username");
    let words = request_context::words();
    let page = PatientLoginPage {
        request: request.to_owned(),
        next: next.to_owned(),
        app: pending.as_ref().map(|(_, pending)| state.app_name(pending)),
        was_saved: !form.get("saved").is_empty(),
        username: username.to_owned(),
        ..PatientLoginPage::default()
    };
    if form.find(STAY.name).is_some() {
        let said = Some(SIGN_IN_WRONG).filter(|wrong| form.get(SAID.name) == *wrong);
        let error = said.map(|wrong| words.text(wrong, &[]));
        return Ok(state.page(StatusCode::OK, PatientLoginPage { error, said, ..page }).await?);
    }
    let patient = match state.settings.sandbox {
        true => state.picked(form.get("patient")).await,
        false => state.by_password(username, form.get("password")).await,
    };
    if let Ok(None) = &patient {
        let account = state.settings.accounts.iter().find(|account| account.username == username);
        let actor = account.map_or_else(Actor::unknown, |account| Actor::patient(&account.patient));
        state.audit.record(Event::new(actor, Action::SignInFailed).with(Outcome::Refused)).await?;
    }
    let (mut wait, mut said) = (None, None);
    let (status, error) = match patient {
        Ok(Some(patient)) => return state.begin_session(patient, &cookies, (request, next), pending).await,
        Ok(None) if state.settings.sandbox => (StatusCode::UNAUTHORIZED, words.text("pick-wrong", &[])),
        Ok(None) => {
            said = Some(SIGN_IN_WRONG);
            (StatusCode::UNAUTHORIZED, words.text(SIGN_IN_WRONG, &[]))
        }
        Err(Error::Throttled { retry_after }) => {
            wait = Some(retry_after);
            let seconds = words.number(retry_after);
            (StatusCode::TOO_MANY_REQUESTS, words.text("sign-in-locked", &[("seconds", &seconds)]))
        }
        Err(error) => return Err(error.into()),
    };
    let page = PatientLoginPage { error: Some(error), said, ..page };
    let mut response = state.page(status, page).await?;
    response.headers_mut().extend(wait.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
    Ok(response)
}

/// Signs the patient out (`POST /patient-logout`, the sign-out button of the pages).
pub(crate) async fn leave(
    State(state): State<Authorize>,
    cookies: Cookies,
    _: SameSiteForm,
) -> Result<Response, PageError> {
    let (session, cookie) = sign_out(&cookies, &*state.expiring, &state.settings).await?;
    if let Some(PatientSession { patient, .. }) = session {
        state.audit.record(Event::new(Actor::patient(&patient), Action::SignOut)).await?;
    }
    let mut response = see_other(&state.settings.url("/"));
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

impl Authorize {
    /// Starts a session for the identified patient, and redirects to the purpose of signing in.
    async fn begin_session(
        &self,
        (patient, method): (PatientId, SignInMethod),
        cookies: &Cookies,
        (request, next): (&str, &str),
        pending: Option<(ExpiringEntry, AuthorizationRequest)>,
    ) -> Result<Response, PageError> {
        self.audit.record(Event::new(Actor::patient(&patient), Action::SignIn)).await?;
        let target = match pending {
            Some((grant, pending)) => {
                let signed_in_at = self.clock.now().as_second();
                let pending =
                    AuthorizationRequest { patient: Some(patient.clone()), signed_in_at, ..pending };
                let signed_in = ExpiringEntry { value: json!(pending), ..grant };
                if !self.expiring.replace(EntryKind::Authorization, &fingerprint(request), &signed_in).await?
                {
                    return Err(Error::conflict(DECIDED).into());
                }
                format!("/authorize-app?request={request}")
            }
            None => next.to_owned(),
        };
        let sources = (&*self.clock, &*self.random);
        let named = summary(&*self.records, &patient).await?;
        let name = named.map(|named| named.name).unwrap_or_default();
        let expiring = &*self.expiring;
        let cookie = sign_in((patient, method), name, cookies, expiring, sources, &self.settings).await?;
        let mut response = see_other(&self.settings.url(&target));
        response.headers_mut().insert(SET_COOKIE, cookie);
        Ok(response)
    }

    /// Returns the app's request that the patient signs in for; `None` if the patient signs in for a page of this server.
    async fn check_purpose(
        &self,
        request: &str,
        next: &str,
    ) -> Result<Option<(ExpiringEntry, AuthorizationRequest)>> {
        if request.is_empty() {
            return match is_own_page(next, &PAGES_OF_PATIENTS) {
                true => Ok(None),
                false => Err(Error::invalid(
                    "this page was opened without a request; open it from the app or from a page of this server",
                )),
            };
        }
        self.pending(request).await.map(Some)
    }

    /// Returns the pending request of an app, about which the patient has not decided yet.
    pub(crate) async fn pending(&self, request: &str) -> Result<(ExpiringEntry, AuthorizationRequest)> {
        let (grant, pending) = self.request(request).await?;
        match pending.is_allowed {
            None => Ok((grant, pending)),
            Some(_) => Err(Error::conflict(DECIDED)),
        }
    }

    /// Returns the request of an app, also for a short time after the patient has decided about it.
    pub(crate) async fn request(&self, request: &str) -> Result<(ExpiringEntry, AuthorizationRequest)> {
        let grant = self.expiring.get(EntryKind::Authorization, &fingerprint(request)).await?;
        let grant =
            grant.ok_or_else(|| Error::invalid("this request has expired; begin again in the app"))?;
        let pending = grant.read()?;
        Ok((grant, pending))
    }

    async fn picked(&self, patient: &str) -> Result<Option<(PatientId, SignInMethod)>> {
        let Ok(patient) = PatientId::parse(patient) else { return Ok(None) };
        Ok(self.records.member(&patient).await?.map(|member| (member.patient, SignInMethod::Sandbox)))
    }

    async fn by_password(&self, username: &str, password: &str) -> Result<Option<(PatientId, SignInMethod)>> {
        let account = self.settings.accounts.iter().find(|account| account.username == username);
        let hash = account.map(settings::PatientAccount::password_hash);
        let is_right = attempts::verify(Account::Patient(username), password, hash, &self.guard()).await?;
        let account = account.filter(|_| is_right);
        Ok(account.map(|account| (account.patient.clone(), SignInMethod::Account(account.digest()))))
    }

    /// Returns the sign-in page; in a sandbox, with a list of patients.
    async fn page(&self, status: StatusCode, mut page: PatientLoginPage) -> Result<Response> {
        page.sandbox = self.settings.sandbox;
        page.can_sign_in = self.settings.patients_can_sign_in();
        if page.sandbox {
            let members = self.records.members(Some(&page.from), PAGE).await?;
            // If the search is the id of a patient, that patient comes first.
            let exact = PatientId::parse(&page.from).ok();
            let ids = exact.into_iter().chain(members.members.into_iter().map(|member| member.patient));
            for patient in ids {
                page.patients.extend(summary(&*self.records, &patient).await?);
            }
            page.more = members.next;
        }
        Ok(html(status, &page))
    }
}
