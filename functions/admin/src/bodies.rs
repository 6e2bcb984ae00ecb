//! What the bodies of requests to the staff API contain.
#![expect(clippy::disallowed_types, reason = "extractors")]

use axum::extract::{FromRequest, Request};
use domain::error::Error;
use serde::Deserialize;
use serde_json::Value;
use web::ApiError;
use web::describe::{Kind, Parameter};
use web::extract::Content;

pub(crate) const CREDENTIALS: [Parameter; 2] = [
    Parameter::field("username", "The name of the account"),
    Parameter::field("password", "The password of the account"),
];

pub(crate) const REASON: Parameter =
    Parameter::field("reason", "The reason for the rejection, which the client receives");

pub(crate) const NAMES: Parameter =
    Parameter::field("params", "The names of the files to remove").of(Kind::Texts);

/// `{"username", "password"}` as JSON or a form. What the body does not have is empty.
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content = Content::of(request).await?;
        let [username, password] = CREDENTIALS.map(|field| match &content {
            Content::Form(form) => form.get(field.name).to_owned(),
            Content::Json(value) => value[field.name].as_str().unwrap_or_default().to_owned(),
            Content::Empty => String::new(),
        });
        Ok(Self { username, password })
    }
}

/// `{"reason"}` of a rejection as JSON or a form; empty if the body has none.
pub(crate) struct SentReason(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for SentReason {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let reason = match Content::of(request).await? {
            Content::Form(form) => form.get(REASON.name).to_owned(),
            Content::Json(mut value) => match value.get_mut(REASON.name).map(Value::take) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(reason)) => reason,
                Some(_) => return Err(Error::invalid("'reason' must be a text").into()),
            },
            Content::Empty => String::new(),
        };
        Ok(Self(reason))
    }
}

/// The names of attached files: `{"params": [name]}`.
pub(crate) struct AttachedNames(pub(crate) Vec<String>);

impl<S: Send + Sync> FromRequest<S> for AttachedNames {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let Content::Json(value) = Content::of(request).await? else {
            return Err(Error::invalid("the body must be {\"params\": [name]}").into());
        };
        let wrong = || Error::invalid("'params' must be a list of names");
        let names = value[NAMES.name].as_array().ok_or_else(wrong)?;
        let names: Option<Vec<_>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        Ok(Self(names.ok_or_else(wrong)?))
    }
}

/// The description of a file that will be uploaded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announced {
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) size: u64,
}

impl<S: Send + Sync> FromRequest<S> for Announced {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let wrong = || Error::invalid("the body must be {\"name\", \"contentType\", \"size\"} in JSON");
        let Content::Json(value) = Content::of(request).await? else { return Err(wrong().into()) };
        Ok(serde_json::from_value(value).map_err(|_| wrong())?)
    }
}
