//! Files that staff attach: streamed into the store, with limits and safe names.

use aws_lc_rs::digest;
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::chunk::{RecordAttachment, job_prefix};
use domain::error::{Error, Result};
use domain::ids::{Attempt, FileName, JobId};
use domain::job::Attachment;
use domain::ports::jobs::StoredJob;
use fhir::media_types;
use http::StatusCode;
use web::extract::{ContentLength, Unread};

use crate::Admin;

/// The maximum number of files in one request.
pub(crate) const MAX_FILES: usize = 5;
/// The maximum number of attached files of one job.
pub(crate) const MAX_ATTACHED: usize = 100;
/// Bytes that are buffered before a write.
pub(crate) const PIECE: usize = 256 * 1024;
/// The maximum number of fields other than files, and of the bytes of all of them together. They are read and ignored: ehi-app sends
/// `action=addAttachments`.
const MAX_OTHER_FIELDS: usize = 20;
const MAX_OTHER_BYTES: usize = 64 * 1024;
/// The maximum number of bytes of a body that are not bytes of files: other fields, and the headers of all fields.
const MAX_AROUND: u64 = 2 * MAX_OTHER_BYTES as u64;

pub(crate) fn too_many() -> Error {
    Error::conflict(format!("a job has at most {MAX_ATTACHED} attachments"))
}

impl Admin {
    /// Attaches the files of the multipart field `attachments` to a job in review.
    pub(crate) async fn upload(
        &self,
        id: &JobId,
        ContentLength(length): ContentLength,
        files: Unread<Multipart>,
        who: &str,
    ) -> Result<StoredJob> {
        if self.attachable(id).await?.header().attachments.len() + MAX_FILES > MAX_ATTACHED {
            return Err(too_many());
        }
        // A body that is longer than all allowed files together is refused before any of it is read.
        let limit = self.settings.max_upload_bytes;
        let most = limit.saturating_mul(MAX_FILES as u64).saturating_add(MAX_AROUND);
        if length.is_some_and(|length| length > most) {
            return Err(Error::TooLarge(format!("at most {MAX_FILES} files of {limit} bytes at a time")));
        }
        let multipart = files
            .read()
            .await
            .map_err(|_| Error::UnsupportedMediaType("the body must be multipart/form-data".to_owned()))?;
        let mut received = Vec::new();
        let attached = match self.receive(id, multipart, &mut received).await {
            Ok(()) => self.attach(id, received.clone(), who).await,
            Err(error) => Err(error),
        };
        // A call that failed may have changed the job all the same. Then the files belong to it.
        if !matches!(attached, Ok(_) | Err(Error::Unavailable(_))) {
            for file in &received {
                self.files.remove(&file.key).await?;
            }
        }
        attached
    }

    async fn receive(
        &self,
        id: &JobId,
        mut multipart: Multipart,
        received: &mut Vec<Attachment>,
    ) -> Result<()> {
        let (mut others, mut other_bytes) = (0, 0);
        while let Some(field) = multipart.next_field().await.map_err(broken)? {
            if field.name() != Some("attachments") {
                others += 1;
                other_bytes += read_past(field, MAX_OTHER_BYTES - other_bytes).await?;
                if others > MAX_OTHER_FIELDS {
                    return Err(too_much_beside());
                }
                continue;
            }
            if received.len() == MAX_FILES {
                return Err(Error::TooLarge(format!("at most {MAX_FILES} files at a time")));
            }
            // The file is listed before it is complete, so that a failure removes what was written of it.
            let title = field.file_name().unwrap_or("file");
            received.push(described(id, &self.random.attempt(), title, field.content_type()));
            if let Some(file) = received.last_mut() {
                self.write(field, file).await?;
            }
        }
        if received.is_empty() {
            Err(Error::invalid("there are no files in the field 'attachments'"))
        } else {
            Ok(())
        }
    }

    async fn write(&self, mut field: Field<'_>, file: &mut Attachment) -> Result<()> {
        let limit = self.settings.max_upload_bytes;
        let mut writer = self.files.create(&file.key).await?;
        let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        let mut buffer = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(broken)? {
            file.size += bytes.len() as u64;
            if file.size > limit {
                return Err(Error::TooLarge(format!("'{}' is larger than {limit} bytes", file.title)));
            }
            hash.update(&bytes);
            buffer.extend_from_slice(&bytes);
            if buffer.len() >= PIECE {
                buffer = writer.write(buffer).await?;
            }
        }
        writer.write(buffer).await?;
        writer.finish().await?;
        file.hash = STANDARD.encode(hash.finish());
        Ok(())
    }
}

/// Reads a field to its end. Returns the number of its bytes; more than `limit` are refused.
async fn read_past(mut field: Field<'_>, limit: usize) -> Result<usize> {
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes += chunk.len();
        if bytes > limit {
            return Err(too_much_beside());
        }
    }
    Ok(bytes)
}

fn too_much_beside() -> Error {
    Error::TooLarge(format!(
        "beside the field 'attachments' there are at most {MAX_OTHER_FIELDS} fields of {MAX_OTHER_BYTES} bytes in all"
    ))
}

/// A file that is uploaded: its name, and where it is stored. Its media type is kept only if it is safe to serve.
pub(crate) fn described(
    job: &JobId,
    upload: &Attempt,
    title: &str,
    content_type: Option<&str>,
) -> Attachment {
    let title: String = title.chars().filter(|c| !c.is_control()).take(200).collect();
    let name = FileName::sanitize(&title);
    let known = media_types::of_extension(&name.extension());
    // Clients send octet-stream if they do not know the type. Then the name's extension decides.
    let is_telling = |given: &&str| {
        !given.eq_ignore_ascii_case(media_types::UNKNOWN) && media_types::safe(given) == *given
    };
    let content_type = content_type.filter(is_telling).unwrap_or(known);
    Attachment {
        key: format!("{}uploads/{upload}/{name}", job_prefix(job)),
        content_type: content_type.to_owned(),
        name,
        title,
        size: 0,
        hash: String::new(),
    }
}

fn broken(error: MultipartError) -> Error {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge("the body is too large".to_owned()),
        _ => Error::invalid("the multipart body is broken"),
    }
}

/// Gives the files names that the job does not use yet and that no file of a record can have. Where a ZIP is unpacked, names may be
/// the same that differ only in their case, as on Windows and macOS, or in dots at their end, as on Windows.
pub(crate) fn with_free_names(files: Vec<Attachment>, taken: &[Attachment]) -> Vec<Attachment> {
    let mut named: Vec<Attachment> = Vec::new();
    for mut file in files {
        let wanted = file.name.clone();
        let mut number = 1;
        while RecordAttachment::parse(&file.name.folded()).is_some()
            || taken.iter().chain(&named).any(|other| other.name.folded() == file.name.folded())
        {
            number += 1;
            file.name = FileName::sanitize(&format!("copy-{number}-{wanted}"));
        }
        named.push(file);
    }
    named
}
