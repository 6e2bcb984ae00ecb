//! The sign-in page of staff.

use axum::response::Response;
use http::StatusCode;
use web::pages::StaffLoginPage;
use web::respond::html;

pub(crate) async fn login() -> Response {
    html(StatusCode::OK, &StaffLoginPage { username: String::new(), error: None })
}
