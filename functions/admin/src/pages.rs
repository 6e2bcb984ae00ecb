//! The sign-in page of staff.

use axum::response::Response;
use http::StatusCode;
use web::extract::Query;
use web::pages::StaffLoginPage;
use web::respond::html;

use crate::login::{NEXT, own_page};

pub(crate) async fn login(query: Query) -> Response {
    let next = query.get(NEXT.name).and_then(own_page).unwrap_or_default().to_owned();
    html(StatusCode::OK, &StaffLoginPage { next, ..StaffLoginPage::default() })
}
