//! Staff download a file of a complete export, to hand the copy to the patient (45 CFR 170.315(b)(10)(i)).

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::NO_FILE;
use domain::job::Job;
use settings::LargeFiles;
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::exported;
use web::extract::{FilePath, JobPath};
use web::respond::PageError;

use crate::Admin;
use crate::caller::PageStaff;

/// `GET /staff/jobs/{job}/files/{file}/download`. A file of an export that is not approved is not found.
pub(crate) async fn file(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    FilePath(file): FilePath,
    request: FileRequest,
) -> Result<Response, PageError> {
    let job = state.job(&id).await?.job;
    let Job::Complete(_) = &job else { return Err(NO_FILE.into()) };
    let named = exported::named(&job, &file, &*state.files).await?.ok_or(NO_FILE)?;
    let event = Event::new(Actor::staff(&username), Action::Download).of(&job);
    state.audit.record(event.about(&named.name)).await?;
    let location = named.file.location();
    let stored = Stored::of_file(&named, &location);
    let inline = InlineLimit { bytes: state.settings.max_direct_bytes, on_larger: LargeFiles::Redirect };
    Ok(download(&stored, &request, &*state.files, inline).await?)
}
