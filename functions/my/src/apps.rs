//! `/my/apps`: which apps have access, and how to end it; and signing out in every browser.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::error::Result;
use domain::ids::ClientId;
use domain::scopes::Scopes;
use http::StatusCode;
use security::authorizations::{Authorization, Authorizations};
use web::extract::{Query, SameSiteForm};
use web::pages::{AppCard, AppsPage, ConfirmPage};
use web::patient_session::sign_out_everywhere;
use web::request_context;
use web::respond::{PageError, html, see_other};
use web::scope_words::scopes_in_words;

use crate::signed_in::SignedIn;
use crate::{My, Said};

pub(crate) async fn show(
    State(state): State<My>,
    signed_in: SignedIn,
    Said(said): Said,
) -> Result<Response, PageError> {
    let lasting = state.authorizations().lasting(&signed_in.patient).await?;
    let mut by_app = BTreeMap::<ClientId, Vec<Authorization>>::new();
    for authorization in lasting {
        by_app.entry(authorization.client.clone()).or_default().push(authorization);
    }
    let apps = by_app.into_iter().map(|(client, all)| state.app_card(&client, &all)).collect();
    Ok(html(StatusCode::OK, &AppsPage { my: signed_in.frame("apps"), said, apps }))
}

pub(crate) async fn ask_stop(
    State(state): State<My>,
    signed_in: SignedIn,
    query: Query,
) -> Result<Response, PageError> {
    let app = query.get("app").unwrap_or_default();
    if !state.has_access(&signed_in, app).await? {
        return Ok(see_other(&state.settings.url("/my/apps")));
    }
    let words = request_context::words();
    let name = state.app_name(app);
    let page = ConfirmPage {
        my: signed_in.frame("apps"),
        title: words.text("my-stop-title", &[("app", &name)]),
        lead: words.text("my-stop-lead", &[("app", &name)]),
        // The sign-in page keeps only the address, if the session has ended when the form arrives.
        action: stop_path(app),
        fields: vec![("app", app.to_owned())],
        button: words.text("my-stop", &[]),
        back: "/my/apps".to_owned(),
    };
    Ok(html(StatusCode::OK, &page))
}

pub(crate) async fn stop(
    State(state): State<My>,
    signed_in: SignedIn,
    SameSiteForm(form): SameSiteForm,
) -> Result<Response, PageError> {
    let app = form.get("app");
    if !state.has_access(&signed_in, app).await? {
        // An earlier request may have ended the access and failed afterwards.
        state.verified_tokens.forget();
        return Ok(see_other(&state.settings.url("/my/apps")));
    }
    state.audit.record(signed_in.event(Action::AccessStopped).about(app)).await?;
    let ended = state.authorizations().stop(&signed_in.patient, app).await;
    // Even a failed call may have ended some of the authorizations.
    state.verified_tokens.forget();
    let ended = ended?;
    tracing::info!(client.id = app, ended, "a patient has stopped the access of an app");
    Ok(see_other(&state.settings.url("/my/apps?said=stopped")))
}

pub(crate) async fn ask_sign_out(signed_in: SignedIn) -> Response {
    let words = request_context::words();
    let page = ConfirmPage {
        my: signed_in.frame("apps"),
        title: words.text("my-sign-out-title", &[]),
        lead: words.text("my-sign-out-lead", &[]),
        action: "/my/sign-out-everywhere".to_owned(),
        fields: Vec::new(),
        button: words.text("my-sign-out", &[]),
        back: "/my/apps".to_owned(),
    };
    html(StatusCode::OK, &page)
}

pub(crate) async fn sign_out(
    State(state): State<My>,
    signed_in: SignedIn,
    _: SameSiteForm,
) -> Result<Response, PageError> {
    let sources = (&*state.clock, &*state.random);
    state.audit.record(signed_in.event(Action::SignOut).about("everywhere")).await?;
    sign_out_everywhere(&signed_in.patient, &*state.expiring, sources).await?;
    Ok(see_other(&state.settings.url("/")))
}

/// Returns the path of the page that asks about an app.
fn stop_path(app: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("app", app).finish();
    format!("/my/apps/stop?{query}")
}

impl My {
    fn authorizations(&self) -> Authorizations<'_> {
        Authorizations { expiring: &*self.expiring, clock: &*self.clock }
    }

    async fn has_access(&self, signed_in: &SignedIn, app: &str) -> Result<bool> {
        let lasting = self.authorizations().lasting(&signed_in.patient).await?;
        Ok(lasting.iter().any(|authorization| authorization.client.as_str() == app))
    }

    /// Returns the name by which the patient knows an app.
    fn app_name(&self, client: &str) -> String {
        let registered = self.settings.client(client).and_then(|client| client.name.clone());
        registered.unwrap_or_else(|| client.to_owned())
    }

    /// Returns the description of an app and all its authorizations: one for each device.
    fn app_card(&self, client: &ClientId, all: &[Authorization]) -> AppCard {
        let words = request_context::words();
        let since = all.iter().map(|one| one.since).min().unwrap_or_default();
        let used = all.iter().map(|one| one.used).max().unwrap_or_default();
        let scopes: Vec<_> = all.iter().flat_map(|one| one.scopes.words().collect::<Vec<_>>()).collect();
        AppCard {
            name: self.app_name(client.as_str()),
            since: words.text("my-app-since", &[("date", &words.date(since))]),
            used: words.text("my-app-used", &[("date", &words.date(used))]),
            may: scopes_in_words(&Scopes::parse(&scopes.join(" ")), &words),
            stop: stop_path(client.as_str()),
        }
    }
}
