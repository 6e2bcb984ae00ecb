//! Pages whose state can change without an action of the patient: they load again by themselves, if the patient has asked for that.

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use web::describe::Parameter;
use web::extract::Query;

pub(crate) const LIVE: Parameter = Parameter::query(
    "live",
    "1: the page reloads itself; poll: the request of the page's script for the current state",
);

/// The time after which a page without script loads again, in seconds.
const REFRESH: HeaderValue = HeaderValue::from_static("15");

/// Returns whether the patient has asked for a page that loads again by itself.
pub(crate) fn is_by_itself(query: &Query) -> bool {
    query.get(LIVE.name) == Some("1")
}

/// Lets a browser without script load the page again.
pub(crate) fn reload(response: &mut Response) {
    response.headers_mut().insert(HeaderName::from_static("refresh"), REFRESH);
}
