//! Files that staff add to an export and remove from it, on its page.

use axum::response::Response;
use domain::error::Error;
use web::describe::Parameter;
use web::pages::Message;
use web::respond::PageError;

use super::export_page::ExportPage;
use super::page::Shown;
use crate::kept::{StaffFiles, StaffForm};
use crate::seen::{STALE, Seen};
use crate::uploads::Sender;

pub(crate) const NAME: Parameter = Parameter::field("name", "The name of the file");

pub(crate) async fn add_files(
    StaffFiles(page, length, files): StaffFiles<ExportPage>,
) -> Result<Response, PageError> {
    let sender = Sender::Page(&page.username);
    match page.state.upload(&page.id, (length, files), sender).await {
        // The button was pressed twice, or somebody else has changed the export.
        Err(Error::Conflict(text)) if text.as_str() == STALE => {
            let message = Message::of_catalogue("attach-stale", &[]);
            let problem = Some(Error::Conflict(text));
            let shown = Shown { problem, message: Some(message), ..Shown::default() };
            Ok(page.state.page(&page.id, page.username, shown).await?)
        }
        Err(error @ Error::TooLarge(_)) => {
            let text = page.state.upload_limits().refused();
            let shown = Shown { problem: Some(error), message: Some(text), ..Shown::default() };
            Ok(page.state.page(&page.id, page.username, shown).await?)
        }
        done => page.back(done.map(|_| ())).await,
    }
}

pub(crate) async fn remove_files(
    StaffForm(page, form): StaffForm<ExportPage>,
) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    let names = [form.get(NAME.name).to_owned()];
    let done = page.state.detach(&page.id, &names, &page.username, seen).await.map(|_| ());
    page.back(done).await
}
