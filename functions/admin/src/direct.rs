//! Direct uploads: staff send a file that is too large for a request to the store, with a form that is valid for one file.
//!
//! `POST /admin/jobs/{job}/uploads` returns the form, and `POST /admin/jobs/{job}/uploads/{upload}/complete` attaches
//! the uploaded file (contract, section 4).

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::error::{Error, NO_JOB, Result};
use domain::ids::{Attempt, JobId};
use domain::job::Attachment;
use domain::ports::expiring::EntryKind;
use domain::ports::files;
use futures_util::StreamExt;
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use web::describe::{Kind, Parameter};
use web::extract::{Content, JobPath, UploadPath};
use web::{ApiError, respond};

use crate::Admin;
use crate::caller::Staff;
use crate::uploads::described;

pub(crate) const FILE: [Parameter; 3] = [
    Parameter::field("name", "The name of the file"),
    Parameter::field("contentType", "Its media type"),
    Parameter::field("size", "Its bytes").of(Kind::Integer),
];

/// How long a form is valid. An upload that has begun may take longer.
const FORM: SignedDuration = SignedDuration::from_mins(5);
/// How long an uploaded file can be attached.
const PENDING: SignedDuration = SignedDuration::from_hours(1);

const NO_UPLOAD: Error = Error::NotFound("there is no such upload, or its time is over");

/// An upload for which a form was issued.
#[derive(Serialize, Deserialize)]
struct Pending {
    job: JobId,
    file: Attachment,
}

/// The caller's description of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Announced {
    name: String,
    content_type: Option<String>,
    size: u64,
}

pub(crate) async fn begin(
    State(state): State<Admin>,
    _: Staff,
    JobPath(id): JobPath,
    content: Content,
) -> Result<Response, ApiError> {
    let Content::Json(value) = content else { return Err(wrong().into()) };
    let announced: Announced = serde_json::from_value(value).map_err(|_| wrong())?;
    let limit = state.settings.max_upload_bytes;
    if announced.size == 0 || announced.size > limit {
        return Err(Error::TooLarge(format!("'size' must be from 1 to {limit} bytes")).into());
    }
    state.attachable(&id).await?;
    let upload = state.random.attempt();
    let file = described(&id, &upload, &announced.name, announced.content_type.as_deref());
    let expected =
        files::Announced { content_type: &file.content_type, max_bytes: announced.size, lifetime: FORM };
    let form = state.files.upload_form(&file.key, expected).await?;
    let form = form.ok_or_else(|| {
        Error::NotSupported(
            "this server takes files itself: POST them to /admin/jobs/{job}/add-files".to_owned(),
        )
    })?;
    let pending = serde_json::to_value(Pending { job: id, file })?;
    state.expiring.put(EntryKind::Upload, upload.as_str(), pending, state.clock.now() + PENDING).await?;
    let fields: serde_json::Map<String, Value> =
        form.fields.into_iter().map(|(name, value)| (name, value.into())).collect();
    let answer = json!({ "id": upload, "url": form.url, "fields": fields, "expiresIn": FORM.as_secs() });
    Ok(respond::json(StatusCode::OK, &answer))
}

pub(crate) async fn complete(
    State(state): State<Admin>,
    Staff(name): Staff,
    JobPath(id): JobPath,
    UploadPath(upload): UploadPath,
) -> Result<Response, ApiError> {
    let upload = Attempt::parse(&upload).map_err(|_| NO_UPLOAD)?;
    let entry = state.expiring.get(EntryKind::Upload, upload.as_str()).await?.ok_or(NO_UPLOAD)?;
    let Pending { job, mut file } = entry.read()?;
    if job != id {
        return Err(NO_JOB.into());
    }
    state.measure(&mut file).await?;
    // If two calls race, exactly one attaches the file.
    state.expiring.take(EntryKind::Upload, upload.as_str()).await?.ok_or(NO_UPLOAD)?;
    Ok(state.answer(&state.attach(&id, vec![file], &name).await?).await?)
}

fn wrong() -> Error {
    Error::invalid("the body must be {\"name\", \"contentType\", \"size\"} in JSON")
}

impl Admin {
    /// Reads the uploaded file and returns its size and hash.
    async fn measure(&self, file: &mut Attachment) -> Result<()> {
        let mut stream = match self.files.open(&file.key, None).await {
            Err(Error::NotFound(_)) => return Err(Error::conflict("nothing was sent with the form yet")),
            opened => opened?,
        };
        let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            file.size += bytes.len() as u64;
            hash.update(&bytes);
        }
        file.hash = STANDARD.encode(hash.finish());
        Ok(())
    }
}
