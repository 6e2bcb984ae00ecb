//! `/my/exports/{job}/zip`: everything of a copy in one ZIP ([`archive`]).
//!
//! Where the host sends responses of any size, the ZIP is made while it is sent. Where it does not, as on AWS, a larger one is
//! made in the store, once for each language, and the browser gets a link to it. What is too large to be made during a request is
//! made by workers, after the patient has asked for it: [`prepare`].

mod prepare;

use archive::{Maker, Plan, Sink, Texts, ZipPlace};
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::error::{NO_JOB, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::files::{Files, Linked};
use domain::ports::jobs::StoredJob;
use futures_util::stream::{self, Stream, StreamExt};
use jiff::SignedDuration;
use settings::Settings;
use tokio::sync::mpsc;
use web::download::made;
use web::extract::JobPath;
use web::request_context;
use web::respond::{PageError, see_other};

use crate::My;
use crate::signed_in::SignedIn;

pub(crate) use self::prepare::{ask, progress};

/// The maximum number of attachments in a ZIP that is made during a request on AWS: they are read one after the other.
const MAX_ATTACHMENTS: usize = 500;

/// The time for which the link to a ZIP in the store is valid.
const LINK: SignedDuration = SignedDuration::from_mins(5);

/// The maximum number of pieces that wait for the client to read them.
const WAITING: usize = 2;

pub(crate) async fn download(
    State(state): State<My>,
    JobPath(id): JobPath,
    signed_in: SignedIn,
) -> Result<Response, PageError> {
    let stored = state.copy(&id, &signed_in.patient).await?;
    let plan = state.plan(&stored).await?.ok_or(NO_JOB)?;
    let words = request_context::words();
    let place = ZipPlace::new(&id, words.language);
    let how = fits(&plan, &state.settings, &*state.files);
    if how == Fits::Workers && !state.is_prepared(&place, &plan).await? {
        return Ok(see_other(&state.settings.url(&progress_path(&id))));
    }
    let event = signed_in.event(Action::Download).of(&stored.job).about("zip");
    state.audit.record(event).await?;
    let file_name = plan.file_name(&words);
    let texts = Texts::of(&plan, &words, &state.settings);
    let maker = texts.maker(plan, state.files.clone(), &state.settings);
    if how == Fits::Store {
        state.store(&maker, &place, (&id, &signed_in)).await?;
    }
    let link = match how {
        Fits::Response => None,
        Fits::Store | Fits::Workers => {
            state.files.link(&place.key(), LINK, Linked::saved(&file_name)).await?
        }
    };
    match link {
        Some(link) => Ok(see_other(&link)),
        None => Ok(made(streamed(maker), "application/zip", &file_name)?),
    }
}

/// Returns the path of the page that shows whether a ZIP is ready.
pub(crate) fn progress_path(job: &JobId) -> String {
    format!("/my/exports/{job}/zip/progress")
}

/// How a ZIP reaches the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    Response,
    /// It is made in the store during the request.
    Store,
    /// It is made in the store by workers.
    Workers,
}

/// Returns how the ZIP of a copy is sent to the patient.
pub(crate) fn fits(plan: &Plan, settings: &Settings, files: &dyn Files) -> Fits {
    // Without links the host sends files of any size itself.
    if !settings.has_limited_responses() || !files.has_links() {
        return Fits::Response;
    }
    // Each attachment is a request to the store.
    match plan.bytes() {
        _ if plan.attachments.len() > MAX_ATTACHMENTS => Fits::Workers,
        bytes if bytes <= settings.max_direct_bytes => Fits::Response,
        bytes if bytes <= settings.max_immediate_zip_bytes => Fits::Store,
        _ => Fits::Workers,
    }
}

impl My {
    /// Returns the content of the ZIP; `None` if the copy is not ready yet or is gone.
    pub(crate) async fn plan(&self, stored: &StoredJob) -> Result<Option<Plan>> {
        Plan::of(stored, &*self.jobs, &self.files, self.clock.now()).await
    }

    /// Makes a ZIP in the store, unless it is there.
    async fn store(
        &self,
        maker: &Maker,
        place: &ZipPlace,
        (id, signed_in): (&JobId, &SignedIn),
    ) -> Result<()> {
        let key = place.key();
        if self.files.size(&key).await?.is_some() {
            return Ok(());
        }
        let sink = Sink::Store(self.files.create(&key).await?);
        Box::pin(maker.make(sink)).await?;
        // The copy may have been deleted meanwhile. Then its ZIP must not stay in the store.
        if !matches!(self.copy(id, &signed_in.patient).await?.job, Job::Complete(_)) {
            self.files.remove(&key).await?;
            return Err(NO_JOB);
        }
        Ok(())
    }
}

/// Returns the bytes of the ZIP while it is made. An error in the middle ends the stream with the error, so that the response is cut off.
fn streamed(maker: Maker) -> impl Stream<Item = Result<bytes::Bytes>> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let failed = sender.clone();
    let work = async move {
        if let Err(error) = Box::pin(maker.make(Sink::Client(sender))).await {
            tracing::error!(error = %error, cause = error.causes(), "a ZIP could not be sent completely");
            // The error is lost if the client has gone.
            let _ = failed.send(Err(error)).await;
        }
    };
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    // The work continues only while the client reads, and is dropped with the response.
    stream::select(pieces.map(Some), stream::once(work).map(|()| None)).filter_map(std::future::ready)
}
