//! Staff download a file of a complete export, to hand the copy to the patient (45 CFR 170.315(b)(10)(i)).

use axum::response::Response;
use domain::audit::{Action, Actor, Event};
use domain::error::NO_FILE;
use domain::job::Job;
use settings::LargeFiles;
use web::download::{FileRequest, InlineLimit, Stored, download};
use web::exported;
use web::extract::FilePath;
use web::respond::PageError;

use super::export_page::ExportPage;

/// `GET /staff/jobs/{job}/files/{file}/download`. A file of an export that is not approved is not found.
pub(crate) async fn file(
    page: ExportPage,
    FilePath(file): FilePath,
    request: FileRequest,
) -> Result<Response, PageError> {
    let job = page.stored().await?.job;
    let Job::Complete(_) = &job else { return Err(NO_FILE.into()) };
    let named = exported::named(&job, &file, &*page.state.files).await?.ok_or(NO_FILE)?;
    let event = Event::new(Actor::staff(&page.username), Action::Download).of(&job);
    page.state.audit.record(event.about(&named.name)).await?;
    let location = named.file.location();
    let stored = Stored::of_file(&named, &location);
    let inline = InlineLimit { bytes: page.state.settings.max_direct_bytes, on_larger: LargeFiles::Redirect };
    Ok(download(&stored, &request, &*page.state.files, inline).await?)
}
