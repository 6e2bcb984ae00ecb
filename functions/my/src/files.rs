//! The files of a copy, one by one: `/my/exports/{job}/files/{file}` and `/my/exports/{job}/attachments/{file}`; and their list on
//! the page.

use archive::Plan;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::error::{NO_FILE, NO_JOB, Result};
use domain::ids::JobId;
use domain::job::JobState;
use domain::ports::jobs::StoredJob;
use settings::LargeFiles;
use storage::packs::Attachments;
use web::describe::{Kind, Parameter};
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::exported;
use web::extract::{FilePath, JobPath};
use web::pages::{Downloads, FileLink};
use web::request_context;
use web::respond::PageError;
use words::Words;

use crate::signed_in::SignedIn;
use crate::zip::{Fits, fits};
use crate::{My, state_of};

/// The number of files on a page of the list, so that the page fits into a response of Lambda.
const PAGE: usize = 1_000;

/// The files before this number are on earlier pages of the list.
pub(crate) const FROM: Parameter =
    Parameter::query("from", "The number of the first file that is listed").of(Kind::Integer);

pub(crate) async fn file(
    State(state): State<My>,
    JobPath(id): JobPath,
    FilePath(file): FilePath,
    signed_in: SignedIn,
    request: FileRequest,
) -> Result<Response, PageError> {
    let stored = state.ready(&id, &signed_in).await?;
    let named = exported::named(&stored.job, &file, &*state.files).await?.ok_or(NO_FILE)?;
    state.audit.record(signed_in.event(Action::Download).of(&stored.job).about(&named.name)).await?;
    let location = named.file.location();
    let stored = Stored::of_file(&named, &location);
    Ok(download(&stored, &request, &*state.files, state.inline_limit()).await?)
}

pub(crate) async fn attachment(
    State(state): State<My>,
    JobPath(id): JobPath,
    FilePath(file): FilePath,
    signed_in: SignedIn,
    request: FileRequest,
) -> Result<Response, PageError> {
    let stored = state.ready(&id, &signed_in).await?;
    let attachments = Attachments::new(state.files.clone());
    let found = exported::attachment(&stored.job, &file, &*state.jobs, &attachments).await?.ok_or(NO_FILE)?;
    // The entry does not have the name, because people name files after patients.
    state.audit.record(signed_in.event(Action::Download).of(&stored.job).about("attachment")).await?;
    Ok(download(&Stored::of_attachment(&found), &request, &*state.files, state.inline_limit()).await?)
}

impl My {
    /// Returns a copy that can be downloaded.
    pub(crate) async fn ready(&self, id: &JobId, signed_in: &SignedIn) -> Result<StoredJob> {
        let stored = self.copy(id, &signed_in.patient).await?;
        let is_ready = state_of(&stored.job, self.clock.now()) == JobState::Complete;
        if is_ready { Ok(stored) } else { Err(NO_JOB) }
    }

    fn inline_limit(&self) -> InlineLimit {
        InlineLimit { bytes: self.settings.max_direct_bytes, on_larger: LargeFiles::Redirect }
    }

    /// Returns what can be downloaded of a copy. The list of single files begins at `from`, and is open if that is given.
    pub(crate) async fn downloads(
        &self,
        plan: Option<&Plan>,
        job: &JobId,
        from: Option<usize>,
    ) -> Result<Option<Downloads>> {
        let Some(plan) = plan else { return Ok(None) };
        // What workers have not made yet must be asked for.
        let is_asked_for =
            fits(plan, &self.settings, &*self.files) == Fits::Workers && !self.has_zip(job, plan).await?;
        let words = request_context::words();
        let base = format!("/my/exports/{job}");
        let link = |kind: &str, name: &str, size: u64| FileLink {
            href: format!("{base}/{kind}/{name}"),
            name: name.to_owned(),
            size: words.size(size),
        };
        let files = plan.files.iter().map(|named| link("files", &named.name, named.file.size));
        let attachments =
            plan.attachments.iter().map(|attachment| link("attachments", &attachment.name, attachment.size));
        let listed = Listed::of(plan.files.len() + plan.attachments.len(), from.unwrap_or_default());
        let page = |from: usize| format!("{base}?{}={from}#files", FROM.name);
        let size = words.size(plan.bytes());
        Ok(Some(Downloads {
            zip: format!("{base}/zip"),
            is_asked_for,
            all: words.text("my-download-all", &[("size", &size)]),
            files: files.chain(attachments).skip(listed.from).take(PAGE).collect(),
            listed: listed.is_part().then(|| listed.in_words(&words)),
            first: (listed.from > 0).then(|| page(0)),
            next: listed.next().map(page),
            is_open: from.is_some(),
        }))
    }
}

/// The files that one page of the list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    from: usize,
    count: usize,
}

impl Listed {
    /// Returns the page that begins at `from`; the first page if there are fewer files.
    fn of(count: usize, from: usize) -> Self {
        Self { from: if from < count { from } else { 0 }, count }
    }

    fn end(self) -> usize {
        self.from.saturating_add(PAGE).min(self.count)
    }

    fn is_part(self) -> bool {
        self.end() - self.from < self.count
    }

    /// Returns where the next page begins.
    fn next(self) -> Option<usize> {
        (self.end() < self.count).then(|| self.end())
    }

    fn in_words(self, words: &Words) -> String {
        let number = |number: usize| words.number(number as u64);
        let (from, to, count) = (number(self.from + 1), number(self.end()), number(self.count));
        words.text("my-files-listed", &[("from", &from), ("to", &to), ("count", &count)])
    }
}

#[cfg(test)]
mod tests;
