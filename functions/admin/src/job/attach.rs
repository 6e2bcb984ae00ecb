//! Files that staff add to an export and remove from it, on its page.

use axum::extract::{Multipart, State};
use axum::response::Response;
use web::describe::Parameter;
use web::extract::{ContentLength, Form, JobPath, Unread};
use web::respond::PageError;

use super::Seen;
use crate::Admin;
use crate::caller::PageStaff;

pub(crate) const NAME: Parameter = Parameter::field("name", "The name of the file");

pub(crate) async fn add_files(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    length: ContentLength,
    files: Unread<Multipart>,
) -> Result<Response, PageError> {
    let done = state.upload(&id, length, files, &username).await.map(|_| ());
    state.back(&id, username, done).await
}

pub(crate) async fn remove_files(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    JobPath(id): JobPath,
    form: Form,
) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    let done = state.detach(&id, &[form.get(NAME.name).to_owned()], &username, seen).await.map(|_| ());
    state.back(&id, username, done).await
}
