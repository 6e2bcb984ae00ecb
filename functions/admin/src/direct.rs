//! Direct uploads: staff send a file that is too large for a request to the store, with a form that is valid for one file.
//!
//! `POST /admin/jobs/{job}/uploads` returns the form, and `POST /admin/jobs/{job}/uploads/{upload}/complete` attaches
//! a copy of the uploaded file (contract, section 4). [`crate::job::large`] has the pages that do the same.

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::chunk::job_prefix;
use domain::error::{Error, NO_JOB, Result};
use domain::header::Attachment;
use domain::ids::{Attempt, JobId};
use domain::ports::expiring::EntryKind;
use domain::ports::files::{self, UploadForm};
use domain::ports::jobs::StoredJob;
use futures_util::StreamExt;
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::describe::{Kind, Parameter};
use web::extract::{JobPath, UploadPath};
use web::{ApiError, respond};

use crate::Admin;
use crate::bodies::Announced;
use crate::caller::Staff;
use crate::review::attaching;
use crate::seen::Seen;
use crate::uploads::{PIECE, described};

pub(crate) const FILE: [Parameter; 3] = [
    Parameter::field("name", "The name of the file"),
    Parameter::field("contentType", "The media type of the file"),
    Parameter::field("size", "The size of the file in bytes").of(Kind::Integer),
];

/// How long a form is valid. An upload that has begun may take longer.
pub(crate) const FORM: SignedDuration = SignedDuration::from_mins(5);
/// How long an uploaded file can be attached.
const PENDING: SignedDuration = SignedDuration::from_hours(1);

const NO_UPLOAD: Error = Error::NotFound("there is no such upload, or its time is over");

/// An upload for which a form was issued.
#[derive(Serialize, Deserialize)]
struct Pending {
    job: JobId,
    file: Attachment,
}

pub(crate) async fn begin(
    State(state): State<Admin>,
    _: Staff,
    JobPath(id): JobPath,
    announced: Announced,
) -> Result<Response, ApiError> {
    let limit = state.settings.max_upload_bytes;
    if announced.size == 0 || announced.size > limit {
        return Err(Error::TooLarge(format!("'size' must be from 1 to {limit} bytes")).into());
    }
    let (upload, file) = state.incoming(&id, &announced.name, announced.content_type.as_deref()).await?;
    let form = state.form_for(&file, announced.size, None).await?;
    state.expect_upload(&id, &upload, file).await?;
    let fields: serde_json::Map<String, Value> =
        form.fields.into_iter().map(|(name, value)| (name, value.into())).collect();
    let body = json!({ "id": upload, "url": form.url, "fields": fields, "expiresIn": FORM.as_secs() });
    Ok(respond::json(StatusCode::OK, &body))
}

/// Attaches a copy of what was uploaded. Anyone who has the form can send another file with it until its time is over, which changes
/// what was uploaded, and not the copy.
///
/// The caller can repeat a call that failed: the upload stays until it is attached, and is attached once.
pub(crate) async fn complete(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
    UploadPath(upload): UploadPath,
) -> Result<Response, ApiError> {
    let (upload, file) = state.expected(&id, &upload).await?;
    let attached = state.attach_upload(&id, &upload, &file, &name, Seen::Any).await?;
    Ok(state.job_response(&attached).await?)
}

/// Returns the prefix of the copies of an upload, of which one is attached.
pub(crate) fn copies_prefix(job: &JobId, upload: &Attempt) -> String {
    format!("{}uploads/{upload}/", job_prefix(job))
}

impl Admin {
    /// Returns a file that will be uploaded, and the id of the upload. The export must be one to which files can be attached.
    pub(crate) async fn incoming(
        &self,
        job: &JobId,
        title: &str,
        content_type: Option<&str>,
    ) -> Result<(Attempt, Attachment)> {
        self.attachable(job).await?;
        let upload = self.random.attempt();
        let file = described(job, &upload, title, content_type);
        let key = format!("{}incoming/{upload}/{}", job_prefix(job), file.name);
        Ok((upload, Attachment { key, ..file }))
    }

    /// Returns the form that uploads a file of at most `max_bytes`, and then redirects to another URL.
    pub(crate) async fn form_for(
        &self,
        file: &Attachment,
        max_bytes: u64,
        redirect: Option<&str>,
    ) -> Result<UploadForm> {
        let content_type = &file.content_type;
        let expected = files::Announced { content_type, max_bytes, lifetime: FORM, redirect };
        let form = self.files.upload_form(&file.key, expected).await?;
        form.ok_or_else(|| {
            Error::NotSupported(
                "this server takes files itself: POST them to /admin/jobs/{job}/add-files".to_owned(),
            )
        })
    }

    /// Stores that an upload is expected.
    pub(crate) async fn expect_upload(&self, job: &JobId, upload: &Attempt, file: Attachment) -> Result<()> {
        let pending = serde_json::to_value(Pending { job: job.clone(), file })?;
        let expires_at = self.clock.now() + PENDING;
        self.expiring.put(EntryKind::Upload, upload.as_str(), pending, expires_at).await.map(|_| ())
    }

    /// Returns an upload of this export that is expected, or that has arrived and is not attached.
    pub(crate) async fn expected(&self, id: &JobId, upload: &str) -> Result<(Attempt, Attachment)> {
        let upload = Attempt::parse(upload).map_err(|_| NO_UPLOAD)?;
        let entry = self.expiring.get(EntryKind::Upload, upload.as_str()).await?.ok_or(NO_UPLOAD)?;
        let Pending { job, file } = entry.read()?;
        if job == *id { Ok((upload, file)) } else { Err(NO_JOB) }
    }

    /// Attaches what was uploaded, and records it.
    pub(crate) async fn attach_upload(
        &self,
        id: &JobId,
        upload: &Attempt,
        file: &Attachment,
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let event = attaching(&self.attachable(id).await?, 1, who);
        let attached = self.audit.around(event, self.attach_copy(id, upload, file, (who, seen))).await?;
        self.forget(upload, file).await;
        Ok(attached)
    }

    /// Attaches a copy of an upload, if none is attached.
    async fn attach_copy(
        &self,
        job: &JobId,
        upload: &Attempt,
        file: &Attachment,
        (who, seen): (&str, Seen),
    ) -> Result<StoredJob> {
        let once = copies_prefix(job, upload);
        // Calls at the same time write different copies.
        let copy = self.copied(file, format!("{once}{}/{}", self.random.attempt(), file.name)).await?;
        let attached = self.attach_recorded(job, vec![copy.clone()], who, Some(&once), seen).await;
        // Even a failed call may have changed the job. Then the copy belongs to the job.
        if attached.as_ref().is_err_and(|error| !matches!(error, Error::Unavailable(_))) {
            self.files.remove(&copy.key).await?;
        }
        attached
    }

    /// Copies the uploaded file to another key. Returns the copy with the size and the hash of what was copied.
    async fn copied(&self, uploaded: &Attachment, key: String) -> Result<Attachment> {
        let mut file = Attachment { key, size: 0, ..uploaded.clone() };
        let mut stream = match self.files.open(&uploaded.key, None).await {
            Err(Error::NotFound(_)) => return Err(Error::conflict("nothing was sent with the form yet")),
            opened => opened?,
        };
        let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        let mut writer = self.files.create(&file.key).await?;
        let mut buffer = Vec::new();
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            file.size += bytes.len() as u64;
            hash.update(&bytes);
            buffer.extend_from_slice(&bytes);
            if buffer.len() >= PIECE {
                buffer = writer.write(buffer).await?;
            }
        }
        writer.write(buffer).await?;
        writer.finish().await?;
        file.hash = STANDARD.encode(hash.finish());
        Ok(file)
    }

    /// Removes the upload that is attached. What stays of it expires, or is removed with the export.
    async fn forget(&self, upload: &Attempt, uploaded: &Attachment) {
        let taken = self.expiring.take(EntryKind::Upload, upload.as_str()).await.map(|_| ());
        let removed = self.files.remove(&uploaded.key).await;
        for error in [taken, removed].into_iter().filter_map(Result::err) {
            tracing::warn!(error = %error, cause = error.causes(), "an upload that is attached is still stored");
        }
    }
}
