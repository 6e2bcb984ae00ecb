//! The page that asks for confirmation before a resource or a document is left out of an export, and its form.

use axum::response::Response;
use domain::chunk::RecordAttachment;
use domain::error::{Error, NO_FILE, Result};
use domain::ports::jobs::StoredJob;
use domain::redaction::{MAX_REASON, Redacted, Redaction};
use domain::refusal::Refusal;
use http::StatusCode;
use web::describe::{Kind, Parameter};
use web::extract::Query;
use web::pages::job::LeaveOutPage;
use web::pages::{FieldProblem, Message};
use web::request_context;
use web::respond::{PageError, html, status_of};

use super::export_page::{ExportPage, Said, changed};
use super::page::Shown;
use super::refusal;
use super::rows::name_of;
use super::target::{LineOf, Target};
use crate::bodies::REASON;
use crate::kept::{STAY, StaffForm};
use crate::seen::{STALE, Seen};

/// The query of the page: what is left out.
pub(crate) const ASKED: [Parameter; 4] = [
    Parameter::query("file", "The file of the resource"),
    Parameter::query("at", "The offset of the resource in the file, in bytes").of(Kind::Integer),
    Parameter::query("hash", "The SHA-256 of the file that the page showed"),
    Parameter::query("document", "The name of the document in URLs"),
];
/// The fields of the form, which are the same as the parameters of the query.
pub(crate) const SENT: [Parameter; 4] = [
    Parameter::field("file", "The file of the resource"),
    Parameter::field("at", "The offset of the resource in the file, in bytes").of(Kind::Integer),
    Parameter::field("hash", "The SHA-256 of the file that the page showed"),
    Parameter::field("document", "The name of the document in URLs"),
];

/// The resource that the page showed. A second click is recognized by it, because the first one has replaced the file.
pub(crate) const SHOWN: Parameter = Parameter::field("resource", "The type and the id of the resource");

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
    let kept = page.state.kept(&query, &page.username).await?;
    let shown = match page.in_review().await {
        Ok(stored) => page.leave_out_page(&stored, &target).await,
        Err(error) => return page.back(Err(error)).await,
    };
    match (shown, kept) {
        (Ok(shown), None) => Ok(html(StatusCode::OK, &shown)),
        (Ok(shown), Some(typed)) => {
            let reason = typed.get(REASON.name).to_owned();
            let Said { message, problems } = Said::message("staff-kept");
            Ok(html(StatusCode::OK, &shown.again(message, problems, reason)))
        }
        (Err(error), None) => page.back(Err(error)).await,
        (Err(error), Some(typed)) => page.back_with(error, typed.get(REASON.name)).await,
    }
}

pub(crate) async fn leave_out(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let (target, seen) = (Target::of(|name| form.find(name))?, Seen::of(&form)?);
    // A browser sends each line end as two characters, and counts one.
    let reason = form.get(REASON.name).replace("\r\n", "\n");
    let reason = reason.trim();
    if form.find(STAY.name).is_some() {
        return page.ask_again(&target, seen, reason, (StatusCode::OK, Said::default())).await;
    }
    if let Some(wrong) = wrong_reason(reason) {
        let said = Said::problem(FieldProblem { field: REASON.name.to_owned(), text: wrong });
        return page.ask_again(&target, seen, reason, (StatusCode::BAD_REQUEST, said)).await;
    }
    let done = Box::pin(page.state.leave_out(&page.id, &target, reason, &page.username, seen)).await;
    match done {
        Err(Error::Conflict(_)) if page.has_left_out(&target, form.find(SHOWN.name), reason).await? => {
            page.back(Ok(())).await
        }
        Err(error) => match asked_again(&error) {
            Some(why) => page.ask_again(&target, seen, reason, why).await,
            None => page.back(Err(error)).await,
        },
        Ok(()) => page.back(Ok(())).await,
    }
}

/// Returns the status and the message of the form that is shown again after an error; `None` if the form cannot be shown.
fn asked_again(error: &Error) -> Option<(StatusCode, Said)> {
    let status = status_of(error);
    let said = match (error.refusal(), error) {
        (Some(refusal @ Refusal::LongReason), _) => {
            Said::problem(FieldProblem { field: REASON.name.to_owned(), text: refusal::in_words(refusal) })
        }
        (Some(refusal), _) => Said { message: Some(refusal::message(refusal)), ..Said::default() },
        (None, Error::Conflict(_) | Error::NotFound(_)) => return Some(changed()),
        (None, error) if status.is_server_error() => {
            tracing::error!(error = %error, cause = error.causes(), "something could not be left out of an export");
            Said::message(if matches!(error, Error::Unavailable(_)) { "error-503" } else { "error-500" })
        }
        (None, _) => return None,
    };
    Some((status, said))
}

fn wrong_reason(reason: &str) -> Option<String> {
    let words = request_context::words();
    if reason.is_empty() {
        return Some(words.text("leave-out-reason-missing", &[]));
    }
    let most = words.number(MAX_REASON as u64);
    let is_long = reason.chars().count() > MAX_REASON;
    is_long.then(|| words.text("leave-out-reason-long", &[("count", &most)]))
}

impl ExportPage {
    /// Returns whether this member of staff has left out the same for the same reason, as the first one of two clicks does.
    async fn has_left_out(&self, target: &Target, resource: Option<&str>, reason: &str) -> Result<bool> {
        let stored = self.stored().await?;
        let is_it = |what: &Redacted| match (what, target) {
            (Redacted::Document { name }, Target::Document(attachment)) => *name == attachment.url_name(),
            (Redacted::Resource { resource_type, id: Some(id) }, Target::Line(_)) => {
                resource.is_some_and(|shown| *shown == format!("{resource_type}/{id}"))
            }
            (Redacted::Resource { .. } | Redacted::Document { .. }, _) => false,
        };
        let redactions = stored.job.summary().map(|summary| &summary.redactions[..]).unwrap_or_default();
        let is_same =
            |done: &Redaction| done.actor == self.username && done.reason == reason && is_it(&done.what);
        Ok(redactions.iter().any(is_same))
    }

    /// Shows the form again with the typed reason. If the export has changed since the member of staff saw it, the page says so.
    async fn ask_again(
        self,
        target: &Target,
        seen: Seen,
        reason: &str,
        why: (StatusCode, Said),
    ) -> Result<Response, PageError> {
        let stored = match self.in_review().await {
            Ok(stored) => stored,
            Err(error) => return self.back(Err(error)).await,
        };
        let (status, said) = if seen.check(stored.version).is_err() { changed() } else { why };
        match self.leave_out_page(&stored, target).await {
            Ok(shown) => Ok(html(status, &shown.again(said.message, said.problems, reason.to_owned()))),
            Err(error) => self.back_with(error, reason).await,
        }
    }

    /// Shows the page of the export, because the file or the document that was to be left out is not there any more, or cannot be left
    /// out. The message has the typed reason, so that it can be used again.
    async fn back_with(self, error: Error, reason: &str) -> Result<Response, PageError> {
        match error {
            Error::Conflict(_) | Error::NotFound(_) if !reason.is_empty() => {
                let message = Message::of_catalogue("leave-out-changed", &[("reason", reason)]);
                let problem = Some(Error::conflict(STALE));
                let shown = Shown { problem, message: Some(message), ..Shown::default() };
                Ok(self.state.page(&self.id, self.username, shown).await?)
            }
            error => match error.refusal().filter(|_| !reason.is_empty()) {
                Some(refusal) => {
                    let values = [("why", &*refusal::in_words(refusal)), ("reason", reason)];
                    let message = Some(Message::of_catalogue("leave-out-refused", &values));
                    let shown = Shown { problem: Some(error), message, ..Shown::default() };
                    Ok(self.state.page(&self.id, self.username, shown).await?)
                }
                None => self.back(Err(error)).await,
            },
        }
    }

    /// Returns the page about the target. A line is shown only if its file is the one that the member of staff has seen: in another
    /// one, another resource may be there.
    async fn leave_out_page(&self, stored: &StoredJob, target: &Target) -> Result<LeaveOutPage> {
        let Self { state, username, .. } = self;
        let username = username.clone();
        if let Some(refusal) = stored.job.summary().and_then(refusal::of_export) {
            return Err(refusal::error(refusal));
        }
        match target {
            Target::Document(attachment) => {
                let name = attachment.url_name();
                state.document(&stored.job, &name).await?.ok_or(NO_FILE)?;
                state.viewed_part(&stored.job, "question", &username).await?;
                Ok(LeaveOutPage::of_document(username, stored, name, &attachment.name))
            }
            Target::Line(LineOf { file, at, sha256 }) => {
                let named = state.named(&stored.job, file).await?;
                if named.file.sha256 != *sha256 {
                    return Err(Error::conflict(STALE));
                }
                state.viewed_part(&stored.job, "question", &username).await?;
                let line = state.line_at(&named, *at).await?;
                if let Some(refusal) = refusal::of_line(&stored.job, &named, &line) {
                    return Err(refusal::error(refusal));
                }
                // A line can be exported and be no JSON for the pages, such as one with half of an emoji.
                let resource = line.text.as_ref().and_then(|text| serde_json::from_slice(text).ok());
                let name = name_of(resource.as_ref(), &named);
                let fields = vec![("file", file.clone()), ("at", at.to_string()), ("hash", sha256.clone())];
                let kind = &named.file.resource_type;
                let id = resource.as_ref().and_then(|resource| resource["id"].as_str());
                let shown = id.map(|id| format!("{kind}/{id}"));
                Ok(LeaveOutPage::of_resource(username, stored, fields, (kind, &name)).showing(shown))
            }
        }
    }
}

#[cfg(test)]
mod tests;
