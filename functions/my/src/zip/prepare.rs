//! A ZIP that workers make: the patient asks for it, and the page `/my/exports/{job}/zip/progress` shows its progress. In the meantime the
//! files can be downloaded one by one.

use archive::{Plan, Preparation, Progress, Texts, ZipPlace};
use axum::extract::State;
use axum::response::Response;
use domain::error::{Error, NO_JOB, Result};
use domain::ids::JobId;
use http::StatusCode;
use jiff::Timestamp;
use web::extract::{JobPath, Query, SameSiteForm};
use web::pages::ZipPage;
use web::request_context;
use web::respond::{PageError, html, see_other};

use super::{Fits, fits, progress_path};
use crate::signed_in::SignedIn;
use crate::{My, live};

/// The number of attempts to change the state of a ZIP while workers change it.
const RACES: u32 = 20;

/// Asks the workers for a ZIP. The page of its progress follows. A second click asks for nothing.
pub(crate) async fn ask(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
    _: SameSiteForm,
) -> Result<Response, PageError> {
    let stored = state.copy(&id, &signed_in.patient).await?;
    let plan = state.plan(&stored).await?.ok_or(NO_JOB)?;
    if fits(&plan, &state.settings, &*state.files) != Fits::Workers {
        return Ok(see_other(&state.settings.url(&format!("/my/exports/{id}/zip"))));
    }
    state.ask_workers(&id, &plan).await?;
    Ok(see_other(&state.settings.url(&progress_path(&id))))
}

/// Shows the progress of the ZIP.
pub(crate) async fn progress(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
    query: Query,
) -> Result<Response, PageError> {
    let stored = state.ready(&id, &signed_in).await?;
    let words = request_context::words();
    let place = ZipPlace::new(&id, words.language);
    let read = place.read(&*state.files).await?.map(|read| read.preparation);
    let mut shown = Shown::of(read.as_ref(), state.clock.now());
    if shown == Shown::Ready {
        // A ZIP with an earlier content cannot be downloaded.
        let plan = state.plan(&stored).await?.ok_or(NO_JOB)?;
        if !read.is_some_and(|read| read.is_ready(&plan)) {
            shown = Shown::None;
        }
    }
    let title = words.text("my-zip-title", &[("date", &words.date(stored.job.header().created_at))]);
    let by_itself = live::is_by_itself(&query);
    let page = ZipPage {
        my: signed_in.frame("copies"),
        title,
        state: words.text(&format!("my-zip-state-{}", shown.name()), &[]),
        state_name: shown.name(),
        look: shown.look(),
        next: words.text(&format!("my-zip-next-{}", shown.name()), &[]),
        percent: match shown {
            Shown::Preparing(percent) => Some(percent),
            _ => None,
        },
        by_itself,
        here: progress_path(&id),
        copy: format!("/my/exports/{id}"),
        zip: format!("/my/exports/{id}/zip"),
        is_ready: shown == Shown::Ready,
        ask: match shown {
            Shown::None => Some(words.text("my-zip-ask", &[])),
            Shown::Stale | Shown::Failed => Some(words.text("my-zip-ask-again", &[])),
            Shown::Preparing(_) | Shown::Ready => None,
        },
    };
    let mut response = html(StatusCode::OK, &page);
    if by_itself && page.percent.is_some() {
        live::reload(&mut response);
    }
    Ok(response)
}

/// What the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Nobody has asked for the ZIP.
    None,
    /// The progress in percent.
    Preparing(u8),
    /// Nothing has changed for so long that the task may be lost.
    Stale,
    Ready,
    Failed,
}

impl Shown {
    fn of(preparation: Option<&Preparation>, now: Timestamp) -> Self {
        let Some(preparation) = preparation else { return Self::None };
        match &preparation.progress {
            Progress::Ready => Self::Ready,
            Progress::Failed => Self::Failed,
            Progress::Preparing(_) if preparation.is_under_way(now) => Self::Preparing(preparation.percent()),
            Progress::Preparing(_) => Self::Stale,
        }
    }

    /// Returns the last part of the keys of its messages.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Preparing(_) => "preparing",
            Self::Stale => "stale",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// Returns the CSS class of the state.
    fn look(self) -> &'static str {
        match self {
            Self::None | Self::Preparing(_) => "requested",
            Self::Stale => "retrieved",
            Self::Ready => "approved",
            Self::Failed => "failed",
        }
    }
}

impl My {
    /// Returns whether workers have made the ZIP with this content.
    pub(super) async fn is_prepared(&self, place: &ZipPlace, plan: &Plan) -> Result<bool> {
        let read = place.read(&*self.files).await?;
        Ok(read.is_some_and(|read| read.preparation.is_ready(plan)))
    }

    /// Returns whether workers have made the ZIP of a copy in the language of the reader.
    pub(crate) async fn has_zip(&self, job: &JobId, plan: &Plan) -> Result<bool> {
        let place = ZipPlace::new(job, request_context::words().language);
        self.is_prepared(&place, plan).await
    }

    /// Sends the task for a ZIP, unless the ZIP is ready or a worker makes it.
    async fn ask_workers(&self, job: &JobId, plan: &Plan) -> Result<()> {
        let words = request_context::words();
        let place = ZipPlace::new(job, words.language);
        for _ in 0..RACES {
            let (known, now) = (place.read(&*self.files).await?, self.clock.now());
            let earlier = known.as_ref().map(|known| &known.preparation);
            if earlier.is_some_and(|earlier| earlier.is_ready(plan) || earlier.is_under_way(now)) {
                return Ok(());
            }
            let texts = Texts::of(plan, &words, &self.settings);
            let begun = Preparation::begin(plan, texts, earlier, now, self.random.attempt().to_string());
            if place.swap(&*self.files, known.as_ref(), &begun).await? {
                let sent = self.queue.send(&plan.group(), &[place.task(&begun.run)]).await;
                if sent.is_err() {
                    // The next click asks again.
                    let forget =
                        |preparation: &mut Preparation| preparation.changed_at = Timestamp::UNIX_EPOCH;
                    place.change(&*self.files, forget).await?;
                }
                return sent;
            }
        }
        Err(Error::conflict("too many requests change the ZIP at the same time; try again"))
    }
}

#[cfg(test)]
mod tests;
