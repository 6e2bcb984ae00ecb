//! Attaches a file that is too large for a request, in a browser that may run no scripts.
//!
//! The page asks for the name of the file, and then has a form that sends the file to the store. The store redirects the browser to
//! the same address, and the page there asks before the file is attached. [`crate::direct`] does the same for programs.

use axum::response::Response;
use domain::error::Error;
use domain::header::Attachment;
use domain::ids::Attempt;
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use web::extract::{Query, UploadPath};
use web::pages::Message;
use web::pages::job::{AttachPage, SendPage, UploadPage};
use web::respond::{FormRedirect, PageError, html, see_other};

use super::attach::NAME;
use super::export_page::ExportPage;
use crate::direct::{FORM, copies_prefix};
use crate::kept::{STAY, StaffForm};
use crate::seen::{STALE, Seen};

pub(crate) async fn ask(page: ExportPage, query: Query) -> Result<Response, PageError> {
    if let Err(error) = page.state.attachable(&page.id).await {
        return page.back(Err(error)).await;
    }
    let kept = page.state.kept(&query, &page.username).await?;
    let message = kept.as_ref().map(|_| Message::of_catalogue("staff-kept", &[]));
    let name = kept.map(|kept| kept.get(NAME.name).to_owned()).unwrap_or_default();
    Ok(html(StatusCode::OK, &page.name_page(name).saying(message)))
}

pub(crate) async fn begin(StaffForm(page, form): StaffForm<ExportPage>) -> Result<Response, PageError> {
    let name = form.get(NAME.name).trim();
    if form.find(STAY.name).is_some() {
        if let Err(error) = page.state.attachable(&page.id).await {
            return page.back(Err(error)).await;
        }
        return Ok(html(StatusCode::OK, &page.name_page(name.to_owned())));
    }
    if name.is_empty() {
        return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page.name_page(String::new()).without_name()));
    }
    let (upload, file) = match page.state.incoming(&page.id, name, None).await {
        Ok(incoming) => incoming,
        Err(error) => return page.back(Err(error)).await,
    };
    page.state.expect_upload(&page.id, &upload, file).await?;
    Ok(see_other(&page.upload_url(&upload)))
}

pub(crate) async fn show(page: ExportPage, UploadPath(upload): UploadPath) -> Result<Response, PageError> {
    match page.state.expected(&page.id, &upload).await {
        Ok((upload, file)) => page.step(&upload, &file, None).await,
        Err(error) => page.without(&upload, error).await,
    }
}

pub(crate) async fn attach(
    UploadPath(upload): UploadPath,
    StaffForm(page, form): StaffForm<ExportPage>,
) -> Result<Response, PageError> {
    let seen = Seen::of(&form)?;
    let (upload, file) = match page.state.expected(&page.id, &upload).await {
        Ok(expected) => expected,
        Err(error) => return page.without(&upload, error).await,
    };
    match page.state.attach_upload(&page.id, &upload, &file, &page.username, seen).await {
        Err(Error::Conflict(text)) if text.as_str() == STALE => {
            page.step(&upload, &file, Some(Message::of_catalogue("job-stale", &[]))).await
        }
        // The button was pressed twice at the same time.
        Err(error @ Error::Conflict(_)) => {
            let stored = page.stored().await?;
            let done = if page.has_attached(&stored, &upload) { Ok(()) } else { Err(error) };
            page.back(done).await
        }
        done => page.back(done.map(|_| ())).await,
    }
}

impl ExportPage {
    fn name_page(self, name: String) -> UploadPage {
        UploadPage::new(self.username, &self.id, self.state.settings.max_upload_bytes, name)
    }

    fn upload_url(&self, upload: &Attempt) -> String {
        format!("{}/upload/{upload}", self.url())
    }

    /// Shows the next step of an upload: to send the file, or to attach it if it has arrived.
    async fn step(
        self,
        upload: &Attempt,
        file: &Attachment,
        message: Option<Message>,
    ) -> Result<Response, PageError> {
        let stored = self.stored().await?;
        if let Some(size) = self.state.files.size(&file.key).await? {
            let status = if message.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
            let arrived = (upload.to_string(), file, size);
            let page = AttachPage::new(self.username, (&self.id, stored.version), arrived, message);
            return Ok(html(status, &page));
        }
        let most = self.state.settings.max_upload_bytes;
        let form = self.state.form_for(file, most, Some(&self.upload_url(upload))).await?;
        let store = settings::origin_of(&form.url).map(FormRedirect);
        let page = SendPage::new(self.username, (&self.id, file), form, (most, FORM));
        let response = html(StatusCode::OK, &page);
        Ok(match store {
            Some(store) => store.add_to(response),
            None => response,
        })
    }

    /// Returns the response if an upload is not expected: it is attached already, or its time is over.
    async fn without(self, upload: &str, error: Error) -> Result<Response, PageError> {
        if !matches!(error, Error::NotFound(_)) {
            return Err(error.into());
        }
        // The export may be gone as well.
        let stored = self.stored().await?;
        if Attempt::parse(upload).is_ok_and(|upload| self.has_attached(&stored, &upload)) {
            return Ok(see_other(&self.url()));
        }
        let message = Message::of_catalogue("upload-over", &[]);
        Ok(html(StatusCode::NOT_FOUND, &self.name_page(String::new()).saying(Some(message))))
    }

    fn has_attached(&self, stored: &StoredJob, upload: &Attempt) -> bool {
        let prefix = copies_prefix(&self.id, upload);
        stored.job.header().attachments.iter().any(|file| file.key.starts_with(&prefix))
    }
}
