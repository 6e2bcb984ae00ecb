//! The content of the ZIP of a complete copy: the files of the manifest, and the attachments that they refer to.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::dated::{DayRange, DaysByType};
use domain::error::Result;
use domain::job::Job;
use domain::manifest::NamedFile;
use domain::pack::Location;
use domain::ports::files::Files;
use domain::ports::jobs::{Jobs, StoredJob};
use domain::ports::queue::TaskGroup;
use domain::redaction::{Redacted, Redaction};
use domain::request::SizeClass;
use domain::states::Complete;
use jiff::Timestamp;
use storage::packs::Attachments;
use web::manifest::stored_page;
use words::Words;

/// The number of chunks whose results are read at once.
const CHUNKS: u32 = 100;
/// With more bytes or attachments, the tasks for the ZIP go to the workers for large exports, which have more time.
const MAX_SMALL: u64 = 1024 * 1024 * 1024;
const MAX_SMALL_ATTACHMENTS: usize = 2_000;

/// See the [module](self).
pub struct Plan {
    pub(crate) job: Job,
    pub(crate) transaction_time: Timestamp,
    pub files: Vec<NamedFile>,
    pub attachments: Vec<PlannedAttachment>,
    /// The days of the resources, as the workers noted them.
    pub days: DaysByType,
}

/// An attachment, of the record or of staff.
pub struct PlannedAttachment {
    /// The name in the URLs of the resources that refer to it.
    pub name: String,
    pub(crate) location: Location,
    pub size: u64,
}

impl Plan {
    /// Returns the number of bytes of all files, uncompressed.
    pub fn bytes(&self) -> u64 {
        let files: u64 = self.files.iter().map(|named| named.file.size).sum();
        files + self.attachments.iter().map(|attachment| attachment.size).sum::<u64>()
    }

    /// Returns the days of the resources of a type; `None` if they are not known. They are not known if staff left out a resource of the
    /// type, because it may have been the first or the last.
    pub fn days_of(&self, kind: &str) -> Option<&DayRange> {
        let redactions = self.job.summary().map(|summary| &summary.redactions[..]).unwrap_or_default();
        let is_of_kind = |redaction: &Redaction| matches!(&redaction.what, Redacted::Resource { resource_type, .. } if resource_type == kind);
        if redactions.iter().any(is_of_kind) { None } else { self.days.get(kind) }
    }

    /// Returns the file name under which a browser saves the ZIP. A header contains it, so other characters than these are replaced.
    pub fn file_name(&self, words: &Words) -> String {
        let asked = self.job.header().created_at.to_zoned(words.zone.clone()).date();
        let name = words.text("zip-file-name", &[("date", &asked.to_string())]);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        name.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect::<String>() + ".zip"
    }

    /// Returns the group of the tasks that make the ZIP.
    pub fn group(&self) -> TaskGroup {
        let is_small = self.bytes() <= MAX_SMALL && self.attachments.len() <= MAX_SMALL_ATTACHMENTS;
        let size = if is_small { SizeClass::Small } else { SizeClass::Large };
        TaskGroup { size, ..TaskGroup::of(self.job.header()) }
    }

    /// Returns a digest of the names and hashes of the files, and of the names and sizes of the attachments, in their order. If staff
    /// change a copy, the digest changes.
    pub fn fingerprint(&self) -> String {
        let files = self.files.iter().map(|named| format!("{} {}", named.name, named.file.sha256));
        let attachments =
            self.attachments.iter().map(|attachment| format!("{} {}", attachment.name, attachment.size));
        let lines: Vec<_> = files.chain(attachments).collect();
        crypto::digest_of_lines(lines.iter().map(String::as_str))
    }

    /// Returns whether the ZIP may contain records about alcohol or drugs, which carry a notice (42 CFR 2.32).
    pub(crate) fn needs_notice(&self) -> bool {
        self.job.header().request.needs_part_2_notice()
    }
}

impl Plan {
    /// Returns the content of the ZIP; `None` if the copy is not ready yet or is gone.
    pub async fn of(
        stored: &StoredJob,
        jobs: &dyn Jobs,
        files: &Arc<dyn Files>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let Job::Complete(complete) = &stored.job else { return Ok(None) };
        if stored.job.has_expired(now) {
            return Ok(None);
        }
        let mut listed = Vec::new();
        for page in 0..complete.summary.pages {
            let page = stored_page(&stored.job, page, &**files).await?;
            listed.extend(page.into_iter().flat_map(|page| page.files));
        }
        listed.extend(complete.attached.clone());
        let (attachments, days) = written(stored, complete, jobs, files).await?;
        Ok(Some(Self {
            transaction_time: complete.summary.transaction_time,
            attachments,
            days,
            files: listed,
            job: stored.job.clone(),
        }))
    }
}

/// Returns the attachments and the days of the resources, which it reads from the results of the chunks.
async fn written(
    stored: &StoredJob,
    complete: &Complete,
    jobs: &dyn Jobs,
    files: &Arc<dyn Files>,
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
    let attachments = Attachments::new(files.clone());
    for from in (0..end).step_by(CHUNKS as usize) {
        for done in jobs.results(id, from..end.min(from + CHUNKS)).await? {
            days.merge(&done.result.days);
            let found = attachments.list(id, done.chunk, &done.result).await?;
            planned.extend(found.into_iter().filter_map(|(attachment, location, size)| {
                let name = attachment.url_name();
                let is_new = !complete.summary.has_left_out(&name) && names.insert(name.clone());
                is_new.then_some(PlannedAttachment { name, location, size })
            }));
        }
    }
    Ok((planned, days))
}
