//! The sign-in page of staff, and the addresses at which there is no page.

use axum::response::Response;
use domain::error::Error;
use http::StatusCode;
use web::ApiError;
use web::extract::Query;
use web::pages::StaffLoginPage;
use web::respond::html;

use crate::caller::Anybody;
use crate::login::{NEXT, own_page};

pub(crate) async fn login(query: Query) -> Response {
    let next = query.get(NEXT.name).and_then(own_page).unwrap_or_default().to_owned();
    html(StatusCode::OK, &StaffLoginPage { next, ..StaffLoginPage::default() })
}

/// Returns the response at every other address below `/staff`.
pub(crate) async fn unknown(_: Anybody) -> ApiError {
    ApiError(Error::NotFound("there is nothing at this address"))
}
