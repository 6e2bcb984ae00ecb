//! The decisions of staff about a job. Each is one compare-and-set, so that exactly one of two racing decisions wins.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use domain::audit::{Action, Actor, Event};
use domain::chunk::{OutputFile, Purpose, job_prefix};
use domain::clock::hex;
use domain::error::{Error, NO_JOB, Result};
use domain::header::Attachment;
use domain::ids::JobId;
use domain::job::Job;
use domain::manifest::NamedFile;
use domain::ports::files::write_all;
use domain::ports::jobs::StoredJob;
use domain::rejection::{RejectionReason, TypedReason};
use domain::states::Rejected;
use fhir::attachments::{Document, document_reference};
use fhir::instant;
use jiff::SignedDuration;
use platform::exports::{cancel, change_stored, remove_files};
use platform::telemetry::staff_action;
use web::caller::living;

use crate::Admin;
use crate::seen::Seen;
use crate::uploads::{MAX_ATTACHED, too_many};

/// Why an export is rejected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejection {
    /// What clients read.
    pub(crate) reason: String,
    /// The reason from the list.
    pub(crate) chosen: Option<RejectionReason>,
    /// What was typed on the page of staff.
    pub(crate) typed: Option<TypedReason>,
}

/// The error if an export is approved after the permission for private topics has ended.
pub(crate) const PERMISSION_OVER: &str = "the patient's permission for private topics has ended: reject the export, so that the patient can ask again";

/// Returns the audit event of files that are attached.
pub(crate) fn attaching(job: &Job, count: usize, who: &str) -> Event {
    Event::new(Actor::staff(who), Action::Attached).of(job).about(&format!("{count} files"))
}

impl Admin {
    pub(crate) async fn job(&self, id: &JobId) -> Result<StoredJob> {
        living(self.jobs.get(id).await?, self.clock.now())
    }

    /// Records that staff look at an export.
    pub(crate) async fn viewed(&self, job: &Job, who: &str) -> Result<()> {
        self.audit.record(Event::new(Actor::staff(who), Action::RecordViewed).of(job)).await
    }

    /// Records that staff look at a file or a document of an export.
    pub(crate) async fn viewed_part(&self, job: &Job, part: &str, who: &str) -> Result<()> {
        let event = Event::new(Actor::staff(who), Action::RecordViewed).of(job);
        self.audit.record(event.about(part)).await
    }

    /// Records that staff look at a list of exports, with the patients whose names it shows.
    pub(crate) async fn viewed_list<'j>(&self, who: &str, jobs: impl Iterator<Item = &'j Job>) -> Result<()> {
        let event = Event::new(Actor::staff(who), Action::RecordViewed).about("list of exports");
        let patients = jobs.filter_map(|job| Some(job.header().patient.as_ref()?.id.clone()));
        let patients: BTreeSet<_> = patients.collect();
        self.audit.record(event.showing(patients.into_iter())).await
    }

    /// Releases the export to the client, and writes the DocumentReference that describes the files that staff attached.
    pub(crate) async fn approve_job(&self, id: &JobId, who: &str, seen: Seen) -> Result<StoredJob> {
        let stored = self.job(id).await?;
        seen.check(stored.version)?;
        stored.job.clone().in_review("approve")?;
        self.check_permission(&stored.job)?;
        let event = Event::new(Actor::staff(who), Action::Approved).of(&stored.job);
        self.audit.around(event, self.approve_recorded(id, who, seen)).await
    }

    async fn approve_recorded(&self, id: &JobId, who: &str, seen: Seen) -> Result<StoredJob> {
        for _ in 0..5 {
            let stored = self.job(id).await?;
            seen.check(stored.version)?;
            let review = stored.job.clone().in_review("approve")?;
            self.check_permission(&stored.job)?;
            let attached = self.describe_attachments(&stored.job).await?;
            let complete =
                Job::Complete(review.approve(attached, who, self.clock.now(), &self.settings.retention));
            match self.jobs.replace(&complete, stored.version).await {
                Ok(version) => {
                    staff_action("approved", id, who);
                    return Ok(StoredJob { job: complete, version, progress: stored.progress });
                }
                // Another request attached a file or decided about the job: read it again.
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("too many requests change the job at the same time; try again"))
    }

    /// Refuses a job whose permission for private topics has ended. The form promises the patient that day, after which no files
    /// may exist.
    pub(crate) fn check_permission(&self, job: &Job) -> Result<()> {
        match job.header().permission_is_over(self.due(), self.clock.now()) {
            true => Err(Error::conflict(PERMISSION_OVER)),
            false => Ok(()),
        }
    }

    /// Returns the time for which the permission for private topics is valid.
    fn due(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * self.settings.pages.due_days)
    }

    /// Returns the time for which the settings and the patient let staff restore a job that they delete now. It ends with the permission
    /// for private topics, after which no files may exist; zero or less if it has ended. Its end is stored with the deletion, because
    /// cleanup does not know the settings; [`Job::undo_until`] is earlier if the job expires before.
    pub(crate) fn undo_time(&self, job: &Job) -> SignedDuration {
        let undo = self.settings.retention.undo;
        let end = job.header().permission_ends(self.due());
        end.map_or(undo, |end| undo.min(end.duration_since(self.clock.now())))
    }

    pub(crate) async fn reject_job(
        &self,
        id: &JobId,
        rejection: Rejection,
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let reason = match rejection.reason.trim() {
            "" => Rejected::NO_REASON.to_owned(),
            reason => reason.to_owned(),
        };
        if reason.len() > 2_000 {
            return Err(Error::invalid("'reason' is longer than 2000 bytes"));
        }
        let stored = self.job(id).await?;
        seen.check(stored.version)?;
        let event = Event::new(Actor::staff(who), Action::Rejected).of(&stored.job);
        stored.job.in_review("reject")?;
        let rejection = Rejection { reason, ..rejection };
        self.audit.around(event, self.reject_recorded(id, rejection, who, seen)).await
    }

    async fn reject_recorded(
        &self,
        id: &JobId,
        Rejection { reason, chosen, typed }: Rejection,
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let now = self.clock.now();
        let second_look = chosen.is_some_and(RejectionReason::has_second_look);
        let rejected = change_stored(&*self.jobs, id, |stored| {
            seen.check(stored.version)?;
            let review = stored.job.in_review("reject")?;
            let rejected = review.reject(&reason, who, now, &self.settings.retention);
            Ok(Job::Rejected(Rejected { chosen, typed: typed.clone(), second_look, ..rejected }))
        })
        .await?;
        staff_action("rejected", id, who);
        // No client can ever download it.
        remove_files(&*self.files, id).await;
        Ok(rejected)
    }

    /// Returns the export if files can be attached to it: it is in review, and it is the export of one patient, whom the files are
    /// about.
    pub(crate) async fn attachable(&self, id: &JobId) -> Result<Job> {
        let job = self.job(id).await?.job;
        job.clone().in_review("attach files to")?;
        match job.header().patient {
            Some(_) => Ok(job),
            None => Err(Error::conflict("files are attached to the export of one patient, not of a group")),
        }
    }

    /// Attaches files to an export in review.
    pub(crate) async fn attach(
        &self,
        id: &JobId,
        files: Vec<Attachment>,
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let event = attaching(&self.attachable(id).await?, files.len(), who);
        self.audit.around(event, self.attach_recorded(id, files, who, None, seen)).await
    }

    /// Attaches the files after the event was recorded. With `once`, the files are refused if another one below this prefix is attached.
    pub(crate) async fn attach_recorded(
        &self,
        id: &JobId,
        files: Vec<Attachment>,
        who: &str,
        once: Option<&str>,
        seen: Seen,
    ) -> Result<StoredJob> {
        let now = self.clock.now();
        let attached = change_stored(&*self.jobs, id, |stored| {
            let review = stored.job.in_review("attach files to")?;
            let known = &review.header.attachments;
            // An earlier attempt of this call attached them, and its response was lost.
            if known.iter().any(|known| files.iter().any(|file| file.key == known.key)) {
                return Ok(Job::InReview(review));
            }
            seen.check(stored.version)?;
            if once.is_some_and(|prefix| known.iter().any(|known| known.key.starts_with(prefix))) {
                return Err(Error::conflict("the upload is attached already"));
            }
            // Several uploads may have begun while there was room for each of them.
            if known.len() + files.len() > MAX_ATTACHED {
                return Err(too_many());
            }
            let files = crate::uploads::with_free_names(files.clone(), known);
            Ok(Job::InReview(review.attach(files, who, now)))
        })
        .await?;
        staff_action("files attached", id, who);
        Ok(attached)
    }

    /// Removes the attachments of these names. Unknown names are ignored.
    pub(crate) async fn detach(
        &self,
        id: &JobId,
        names: &[String],
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let stored = self.job(id).await?;
        seen.check(stored.version)?;
        let event = Event::new(Actor::staff(who), Action::Detached).of(&stored.job);
        stored.job.in_review("remove files from")?;
        let event = event.about(&format!("{} files", names.len()));
        self.audit.around(event, self.detach_recorded(id, names, who, seen)).await
    }

    async fn detach_recorded(
        &self,
        id: &JobId,
        names: &[String],
        who: &str,
        seen: Seen,
    ) -> Result<StoredJob> {
        let now = self.clock.now();
        let mut removed = Vec::new();
        let changed = change_stored(&*self.jobs, id, |stored| {
            seen.check(stored.version)?;
            let review = stored.job.in_review("remove files from")?;
            let is_named = |file: &Attachment| names.iter().any(|name| name == file.name.as_str());
            let (review, gone) = review.detach(is_named, who, now);
            removed = gone;
            Ok(Job::InReview(review))
        })
        .await?;
        staff_action("files removed", id, who);
        for file in removed {
            self.files.remove(&file.key).await?;
        }
        Ok(changed)
    }

    /// Removes the job and its files. Returns the job as it was before.
    pub(crate) async fn delete_job(&self, id: &JobId, who: &str) -> Result<StoredJob> {
        let stored = self.job(id).await?;
        let event = Event::new(Actor::staff(who), Action::Deleted).of(&stored.job);
        self.audit.around(event, Box::pin(self.delete_recorded(id, stored, who))).await
    }

    async fn delete_recorded(&self, id: &JobId, stored: StoredJob, who: &str) -> Result<StoredJob> {
        match cancel(&*self.jobs, &*self.files, id, who, self.clock.now()).await {
            // It was deleted already; or it still exists, and other calls keep changing it.
            Err(error @ Error::Conflict(_)) => Err(self.job(id).await.map_or(NO_JOB, |_| error)),
            done => {
                done?;
                staff_action("deleted", id, who);
                Ok(stored)
            }
        }
    }

    async fn describe_attachments(&self, job: &Job) -> Result<Option<NamedFile>> {
        let header = job.header();
        if header.attachments.is_empty() {
            return Ok(None);
        }
        let document = |file: &Attachment| Document {
            title: file.title.clone(),
            content_type: file.content_type.clone(),
            url: self.settings.url(&header.attachment_path(file.name.as_str())),
            size: file.size,
            hash: file.hash.clone(),
        };
        let documents: Vec<_> = header.attachments.iter().map(document).collect();
        let patient = header.patient.as_ref().map(|patient| patient.id.as_str());
        let date = instant(self.clock.now());
        let description = "Documents that staff added to the export";
        let resource =
            document_reference(&format!("attached-{}", header.id), patient, description, &date, &documents);
        let line = format!("{resource}\n").into_bytes();
        let file = OutputFile {
            purpose: Purpose::Documents,
            resource_type: "DocumentReference".to_owned(),
            key: format!(
                "{}attached-{}/DocumentReference.ndjson",
                job_prefix(&header.id),
                self.random.attempt()
            ),
            place: None,
            count: 1,
            size: line.len() as u64,
            sha256: hex(digest::digest(&digest::SHA256, &line).as_ref()),
        };
        write_all(&*self.files, &file.key, line).await?;
        Ok(Some(NamedFile { name: "DocumentReference.attached.ndjson".to_owned(), file }))
    }
}
