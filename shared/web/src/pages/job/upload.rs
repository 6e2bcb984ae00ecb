//! The pages that attach a file which is too large for a request: its name, the form that sends it to the store, and the question
//! before it is attached.

use askama::Template;
use domain::header::Attachment;
use domain::ids::JobId;
use domain::ports::files::UploadForm;
use jiff::SignedDuration;

use crate::pages::message::Message;
use crate::pages::{FieldProblem, filters};
use crate::request_context;

fn path(job: &JobId) -> String {
    format!("/staff/jobs/{job}")
}

/// Asks for the name of the file.
#[derive(Template)]
#[template(path = "staff_upload.html")]
pub struct UploadPage {
    username: String,
    path: String,
    most: String,
    message: Option<Message>,
    problems: Vec<FieldProblem>,
    name: String,
}

impl UploadPage {
    pub fn new(username: String, job: &JobId, max_bytes: u64, name: String) -> Self {
        let most = request_context::words().size(max_bytes);
        Self { username, path: path(job), most, message: None, problems: Vec::new(), name }
    }

    #[must_use]
    pub fn saying(self, message: Option<Message>) -> Self {
        Self { message, ..self }
    }

    /// Returns the address of the form.
    fn action(&self) -> String {
        format!("{}/upload", self.path)
    }

    /// Says that there is no name.
    #[must_use]
    pub fn without_name(self) -> Self {
        let text = request_context::words().text("upload-no-name", &[]);
        Self { problems: vec![FieldProblem { field: "name".to_owned(), text }], ..self }
    }
}

/// Has the form that sends the file to the store.
#[derive(Template)]
#[template(path = "staff_upload_send.html")]
pub struct SendPage {
    username: String,
    path: String,
    title: String,
    form: UploadForm,
    max_bytes: u64,
    hint: String,
    too_large: String,
}

impl SendPage {
    /// Returns the page. `lifetime` is the time for which the form is valid.
    pub fn new(
        username: String,
        (job, file): (&JobId, &Attachment),
        form: UploadForm,
        (max_bytes, lifetime): (u64, SignedDuration),
    ) -> Self {
        let words = request_context::words();
        let (size, minutes) = (words.size(max_bytes), lifetime.as_mins().to_string());
        Self {
            username,
            path: path(job),
            title: words.text("upload-send-title", &[("name", &file.title)]),
            form,
            max_bytes,
            hint: words.text("upload-file-hint", &[("size", &size), ("minutes", &minutes)]),
            too_large: words.text("upload-too-large", &[("size", &size)]),
        }
    }
}

/// Asks before the file that has arrived is attached.
#[derive(Template)]
#[template(path = "staff_upload_attach.html")]
pub struct AttachPage {
    username: String,
    path: String,
    upload: String,
    title: String,
    arrived: String,
    version: u64,
    message: Option<Message>,
}

impl AttachPage {
    /// Returns the page for an upload, of which `size` bytes have arrived.
    pub fn new(
        username: String,
        (job, version): (&JobId, u64),
        (upload, file, size): (String, &Attachment, u64),
        message: Option<Message>,
    ) -> Self {
        let words = request_context::words();
        Self {
            username,
            path: path(job),
            upload,
            title: words.text("upload-attach-title", &[("name", &file.title)]),
            arrived: words.text("upload-arrived", &[("size", &words.size(size))]),
            version,
            message,
        }
    }
}
