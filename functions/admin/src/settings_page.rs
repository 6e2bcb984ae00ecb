//! `GET /staff/settings`: the settings in effect, for administrators.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use web::pages::SettingsPage;
use web::respond::html;

use crate::Admin;
use crate::caller::PageAdministrator;

pub(crate) async fn show(State(state): State<Admin>, PageAdministrator(name): PageAdministrator) -> Response {
    html(StatusCode::OK, &SettingsPage::new(name, &state.settings))
}
