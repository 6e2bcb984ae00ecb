//! Leaves a resource or a document out of an export in review.
//!
//! What changes is written under new keys: the file without the resource, the file with the reasons, the pages of the manifest.
//! Then the job is replaced by compare-and-set; it names the new manifest, so that every reader sees either everything as it
//! was or everything as it is. What is no longer part of the export is removed after that; if the process dies before,
//! cleanup removes it. Two things stay, unreferenced, until the files of the job are removed: the bytes of something small in
//! the pack that it shares with other files, and the new objects of a change that was cut off before the job named them.

use aws_lc_rs::digest;
use domain::audit::{Action, Actor, Event};
use domain::chunk::{OutputFile, Purpose, RecordAttachment};
use domain::clock::hex;
use domain::error::{Error, NO_FILE, Result};
use domain::ids::JobId;
use domain::job::Job;
use domain::manifest::{ExportTotals, NamedFile, manifest_prefix};
use domain::ports::files::write_all;
use domain::ports::jobs::StoredJob;
use domain::redaction::{REASONS, Redacted, Redaction};
use fhir::outcome::outcome;
use futures_util::StreamExt;
use platform::telemetry::staff_action;
use storage::packs;
use web::manifest::stored_page;
use web::request_context;

use super::cut::Cut;
use super::documents::DOCUMENT;
use super::draft::Draft;
use super::inside::copies_prefix;
use super::refusal;
use super::target::{LineOf, Target};
use super::urls::Unserved;
use crate::Admin;
use crate::seen::{STALE, Seen};

/// A file that does not exist, in the audit trail.
const NO_SUCH_PART: &str = "file";

/// What was left out, the keys of the objects that contain it, and the attachments that the line names.
type CutLine = ((Redacted, Vec<String>), Vec<RecordAttachment>);

impl Admin {
    pub(super) async fn leave_out(
        &self,
        id: &JobId,
        target: &Target,
        reason: &str,
        who: &str,
        seen: Seen,
    ) -> Result<()> {
        let stored = self.job(id).await?;
        seen.check(stored.version)?;
        stored.job.clone().in_review("leave something out of")?;
        let summary = stored.job.summary().ok_or(NO_FILE)?;
        let draft = self.draft(id, summary, &stored).await?;
        let part = match target {
            // The name of a file that does not exist is a text of the caller, and does not belong in the audit trail.
            Target::Line(line) => draft.position(line).map_or(NO_SUCH_PART, |_| line.file.as_str()),
            Target::Document(_) => DOCUMENT,
        };
        let event = Event::new(Actor::staff(who), Action::Redacted).of(&stored.job).about(part);
        let left_out = self.leave_out_recorded(id, &stored, draft, target, (reason, who));
        self.audit.around(event, Box::pin(left_out)).await
    }

    async fn leave_out_recorded(
        &self,
        id: &JobId,
        stored: &StoredJob,
        mut draft: Draft<'_>,
        target: &Target,
        (reason, who): (&str, &str),
    ) -> Result<()> {
        match self.record(stored, &mut draft, target, (reason, who)).await {
            Ok(()) => {
                staff_action("left out", id, who);
                // The change is recorded. Cleanup removes what cannot be removed now.
                if let Err(error) = self.remove_replaced(id, &draft.summary).await {
                    tracing::warn!(job.id = %id, error = %error, cause = error.causes(), "what was left out is still stored");
                }
                Ok(())
            }
            // Even a call with another error may have changed the job.
            Err(Error::Unavailable(problem)) => Err(Error::Unavailable(problem)),
            Err(error) => {
                // The change can be stored although the store reports a conflict, if its first response was lost.
                let now = self.jobs.get(id).await?;
                // The totals of the draft name the earlier manifest until the new one is written.
                let written = manifest_prefix(id, &draft.attempt);
                let names_draft = |stored: &StoredJob| {
                    stored.job.summary().is_some_and(|summary| summary.manifest == written)
                };
                if now.as_ref().is_some_and(names_draft) {
                    return Ok(());
                }
                self.files.remove_prefix(&draft.prefix()).await?;
                self.files.remove_prefix(&written).await?;
                Err(if matches!(error, Error::Conflict(_)) { Error::conflict(STALE) } else { error })
            }
        }
    }

    /// Writes the new files, and then replaces the job by one that names them.
    async fn record(
        &self,
        stored: &StoredJob,
        draft: &mut Draft<'_>,
        target: &Target,
        (reason, who): (&str, &str),
    ) -> Result<()> {
        let review = stored.job.clone().in_review("leave something out of")?;
        let ((what, mut replaced), named) = match target {
            Target::Line(line) => self.without_line(draft, line).await?,
            Target::Document(attachment) => (self.without_document(stored, attachment).await?, Vec::new()),
        };
        // A document is not copied without the resource that names it.
        let mut documents = Vec::new();
        for attachment in &named {
            match self.without_document(stored, attachment).await {
                // An earlier change left it out.
                Err(Error::NotFound(_)) => {}
                found => documents.push(found?),
            }
        }
        if let Some(refusal) = refusal::of_reason(&draft.summary, 1 + documents.len(), reason) {
            return Err(refusal::error(refusal));
        }
        let names: Vec<_> = std::iter::once(&what)
            .chain(documents.iter().map(|(what, _)| what))
            .filter_map(|what| match what {
                Redacted::Document { name } => Some(name.clone()),
                Redacted::Resource { .. } => None,
            })
            .collect();
        if !names.is_empty() {
            replaced.extend(self.without_urls(draft, &Unserved(&names)).await?);
        }
        let reasons = draft.pages[0].files.iter().filter(|named| named.name == REASONS);
        replaced.extend(reasons.map(|named| named.file.key.clone()));
        replaced.extend((0..review.summary.pages).map(|page| review.summary.page_key(page)));
        let at = self.clock.now();
        let language = Some(request_context::words().language.tag().to_owned());
        let (reason, actor) = (reason.to_owned(), who.to_owned());
        let redaction = Redaction { what, reason, language, actor, at, replaced };
        let notice = redaction.notice();
        for (what, replaced) in documents {
            draft.summary.leave_out(Redaction { what, replaced, ..redaction.clone() });
        }
        draft.summary.leave_out(redaction);
        self.write_manifest(draft).await?;
        let changed = Job::InReview(review.leave_out(draft.summary.clone(), &notice, who, at));
        self.jobs.replace(&changed, stored.version).await.map(|_| ())
    }

    async fn draft<'a>(
        &self,
        job: &'a JobId,
        summary: &ExportTotals,
        stored: &StoredJob,
    ) -> Result<Draft<'a>> {
        if let Some(refusal) = refusal::of_export(summary) {
            return Err(refusal::error(refusal));
        }
        if summary.pages == 0 {
            return Err(NO_FILE);
        }
        let mut pages = Vec::new();
        for page in 0..summary.pages {
            pages.push(stored_page(&stored.job, page, &*self.files).await?.ok_or(NO_FILE)?);
        }
        Ok(Draft { job, attempt: self.random.attempt(), summary: summary.clone(), pages })
    }

    /// Writes the file without the line, which replaces the other file. Returns what was left out, the keys of the objects that
    /// contain it, and the attachments that the line names.
    async fn without_line(&self, draft: &mut Draft<'_>, line: &LineOf) -> Result<CutLine> {
        let (page, index) = draft.position(line).ok_or(NO_FILE)?;
        let named = draft.pages[page].files[index].clone();
        if named.file.sha256 != line.sha256 {
            return Err(Error::conflict(STALE));
        }
        if let Some(refusal) = refusal::of_file(&named) {
            return Err(refusal::error(refusal));
        }
        let key = draft.key(&format!("{}.ndjson", named.file.resource_type));
        let (file, what, attachments) = self.rewrite(&named.file, line.at, key, draft.job).await?;
        draft.summary.resources = draft.summary.resources.saturating_sub(1);
        draft.summary.bytes = draft.summary.bytes.saturating_sub(named.file.size);
        match file {
            Some(file) => {
                draft.summary.bytes += file.size;
                draft.pages[page].files[index].file = file;
            }
            None => {
                draft.summary.files = draft.summary.files.saturating_sub(1);
                draft.pages[page].files.remove(index);
            }
        }
        // In a pack the file lies between others, which stay.
        let replaced = named.file.place.is_none().then_some(named.file.key).into_iter().collect();
        Ok(((what, replaced), attachments))
    }

    /// Copies a file without the line that begins at an offset. Returns no file if no line is left.
    async fn rewrite(
        &self,
        file: &OutputFile,
        at: u64,
        key: String,
        job: &JobId,
    ) -> Result<(Option<OutputFile>, Redacted, Vec<RecordAttachment>)> {
        let mut stream = packs::open(&*self.files, &file.location(), None).await?;
        let mut cut = Cut::new(at);
        let mut writer = match file.count {
            0 | 1 => None,
            _ => Some(self.files.create(&key).await?),
        };
        let (mut size, mut hash) = (0, digest::Context::new(&digest::SHA256));
        while let Some(bytes) = stream.next().await {
            let kept = cut.take(&bytes?)?;
            size += kept.len() as u64;
            hash.update(&kept);
            if let Some(writer) = &mut writer
                && !kept.is_empty()
            {
                writer.write(kept).await?;
            }
        }
        let attachments = cut.attachments(job);
        let what = cut.finish()?;
        let Some(writer) = writer else { return Ok((None, what, attachments)) };
        writer.finish().await?;
        let sha256 = hex(hash.finish().as_ref());
        let rewritten = OutputFile { key, place: None, count: file.count - 1, size, sha256, ..file.clone() };
        Ok((Some(rewritten), what, attachments))
    }

    async fn without_document(
        &self,
        stored: &StoredJob,
        attachment: &RecordAttachment,
    ) -> Result<(Redacted, Vec<String>)> {
        let name = attachment.url_name();
        let location = self.document(&stored.job, &name).await?.ok_or(NO_FILE)?.location;
        let replaced = location.place.is_none().then_some(location.key).into_iter().collect();
        Ok((Redacted::Document { name }, replaced))
    }

    /// Writes the reasons of all redactions, and the pages of the manifest, which lists them.
    async fn write_manifest(&self, draft: &mut Draft<'_>) -> Result<()> {
        let line =
            |redaction: &Redaction| outcome("warning", "suppressed", &redaction.notice()).to_string() + "\n";
        let reasons: String = draft.summary.redactions.iter().map(line).collect();
        let file = OutputFile {
            purpose: Purpose::Error,
            resource_type: "OperationOutcome".to_owned(),
            key: draft.key("reasons.ndjson"),
            place: None,
            count: draft.summary.redactions.len() as u64,
            size: reasons.len() as u64,
            sha256: hex(digest::digest(&digest::SHA256, reasons.as_bytes()).as_ref()),
        };
        write_all(&*self.files, &file.key, reasons.into_bytes()).await?;
        draft.summary.bytes += file.size;
        let first = &mut draft.pages[0].files;
        match first.iter_mut().find(|named| named.name == REASONS) {
            Some(earlier) => {
                draft.summary.bytes = draft.summary.bytes.saturating_sub(earlier.file.size);
                earlier.file = file;
            }
            None => {
                draft.summary.files += 1;
                first.push(NamedFile { name: REASONS.to_owned(), file });
            }
        }
        draft.summary.manifest = manifest_prefix(draft.job, &draft.attempt);
        for (page, number) in draft.pages.iter().zip(0..) {
            write_all(&*self.files, &draft.summary.page_key(number), serde_json::to_vec(page)?).await?;
        }
        Ok(())
    }

    async fn remove_replaced(&self, id: &JobId, summary: &ExportTotals) -> Result<()> {
        // The resource may have had one of these documents. The others are copied again when somebody opens them.
        self.files.remove_prefix(&copies_prefix(id)).await?;
        // All that one change leaves out has the same time.
        let at = summary.redactions.last().map(|redaction| redaction.at);
        let latest = summary.redactions.iter().filter(|redaction| Some(redaction.at) == at);
        for key in latest.flat_map(|redaction| &redaction.replaced) {
            self.files.remove(key).await?;
        }
        Ok(())
    }
}
