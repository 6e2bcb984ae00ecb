//! Files that staff add to an export and remove from it, on its page.

use axum::extract::Multipart;
use axum::response::Response;
use web::describe::Parameter;
use web::extract::{ContentLength, Form, Unread};
use web::respond::PageError;

use super::{ExportPage, Seen};

pub(crate) const NAME: Parameter = Parameter::field("name", "The name of the file");

pub(crate) async fn add_files(
    page: ExportPage,
    length: ContentLength,
    files: Unread<Multipart>,
) -> Result<Response, PageError> {
    let done = page.state.upload(&page.id, length, files, &page.username).await.map(|_| ());
    page.back(done).await
}

pub(crate) async fn remove_files(page: ExportPage, form: Form) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    let names = [form.get(NAME.name).to_owned()];
    let done = page.state.detach(&page.id, &names, &page.username, seen).await.map(|_| ());
    page.back(done).await
}
