//! The content of the ZIP of a complete copy: the files of the manifest, and the attachments that they refer to.

use std::collections::BTreeSet;

use domain::dated::{DayRange, DaysByType};
use domain::error::Result;
use domain::job::{Job, JobState};
use domain::manifest::NamedFile;
use domain::pack::Location;
use domain::ports::jobs::StoredJob;
use domain::redaction::{Redacted, Redaction};
use domain::states::Complete;
use jiff::Timestamp;
use storage::packs::Attachments;
use web::manifest::stored_page;
use words::Words;

use crate::{My, state_of};

/// The number of chunks whose results are read at once.
const CHUNKS: u32 = 100;

/// See the [module](self).
pub(crate) struct Plan {
    pub(super) job: Job,
    pub(super) transaction_time: Timestamp,
    pub(crate) files: Vec<NamedFile>,
    pub(crate) attachments: Vec<PlannedAttachment>,
    /// The days of the resources, as the workers noted them.
    pub(crate) days: DaysByType,
}

/// An attachment, of the record or of staff.
pub(crate) struct PlannedAttachment {
    /// The name in the URLs of the resources that refer to it.
    pub(crate) name: String,
    pub(super) location: Location,
    pub(crate) size: u64,
}

impl Plan {
    /// The bytes of all files, uncompressed.
    pub(crate) fn bytes(&self) -> u64 {
        let files: u64 = self.files.iter().map(|named| named.file.size).sum();
        files + self.attachments.iter().map(|attachment| attachment.size).sum::<u64>()
    }

    /// The days of the resources of a type; `None` if they are not known. Where staff left out a resource of the type, nobody knows
    /// whether it was the first or the last.
    pub(crate) fn days_of(&self, kind: &str) -> Option<&DayRange> {
        let redactions = self.job.summary().map(|summary| &summary.redactions[..]).unwrap_or_default();
        let is_of_kind = |redaction: &Redaction| matches!(&redaction.what, Redacted::Resource { resource_type, .. } if resource_type == kind);
        if redactions.iter().any(is_of_kind) { None } else { self.days.get(kind) }
    }

    /// The file name under which a browser saves the ZIP. A header contains it, so other characters than these are replaced.
    pub(super) fn file_name(&self, words: &Words) -> String {
        let asked = self.job.header().created_at.to_zoned(words.zone.clone()).date();
        let name = words.text("zip-file-name", &[("date", &asked.to_string())]);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        name.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect::<String>() + ".zip"
    }

    /// Whether records about alcohol or drugs may be in it, which carry a notice (42 CFR 2.32).
    pub(super) fn needs_notice(&self) -> bool {
        self.job.header().request.needs_part_2_notice()
    }
}

impl My {
    /// Returns the content of the ZIP; `None` if the copy is not ready yet or is gone.
    pub(crate) async fn plan(&self, stored: &StoredJob) -> Result<Option<Plan>> {
        let Job::Complete(complete) = &stored.job else { return Ok(None) };
        if state_of(&stored.job, self.clock.now()) != JobState::Complete {
            return Ok(None);
        }
        let mut files = Vec::new();
        for page in 0..complete.summary.pages {
            let page = stored_page(&stored.job, page, &*self.files).await?;
            files.extend(page.into_iter().flat_map(|page| page.files));
        }
        files.extend(complete.attached.clone());
        let (attachments, days) = self.written(stored, complete).await?;
        Ok(Some(Plan {
            transaction_time: complete.summary.transaction_time,
            attachments,
            days,
            files,
            job: stored.job.clone(),
        }))
    }

    /// What the results of the chunks tell: the attachments, and the days of the resources.
    async fn written(
        &self,
        stored: &StoredJob,
        complete: &Complete,
    ) -> Result<(Vec<PlannedAttachment>, DaysByType)> {
        let of_staff = complete.header.attachments.iter().map(|attachment| PlannedAttachment {
            name: attachment.name.to_string(),
            location: Location::object(attachment.key.clone()),
            size: attachment.size,
        });
        let mut planned: Vec<_> = of_staff.collect();
        let mut days = DaysByType::default();
        let mut names: BTreeSet<_> = planned.iter().map(|attachment| attachment.name.clone()).collect();
        let (id, end) = (stored.job.id(), stored.progress.plan_end);
        let written = Attachments::new(self.files.clone());
        for from in (0..end).step_by(CHUNKS as usize) {
            for done in self.jobs.results(id, from..end.min(from + CHUNKS)).await? {
                days.merge(&done.result.days);
                let found = written.list(id, done.chunk, &done.result).await?;
                planned.extend(found.into_iter().filter_map(|(attachment, location, size)| {
                    let name = attachment.url_name();
                    let is_new = !complete.summary.has_left_out(&name) && names.insert(name.clone());
                    is_new.then_some(PlannedAttachment { name, location, size })
                }));
            }
        }
        Ok((planned, days))
    }
}
