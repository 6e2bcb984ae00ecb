//! The page that asks for confirmation before a resource or a document is left out of an export, and its form.

use axum::response::Response;
use domain::chunk::RecordAttachment;
use domain::error::{NO_FILE, Result};
use domain::ports::jobs::StoredJob;
use domain::redaction::MAX_REASON;
use http::StatusCode;
use web::describe::{Kind, Parameter};
use web::extract::{Form, Query};
use web::pages::job::{LeaveOutPage, Message};
use web::request_context;
use web::respond::{PageError, html};

use super::redact::LineOf;
use super::rows::name_of;
use super::{ExportPage, Seen};

/// The query of the page: what is left out.
pub(crate) const ASKED: [Parameter; 4] = [
    Parameter::query("file", "The file of the resource"),
    Parameter::query("at", "The offset of the resource in the file, in bytes").of(Kind::Integer),
    Parameter::query("hash", "The SHA-256 of the file that the page showed"),
    Parameter::query("document", "The name of the document in URLs"),
];
/// The fields of the form: the same.
pub(crate) const SENT: [Parameter; 4] = [
    Parameter::field("file", "The file of the resource"),
    Parameter::field("at", "The offset of the resource in the file, in bytes").of(Kind::Integer),
    Parameter::field("hash", "The SHA-256 of the file that the page showed"),
    Parameter::field("document", "The name of the document in URLs"),
];

/// What staff want to leave out.
pub(super) enum Target {
    Line(LineOf),
    Document(RecordAttachment),
}

impl Target {
    /// Reads the parameters, which `get` finds by their names.
    fn of<'t>(get: impl Fn(&'static str) -> Option<&'t str>) -> Result<Self> {
        let [file, at, hash, document] = ASKED.map(|parameter| parameter.name);
        if let Some(name) = get(document) {
            return RecordAttachment::parse(name).map(Self::Document).ok_or(NO_FILE);
        }
        let at = get(at).and_then(|at| at.parse().ok()).ok_or(NO_FILE)?;
        let text = |name| get(name).unwrap_or_default().to_owned();
        Ok(Self::Line(LineOf { file: text(file), at, sha256: text(hash) }))
    }
}

pub(crate) async fn ask(page: ExportPage, query: Query) -> Result<Response, PageError> {
    let target = Target::of(|name| query.get(name))?;
    match page.in_review().await {
        Ok(stored) => Ok(html(StatusCode::OK, &page.leave_out_page(&stored, &target).await?)),
        Err(error) => page.back(Err(error)).await,
    }
}

pub(crate) async fn leave_out(page: ExportPage, form: Form) -> Result<Response, PageError> {
    let (target, seen) = (Target::of(|name| form.find(name))?, Seen::of(&form)?);
    let reason = form.get("reason").trim();
    if let Some(message) = wrong_reason(reason) {
        return match page.in_review().await {
            Ok(stored) => {
                let page = page.leave_out_page(&stored, &target).await?;
                Ok(html(StatusCode::BAD_REQUEST, &page.again(message, reason.to_owned())))
            }
            Err(error) => page.back(Err(error)).await,
        };
    }
    let done = Box::pin(page.state.leave_out(&page.id, &target, reason, &page.username, seen)).await;
    page.back(done).await
}

fn wrong_reason(reason: &str) -> Option<Message> {
    let words = request_context::words();
    if reason.is_empty() {
        return Some(Message::of_catalogue("leave-out-reason-missing", &[]));
    }
    let most = words.number(MAX_REASON as u64);
    (reason.len() > MAX_REASON).then(|| Message::of_catalogue("leave-out-reason-long", &[("count", &most)]))
}

impl ExportPage {
    async fn leave_out_page(self, stored: &StoredJob, target: &Target) -> Result<LeaveOutPage> {
        let Self { state, username, .. } = self;
        state.viewed_part(&stored.job, "question", &username).await?;
        match target {
            Target::Document(attachment) => {
                let name = attachment.url_name();
                state.document(&stored.job, &name).await?.ok_or(NO_FILE)?;
                Ok(LeaveOutPage::of_document(username, stored, name, &attachment.name))
            }
            Target::Line(LineOf { file, at, sha256 }) => {
                let named = state.named(&stored.job, file).await?;
                let line = state.line_at(&named, *at).await?;
                // A line can be exported and be no JSON for the pages, such as one with half of an emoji.
                let resource = line.text.as_ref().and_then(|text| serde_json::from_slice(text).ok());
                let name = name_of(resource.as_ref(), &named);
                let fields = vec![("file", file.clone()), ("at", at.to_string()), ("hash", sha256.clone())];
                let kind = &named.file.resource_type;
                Ok(LeaveOutPage::of_resource(username, stored, fields, (kind, &name)))
            }
        }
    }
}
