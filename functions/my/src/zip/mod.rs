//! `/my/exports/{job}/zip`: everything of a copy in one ZIP.
//!
//! - [`plan`]: the content of the ZIP; [`archive`]: writes the ZIP, of which only a piece is in memory at a time;
//! - [`make`]: writes the files, then the [`index`] for people, the manifest, and the hashes;
//! - [`row`]: the main fields of a resource.
//!
//! Where the host sends responses of any size, the ZIP is made while it is sent. Where it does not, as on AWS, a larger one is
//! made in the store, once for each language, and the browser gets a link to it; what is too large to be made during a request
//! is downloaded file by file.

mod archive;
mod index;
mod make;
mod plan;
mod row;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::chunk::job_prefix;
use domain::error::{Error, NO_JOB, Result};
use domain::job::Job;
use domain::ports::files::{Files, Linked};
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

use self::archive::{Archive, Sink};
use self::make::Maker;
pub(crate) use self::plan::Plan;

/// The maximum number of bytes of a ZIP that is made in the store during a request. A small function needs some seconds for it.
pub(crate) const MAX_STORED: u64 = 64 * 1024 * 1024;
/// The maximum number of attachments in such a ZIP: they are read one after the other.
const MAX_ATTACHMENTS: usize = 500;

/// Where a ZIP is stored, below the prefix of its job. On AWS the function may write only below such a prefix.
const FOLDER: &str = "zip/";

/// How long the link to a ZIP in the store is valid.
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
    let event = signed_in.event(Action::Download).of(&stored.job).about("zip");
    state.audit.record(event).await?;
    let words = request_context::words();
    let file_name = plan.file_name(&words);
    let key = format!("{}{FOLDER}copy-{}.zip", job_prefix(&id), words.language.tag());
    let fits = fits(&plan, &state.settings);
    let maker = Maker { plan, words, files: state.files.clone(), settings: state.settings.clone() };
    match fits {
        Fits::Response => Ok(made(streamed(maker), "application/zip", &file_name)?),
        Fits::Store => {
            if state.files.size(&key).await?.is_none() {
                let sink = Sink::Store(state.files.create(&key).await?);
                Box::pin(maker.make(Archive::new(sink, maker.made_at())?)).await?;
                // The copy may have been deleted meanwhile. Then its ZIP must not stay in the store.
                if !matches!(state.copy(&id, &signed_in.patient).await?.job, Job::Complete(_)) {
                    state.files.remove(&key).await?;
                    return Err(NO_JOB.into());
                }
            }
            match state.files.link(&key, LINK, Linked::saved(&file_name)).await? {
                Some(link) => Ok(see_other(&link)),
                // This host has no links; it sends the file itself.
                None => Ok(made(streamed(maker), "application/zip", &file_name)?),
            }
        }
        Fits::Nowhere => Err(Error::TooLarge(
            "the copy is too large for one ZIP; download its files one by one".to_owned(),
        )
        .into()),
    }
}

/// How a ZIP reaches the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    Response,
    Store,
    Nowhere,
}

/// How the ZIP of a copy reaches the patient of this server.
pub(crate) fn fits(plan: &Plan, settings: &Settings) -> Fits {
    // Each attachment is a request to the store.
    let has_time = settings.max_direct_bytes == u64::MAX || plan.attachments.len() <= MAX_ATTACHMENTS;
    match plan.bytes() {
        bytes if bytes <= settings.max_direct_bytes && has_time => Fits::Response,
        bytes if bytes <= MAX_STORED && plan.attachments.len() <= MAX_ATTACHMENTS => Fits::Store,
        _ => Fits::Nowhere,
    }
}

/// The bytes of the ZIP while it is made. An error in the middle ends the stream with the error, so that the response is cut off.
fn streamed(maker: Maker) -> impl Stream<Item = Result<bytes::Bytes>> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let failed = sender.clone();
    let work = async move {
        let made = async {
            let archive = Archive::new(Sink::Client(sender), maker.made_at())?;
            Box::pin(maker.make(archive)).await
        };
        if let Err(error) = made.await {
            tracing::error!(error = %error, cause = error.causes(), "a ZIP broke off");
            // The error is lost if the client has gone.
            let _ = failed.send(Err(error)).await;
        }
    };
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    // The work goes on only while the client reads, and is dropped with the response.
    stream::select(pieces.map(Some), stream::once(work).map(|()| None)).filter_map(std::future::ready)
}

/// What is needed to make a ZIP.
pub(crate) type Store = Arc<dyn Files>;
