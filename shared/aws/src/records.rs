//! Records in a bucket, or in a prefix of one, that has the lake layout.

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::records::{
    Area, BlockReader, CohortPage, Entries, Entry, Member, Part, Parts, Records, Supporting, first_bytes,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use storage::layout::{DOCUMENTS, Directory, INDEX, area_prefix, is_gzip, patient_prefix};

use crate::lake::{check_lake, is_part, part};
use crate::listing::{AwsEntries, SequentialParts};
use crate::objects::{Bucket, Listed};
use crate::shared_objects::{SharedLines, opened};

/// The number of listed files after which a call stops, at the end of a patient.
const MAX_PARTS: usize = 20_000;
/// The number of patients after which it is known whether their prefixes are close to each other in the lake.
const SPARSE: usize = 8;
/// The maximum number of patients whose prefixes one call lists separately, because they are not close to each other.
const MAX_APART: usize = 256;
/// The number of these prefixes that are listed concurrently.
const APART_AT_ONCE: usize = 16;

/// The records of a bucket.
pub(super) struct AwsRecords {
    bucket: Bucket,
    shared: SharedLines,
}

impl AwsRecords {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { shared: SharedLines::new(bucket.clone()), bucket }
    }

    async fn check(&self) -> Result<()> {
        check_lake(&self.bucket).await
    }

    /// Returns whether there is an object. It is listed: a role that may list the lake alone, and not the whole bucket, gets 403 for a read
    /// of an object that does not exist.
    async fn has(&self, key: &str) -> Result<bool> {
        Ok(self.bucket.walk(key, None).next().await?.is_some_and(|listed| listed.key == key))
    }

    async fn reader(&self, key: &str, compressed: bool) -> Result<Box<dyn BlockReader>> {
        opened(&self.bucket, key, compressed).await.map(|(reader, _)| reader)
    }
}

#[async_trait]
impl Records for AwsRecords {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        let mut walk = self.bucket.walk(&patient_prefix(patient), None);
        let mut member = None;
        while let Some(listed) = walk.next().await? {
            let known = member.get_or_insert(Member { patient: patient.clone(), bytes: 0 });
            known.bytes += if is_part(&listed) { listed.size } else { 0 };
        }
        if member.is_none() {
            self.check().await?;
        }
        Ok(member)
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        let mut entries = AwsEntries::new(&self.bucket, after);
        let mut members: Vec<Member> = Vec::new();
        while let Some(entry) = entries.next().await? {
            let Entry::Patient(member) = entry else { continue };
            if members.len() == count {
                let next = members.last().map(|last| last.patient.to_string());
                return Ok(CohortPage { members, next });
            }
            members.push(member);
        }
        Ok(CohortPage { members, next: None })
    }

    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries> {
        Box::new(AwsEntries::new(&self.bucket, after.map(PatientId::as_str)))
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        let mut walk = self.bucket.walk(&patient_prefix(patient), None);
        let mut parts = Parts::default();
        while let Some(listed) = walk.next().await? {
            part(listed, &mut parts);
        }
        if parts == Parts::default() {
            self.check().await?;
        }
        Ok(parts)
    }

    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>> {
        if let [patient] = patients {
            return Ok(vec![self.parts(patient).await?]);
        }
        let mut sequence = SequentialParts::new(&self.bucket);
        let (mut all, mut files) = (Vec::new(), 0);
        for (index, patient) in patients.iter().enumerate() {
            if files > MAX_PARTS {
                break;
            }
            // These patients are far from each other in a large lake, so their prefixes are listed separately and
            // concurrently.
            if index >= SPARSE && sequence.lists * 2 > index && !sequence.reaches(patient) {
                let apart: Vec<_> = patients[index..].iter().take(MAX_APART).cloned().collect();
                let parts = stream::iter(apart).map(|patient| async move { self.parts(&patient).await });
                all.extend(parts.buffered(APART_AT_ONCE).try_collect::<Vec<_>>().await?);
                break;
            }
            let parts = sequence.parts(patient).await?;
            if parts == Parts::default() {
                self.check().await?;
            }
            files += parts.records.len() + parts.documents.len();
            all.push(parts);
        }
        Ok(all)
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let key = format!("{}{}", patient_prefix(patient), part.name);
        Directory::Record.check(&part.name, &key)?;
        self.reader(&key, is_gzip(&part.name)).await
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        let key = format!("{}{DOCUMENTS}/{}", patient_prefix(patient), part.name);
        Directory::Documents.check(&part.name, &key)?;
        self.reader(&key, false).await
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        let prefix = area_prefix(area);
        let mut walk = self.bucket.walk(&prefix, None);
        let mut parts = Vec::new();
        while let Some(Listed { key, size: bytes, changed, .. }) = walk.next().await? {
            let name = key.strip_prefix(&prefix).filter(|name| Directory::Area(area).lists(name, bytes == 0));
            parts.extend(name.map(|name| Part { name: name.to_owned(), bytes, changed }));
        }
        if parts.is_empty() {
            self.check().await?;
        }
        Ok(parts)
    }

    async fn area_from(&self, area: Area, first: &str, count: usize) -> Result<Vec<Part>> {
        let prefix = area_prefix(area);
        // S3 lists what is after a key. The key without its last letter is before the first one, and what is between them is skipped.
        let before = first.char_indices().next_back().map(|(at, _)| format!("{prefix}{}", &first[..at]));
        let mut walk = self.bucket.walk(&prefix, before.as_deref()).in_pages_of(count.clamp(1, 1_000));
        let mut parts = Vec::new();
        while parts.len() < count
            && let Some(Listed { key, size: bytes, changed, .. }) = walk.next().await?
        {
            let name = key.strip_prefix(&prefix).filter(|name| Directory::Area(area).lists(name, bytes == 0));
            let name = name.filter(|name| Directory::Area(area).has(name) && *name >= first);
            parts.extend(name.map(|name| Part { name: name.to_owned(), bytes, changed }));
        }
        if parts.is_empty() {
            self.check().await?;
        }
        Ok(parts)
    }

    async fn area_head(&self, area: Area, name: &str, bytes: usize) -> Result<Vec<u8>> {
        let key = format!("{}{name}", area_prefix(area));
        Directory::Area(area).check(name, &key)?;
        let mut object = self.bucket.open(&key, Some(0..bytes as u64)).await?;
        if is_gzip(name) || object.encoding() == Some("gzip") {
            return first_bytes(self.reader(&key, true).await?, bytes).await;
        }
        let mut head = Vec::new();
        while let Some(piece) = object.next().await? {
            head.extend_from_slice(&piece);
        }
        // S3 has no range without bytes.
        head.truncate(bytes);
        Ok(head)
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        let key = format!("{}{name}", area_prefix(area));
        Directory::Area(area).check(name, &key)?;
        // Clients name groups. The objects of the other areas were listed before.
        if area == Area::Groups && !self.has(&key).await? {
            self.check().await?;
            return Err(Error::NotFound("there is no such file in the lake"));
        }
        let opened = self.reader(&key, is_gzip(name)).await;
        if matches!(opened, Err(Error::NotFound(_))) {
            self.check().await?;
        }
        opened
    }

    async fn index(&self, file: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        let key = format!("{INDEX}/{file}");
        // The files that are read by ranges are those of an index that is complete.
        if range.is_none() && !self.has(&key).await? {
            return Ok(None);
        }
        let mut object = match self.bucket.open(&key, range).await {
            Ok(object) => object,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        while let Some(piece) = object.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes))
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        self.shared.supporting(references).await
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<(String, String)>> {
        self.shared.provenance(targets).await
    }
}
