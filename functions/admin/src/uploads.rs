//! Files that staff attach: streamed into the store, with limits and safe names.

use aws_lc_rs::digest;
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::chunk::{RecordAttachment, job_prefix};
use domain::error::{Error, Result};
use domain::header::Attachment;
use domain::ids::{Attempt, FileName, JobId};
use domain::ports::jobs::StoredJob;
use fhir::media_types;
use http::StatusCode;
use web::extract::{ContentLength, Unread};

use crate::Admin;
use crate::seen::{Seen, VERSION};

/// The maximum number of files in one request.
pub(crate) const MAX_FILES: usize = 5;
/// The maximum number of attached files of one job.
pub(crate) const MAX_ATTACHED: usize = 100;
/// Bytes that are buffered before a write.
pub(crate) const PIECE: usize = 256 * 1024;
/// The maximum number of fields other than files, and of the bytes of all of them together. Most are ignored: ehi-app sends
/// `action=addAttachments`.
const MAX_OTHER_FIELDS: usize = 20;
const MAX_OTHER_BYTES: usize = 64 * 1024;
/// The maximum number of bytes of a body that are not bytes of files: other fields, and the headers of all fields.
const MAX_AROUND: u64 = 2 * MAX_OTHER_BYTES as u64;

/// The member of staff who sends files.
#[derive(Clone, Copy)]
pub(crate) enum Sender<'w> {
    Api(&'w str),
    /// The form of the page names the version of the export that the page showed, before the files.
    Page(&'w str),
}

pub(crate) fn too_many() -> Error {
    Error::conflict(format!("a job has at most {MAX_ATTACHED} attachments"))
}

impl Admin {
    /// Returns the maximum number of bytes of all files of a request, if the host limits it more than the settings do. A host that limits
    /// its responses limits its requests to about the same size.
    pub(crate) fn max_total_bytes(&self) -> Option<u64> {
        let most = self.settings.max_upload_bytes.saturating_mul(MAX_FILES as u64);
        Some(self.settings.max_direct_bytes).filter(|limit| *limit < most)
    }

    /// Returns the maximum number of bytes of all files of a request.
    fn max_bytes_of(&self, sender: Sender<'_>) -> u64 {
        let of_host = match sender {
            Sender::Page(_) => self.max_total_bytes(),
            Sender::Api(_) => None,
        };
        of_host.unwrap_or(self.settings.max_upload_bytes.saturating_mul(MAX_FILES as u64))
    }

    fn too_large(&self, sender: Sender<'_>) -> Error {
        let (each, all) = (self.settings.max_upload_bytes, self.max_bytes_of(sender));
        Error::TooLarge(format!(
            "at most {MAX_FILES} files of {each} bytes at a time, and {all} bytes in total"
        ))
    }

    /// Attaches the files of the multipart field `attachments` to a job in review.
    pub(crate) async fn upload(
        &self,
        id: &JobId,
        (ContentLength(length), files): (ContentLength, Unread<Multipart>),
        sender: Sender<'_>,
    ) -> Result<StoredJob> {
        if self.attachable(id).await?.header().attachments.len() + MAX_FILES > MAX_ATTACHED {
            return Err(too_many());
        }
        // A body that is longer than all allowed files together is refused before any of it is read.
        let most = self.max_bytes_of(sender).saturating_add(MAX_AROUND);
        if length.is_some_and(|length| length > most) {
            return Err(self.too_large(sender));
        }
        let multipart = files
            .read()
            .await
            .map_err(|_| Error::UnsupportedMediaType("the body must be multipart/form-data".to_owned()))?;
        let mut received = Vec::new();
        let (Sender::Api(who) | Sender::Page(who)) = sender;
        let attached = match self.receive(id, multipart, sender, &mut received).await {
            Ok(seen) => self.attach(id, received.clone(), who, seen).await,
            Err(error) => Err(error),
        };
        // Even a failed call may have changed the job. Then the files belong to the job.
        if !matches!(attached, Ok(_) | Err(Error::Unavailable(_))) {
            for file in &received {
                self.files.remove(&file.key).await?;
            }
        }
        attached
    }

    /// Stores the files. Returns the version of the export that the page showed.
    async fn receive(
        &self,
        id: &JobId,
        mut multipart: Multipart,
        sender: Sender<'_>,
        received: &mut Vec<Attachment>,
    ) -> Result<Seen> {
        let mut seen = Seen::Any;
        let (mut others, mut other_bytes) = (0, 0);
        while let Some(field) = multipart.next_field().await.map_err(broken)? {
            if field.name() != Some("attachments") {
                others += 1;
                let is_version = matches!(sender, Sender::Page(_)) && field.name() == Some(VERSION.name);
                let value = read_other(field, MAX_OTHER_BYTES - other_bytes).await?;
                other_bytes += value.len();
                let version = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                if let Some(version) = version.filter(|_| is_version) {
                    seen = Seen::Version(version);
                    seen.check(self.job(id).await?.version)?;
                }
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
            if received.iter().map(|file| file.size).sum::<u64>() > self.max_bytes_of(sender) {
                return Err(self.too_large(sender));
            }
        }
        if received.is_empty() {
            Err(Error::invalid("there are no files in the field 'attachments'"))
        } else {
            Ok(seen)
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

/// Reads a field to its end. More bytes than `limit` are refused.
async fn read_other(mut field: Field<'_>, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
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

/// Returns the description of a file that is uploaded: its name, and where it is stored. Its media type is kept only if it is safe to
/// serve.
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
