//! Finds the files of a complete export by the names that its manifest and its resources give them.

use domain::chunk::RecordAttachment;
use domain::error::Result;
use domain::job::Job;
use domain::manifest::{NamedFile, Names};
use domain::pack::Location;
use domain::ports::files::Files;
use domain::ports::jobs::Jobs;
use domain::states::Complete;
use fhir::media_types;
use storage::packs::Attachments;

use crate::manifest::stored_page;

/// Returns the file with this name in the manifest of a complete export, or `None` if there is none.
pub async fn named(complete: &Job, file: &str, files: &dyn Files) -> Result<Option<NamedFile>> {
    if let Job::Complete(Complete { attached: Some(attached), .. }) = complete
        && attached.name == file
    {
        return Ok(Some(attached.clone()));
    }
    let manifest = stored_page(complete, Names::page_of(file), files).await?;
    Ok(manifest.and_then(|manifest| manifest.find(file).cloned()))
}

/// An attachment from the record, or one that staff added.
#[derive(Debug)]
pub struct FoundAttachment {
    pub location: Location,
    /// Its size in bytes.
    pub size: u64,
    pub content_type: String,
    /// The file name under which a browser saves it.
    pub name: String,
    /// The value of its `ETag` header, without quotes: a hash of the content, or the name of a file that never changes.
    pub etag: String,
}

/// Returns the attachment with this name in URLs; `None` if there is none, or if staff left it out. The function finds only the files of
/// the attempts that the chunks record as their results.
pub async fn attachment(
    job: &Job,
    file: &str,
    jobs: &dyn Jobs,
    attachments: &Attachments,
) -> Result<Option<FoundAttachment>> {
    let mut of_staff = job.header().attachments.iter();
    if let Some(attachment) = of_staff.find(|attachment| attachment.name.as_str() == file) {
        return Ok(Some(FoundAttachment {
            location: Location::object(attachment.key.clone()),
            size: attachment.size,
            content_type: media_types::safe(&attachment.content_type).to_owned(),
            name: attachment.name.to_string(),
            etag: attachment.hash.clone(),
        }));
    }
    let Some(of_record) = RecordAttachment::parse(file) else { return Ok(None) };
    if job.summary().is_some_and(|summary| summary.has_left_out(&of_record.url_name())) {
        return Ok(None);
    }
    let chunk = jobs.chunk(job.id(), of_record.chunk).await?;
    let result = chunk.and_then(|chunk| chunk.result).filter(|result| result.attempt == of_record.attempt);
    let Some(result) = result else { return Ok(None) };
    let found = attachments.find(job.id(), &of_record, &result).await?;
    Ok(found.map(|(location, size)| FoundAttachment {
        location,
        size,
        content_type: media_types::of_extension(&of_record.name.extension()).to_owned(),
        name: of_record.name.to_string(),
        etag: of_record.url_name(),
    }))
}
