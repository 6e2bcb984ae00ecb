//! Extractors, which read requests into typed values, with size limits and errors that say what is wrong.

mod fields;

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, RawPathParams, Request};
use domain::error::{Error, NO_GROUP, NO_PATIENT, Result};
use domain::ids::{GroupId, JobId, PatientId};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use settings::Settings;

pub use self::fields::Fields;
use crate::describe::ParameterIn;
use crate::request_context;
use crate::respond::{ApiError, PageError};
pub use crate::rules::MAX_BODY;
use crate::session::Origin;

/// Reads a whole body. A body of more than `limit` bytes is an error with status 413.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::TooLarge(format!("the body is larger than {limit} bytes")))
        }
        Err(_) => Err(Error::invalid("the body is incomplete")),
    }
}

/// A body, parsed according to its content type. It is no extractor: a type that a handler takes reads it.
#[derive(Debug)]
pub enum Content {
    Empty,
    Json(Value),
    Form(Form),
}

impl Content {
    /// Reads the body of a request: JSON, FHIR JSON or a form; any other type is an error with status 415. Invalid JSON and a member that
    /// is given twice are errors with status 400.
    pub async fn of(request: Request) -> Result<Self> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, body).await
    }

    async fn read(headers: &HeaderMap, body: Body) -> Result<Self> {
        let bytes = read_body(body, MAX_BODY).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::Empty);
        }
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => {
                let fields = Fields::decode(&bytes);
                Ok(Self::Form(Form(fields.ok_or_else(|| Error::invalid("the body is not a form"))?)))
            }
            "application/json" | "application/fhir+json" | "text/json" => {
                let value = super::unique_json::parse(&bytes);
                Ok(Self::Json(
                    value.map_err(|error| Error::invalid(format!("the body is not JSON: {error}")))?,
                ))
            }
            _ => Err(Error::UnsupportedMediaType("the body must be JSON or a urlencoded form".to_owned())),
        }
    }
}

/// The `Content-Length` of a body, or `None` if the client does not send it.
#[derive(Debug, Clone, Copy)]
pub struct ContentLength(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for ContentLength {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        Ok(Self(length.and_then(|length| length.trim().parse().ok())))
    }
}

/// A request whose body is not read yet. A handler reads the body after it has authorized the caller, so that the server reads no body
/// of an unauthorized caller.
pub struct Unread<T> {
    request: Request,
    read_as: PhantomData<fn() -> T>,
}

impl<T: FromRequest<()>> Unread<T> {
    pub async fn read(self) -> Result<T, T::Rejection> {
        T::from_request(self.request, &()).await
    }
}

impl<S: Send + Sync, T> FromRequest<S> for Unread<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self { request, read_as: PhantomData })
    }
}

/// The fields of a page's form.
#[derive(Debug, Default)]
pub struct Form(Fields);

impl Form {
    /// Returns the first value of a field, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        request_context::reads(ParameterIn::Body, name);
        self.0.find(name)
    }

    /// Returns the first value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Returns all values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        request_context::reads(ParameterIn::Body, name);
        self.0.all(name)
    }

    /// Returns all fields, for a type that reads them by rules of its own.
    pub fn fields(&self) -> &Fields {
        &self.0
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = PageError;

    /// Reads a urlencoded form; any other body is an error with status 415.
    async fn from_request(request: Request, _: &S) -> Result<Self, PageError> {
        match Content::of(request).await? {
            Content::Form(form) => Ok(form),
            Content::Empty => Ok(Self::default()),
            Content::Json(_) => {
                Err(Error::UnsupportedMediaType("the body must be a urlencoded form".to_owned()).into())
            }
        }
    }
}

/// A form that a page of this server or of an allowed origin sends: see [`Origin`].
#[derive(Debug)]
pub struct SameSiteForm<T = Form>(pub T);

impl<S, T> FromRequest<S> for SameSiteForm<T>
where
    S: Send + Sync,
    T: From<Form>,
    Arc<Settings>: FromRef<S>,
{
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        Origin::of(request.headers(), &Arc::<Settings>::from_ref(state)).check()?;
        Form::from_request(request, state).await.map(|form| Self(T::from(form)))
    }
}

/// The fields of the query, in order.
#[derive(Debug, Default)]
pub struct Query(Fields);

impl Query {
    /// Returns the first value of a field, if there is one.
    pub fn get(&self, name: &str) -> Option<&str> {
        request_context::reads(ParameterIn::Query, name);
        self.0.find(name)
    }

    /// Returns all values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        request_context::reads(ParameterIn::Query, name);
        self.0.all(name)
    }

    /// Returns all fields, for a type that reads them by rules of its own.
    pub fn fields(&self) -> &Fields {
        &self.0
    }
}

impl From<Fields> for Query {
    fn from(fields: Fields) -> Self {
        Self(fields)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let fields = Fields::decode(query.as_bytes());
        Ok(Self(fields.ok_or_else(|| Error::invalid("the query is not urlencoded"))?))
    }
}

/// Returns one parameter of the path as decoded text.
async fn path_parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// The `{job}` of the path. A text that is not a valid job id becomes the id of no job, so that a handler authorizes the caller
/// first; only then is the response 404.
pub struct JobPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_parameter(parts, state, "job").await.unwrap_or_default();
        Ok(Self(JobId::parse(&text).unwrap_or_else(|_| JobId::of_no_job())))
    }
}

/// The `{group}` of the path.
pub struct GroupPath(pub GroupId);

impl<S: Send + Sync> FromRequestParts<S> for GroupPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_parameter(parts, state, "group").await.ok_or(NO_GROUP)?;
        Ok(Self(GroupId::parse(&text).map_err(|_| NO_GROUP)?))
    }
}

/// The `{patient}` of the path.
pub struct PatientPath(pub PatientId);

impl<S: Send + Sync> FromRequestParts<S> for PatientPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = path_parameter(parts, state, "patient").await.ok_or(NO_PATIENT)?;
        Ok(Self(PatientId::parse(&text).map_err(|_| NO_PATIENT)?))
    }
}

/// The `{upload}` of the path. A text that cannot be decoded becomes empty, which no upload has as its id.
pub struct UploadPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for UploadPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(path_parameter(parts, state, "upload").await.unwrap_or_default()))
    }
}

/// The `{file}` of the path, decoded but not validated.
pub struct FilePath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for FilePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // No file has an empty name, so a missing or broken parameter finds none.
        Ok(Self(path_parameter(parts, state, "file").await.unwrap_or_default()))
    }
}
