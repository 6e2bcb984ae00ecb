//! Lists the patients of a lake in a bucket. One request lists many patients, because a LIST request for each of them would
//! be the largest cost of an export.

use async_trait::async_trait;
use domain::error::Result;
use domain::ids::PatientId;
use domain::ports::records::{Entries, Entry, Member, Parts};
use storage::layout::{PATIENTS, patient_prefix};

use crate::lake::{check_lake, is_part, part, split, stray};
use crate::objects::{Bucket, Listed, Walk};
use crate::ranges::Ranges;

/// All entries below `Patient/`.
pub(super) struct AwsEntries {
    bucket: Bucket,
    walk: Ranges,
    is_empty: bool,
}

impl AwsEntries {
    pub(super) fn new(bucket: &Bucket, after: Option<&str>) -> Self {
        // This is after every key of that patient and before the keys of the next one.
        let after = after.map(|patient| format!("{}\u{10ffff}", patient_prefix(patient)));
        Self {
            bucket: bucket.clone(),
            walk: Ranges::new(bucket, &format!("{PATIENTS}/"), after.as_deref()),
            is_empty: true,
        }
    }

    /// Reads the other objects of the patient to whom the object `first` belongs.
    async fn member(&mut self, patient: PatientId, first: Listed) -> Result<Member> {
        let prefix = patient_prefix(&patient);
        let mut bytes = if is_part(&first) { first.size } else { 0 };
        while let Some(next) = self.walk.peek().await?
            && next.key.starts_with(&prefix)
        {
            bytes += if is_part(next) { next.size } else { 0 };
            self.walk.next().await?;
        }
        Ok(Member { patient, bytes })
    }
}

#[async_trait]
impl Entries for AwsEntries {
    async fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(first) = self.walk.next().await? {
            self.is_empty = false;
            if let Some((patient, _)) = split(&first.key) {
                return self.member(patient, first).await.map(|member| Some(Entry::Patient(member)));
            }
            let Some(name) = stray(&first.key, first.size).map(str::to_owned) else { continue };
            // All keys of a directory are adjacent.
            while let Some(next) = self.walk.peek().await?
                && stray(&next.key, next.size) == Some(&name)
            {
                self.walk.next().await?;
            }
            return Ok(Some(Entry::Stray(name)));
        }
        if self.is_empty {
            check_lake(&self.bucket).await?;
        }
        Ok(None)
    }
}

/// Lists the files of patients in the order of their prefixes. A listed page is used for all patients in it.
pub(super) struct SequentialParts {
    bucket: Bucket,
    walk: Option<Walk>,
    /// The prefix of the last patient.
    last: String,
    /// The number of patients who were not on a page that was listed before.
    pub(super) lists: usize,
}

impl SequentialParts {
    pub(super) fn new(bucket: &Bucket) -> Self {
        Self { bucket: bucket.clone(), walk: None, last: String::new(), lists: 0 }
    }

    /// Returns whether the listed page has the next patient's files, or shows that there are none.
    pub(super) fn reaches(&mut self, patient: &PatientId) -> bool {
        let prefix = patient_prefix(patient);
        self.last < prefix && self.walk.as_mut().is_some_and(|walk| walk.skip_to(&prefix))
    }

    pub(super) async fn parts(&mut self, patient: &PatientId) -> Result<Parts> {
        let prefix = patient_prefix(patient);
        if !self.reaches(patient) {
            // This is before every key of this patient, and after the keys of all patients before.
            let before = format!("{}.\u{10ffff}", prefix.trim_end_matches('/'));
            self.walk = Some(self.bucket.walk(&format!("{PATIENTS}/"), Some(&before)));
            self.lists += 1;
        }
        let mut parts = Parts::default();
        if let Some(walk) = &mut self.walk {
            while let Some(next) = walk.peek().await?
                && next.key.starts_with(&prefix)
            {
                if let Some(listed) = walk.next().await? {
                    part(listed, &mut parts);
                }
            }
        }
        self.last = prefix;
        Ok(parts)
    }
}
