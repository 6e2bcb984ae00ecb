//! The response to a method that a path does not have.

use axum::response::{IntoResponse, Response};
use domain::error::Error;
use http::HeaderValue;
use http::header::ALLOW;

use super::Route;
use crate::respond::ApiError;

/// The response 405, with the methods of a path in `Allow` (RFC 9110, 15.5.6). axum would add HEAD if there is GET.
#[derive(Clone)]
pub(super) struct MethodNotAllowed(HeaderValue);

impl MethodNotAllowed {
    /// Returns the response at a path, which has the methods of the declared routes and no other.
    pub(super) fn at(path: &str, routes: &[Route]) -> Self {
        let of_path = routes.iter().filter(|route| route.path == path);
        let methods: Vec<_> = of_path.map(|route| route.method.as_str()).collect();
        Self(HeaderValue::from_str(&methods.join(", ")).expect("names of methods"))
    }
}

impl IntoResponse for MethodNotAllowed {
    fn into_response(self) -> Response {
        let mut response = ApiError(Error::MethodNotAllowed).into_response();
        response.headers_mut().insert(ALLOW, self.0);
        response
    }
}
