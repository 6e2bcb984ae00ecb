//! What the form sends: one of its steps, or all choices at once.
#![expect(clippy::disallowed_types, reason = "extractors")]

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use domain::choices::reading::{Problem, from_form, from_json};
use domain::choices::{Choices, RecordGroup};
use domain::sensitive::Sensitive;
use web::ApiError;
use web::extract::{Content, Fields, Form};
use web::respond::PageError;

use crate::draft::{Draft, PartDraft, TopicDraft};
use crate::steps::Sent;

/// The fields that a page of the form sends: those of a step, or the whole form.
#[derive(Default)]
pub(crate) struct SentChoices(Fields);

impl SentChoices {
    /// Returns the step that was sent; `None` for the whole form.
    pub(crate) fn step(&self) -> Option<Sent<'_>> {
        Sent::of(&self.0)
    }

    /// Reads the whole form. The fields named in `others` are not choices.
    pub(crate) fn choices(&self, others: &[&str]) -> Result<Choices, Problem> {
        from_form(self.0.pairs(), others)
    }

    /// Returns the parts and the topics, with their mistakes.
    pub(crate) fn typed(&self) -> (BTreeMap<RecordGroup, PartDraft>, BTreeMap<Sensitive, TopicDraft>) {
        (Draft::parts_of(&self.0), Draft::topics_of(&self.0))
    }

    /// Returns whether the page only asks if its session has not ended.
    pub(crate) fn is_end(&self) -> bool {
        self.0.find("go") == Some("end")
    }

    pub(crate) fn code(&self) -> Option<&str> {
        self.0.find("code")
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.0.find("client_id")
    }

    pub(crate) fn redirect(&self) -> Option<&str> {
        self.0.find("redirect")
    }
}

impl From<Form> for SentChoices {
    fn from(form: Form) -> Self {
        Self(form.fields().clone())
    }
}

impl<S: Send + Sync> FromRequest<S> for SentChoices {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        Form::from_request(request, state).await.map(Self::from)
    }
}

/// The whole form, from a page or from a program.
pub(crate) enum WholeForm {
    Page(SentChoices),
    Program(Result<Choices, Problem>),
}

impl<S: Send + Sync> FromRequest<S> for WholeForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(match Content::of(request).await? {
            Content::Form(form) => Self::Page(form.into()),
            Content::Json(value) => Self::Program(from_json(&value)),
            Content::Empty => Self::Program(from_form(&[], &[])),
        })
    }
}
