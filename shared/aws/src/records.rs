//! Records in a bucket, or in a prefix of one, that has the lake layout.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use domain::error::{Damage, Error, Result};
use domain::ids::PatientId;
use domain::lines::Lines;
use domain::ports::files::ByteStream;
use domain::ports::records::{
    Area, BlockReader, CohortPage, Entries, Entry, Member, Part, Parts, Records, Supporting, first_bytes,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use storage::compressed::decompressed;
use storage::layout::{DOCUMENTS, Directory, INDEX, area_prefix, is_gzip, patient_prefix};
use storage::shared_index::{SharedIndex, TOO_LONG, Taken, Unusable};
use tokio::sync::Mutex;

use crate::blocks::Blocks;
use crate::lake::{check_lake, is_part, part};
use crate::listing::{AwsEntries, SequentialParts};
use crate::objects::{Bucket, Listed};

/// The number of lines of `shared/` that are fetched concurrently.
const AT_ONCE: usize = 8;

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
    /// The index of the lines of `shared/`. It is built when it is first needed, and again when the objects have changed.
    shared: Mutex<Option<Arc<SharedObjects>>>,
}

/// The objects of `shared/`, and the index of their lines.
struct SharedObjects {
    /// The key and the ETag of each object that was read.
    objects: Vec<(String, String)>,
    /// For each object, whether its bytes are compressed, by its name or a header of its response.
    compressed: Vec<bool>,
    index: SharedIndex,
    damaged: Vec<Damage>,
}

impl AwsRecords {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, shared: Mutex::default() }
    }

    async fn check(&self) -> Result<()> {
        check_lake(&self.bucket).await
    }

    /// Returns whether there is an object. It is listed: a role that may list the lake alone, and not the whole bucket, gets 403 for a read
    /// of an object that does not exist.
    async fn has(&self, key: &str) -> Result<bool> {
        Ok(self.bucket.walk(key, None).next().await?.is_some_and(|listed| listed.key == key))
    }

    /// Returns the index of the current objects of `shared/`.
    async fn shared(&self) -> Result<Arc<SharedObjects>> {
        let prefix = area_prefix(Area::Shared);
        let mut walk = self.bucket.walk(&prefix, None);
        let mut objects = Vec::new();
        while let Some(Listed { key, etag, size, .. }) = walk.next().await? {
            let name = key.strip_prefix(&prefix).unwrap_or(&key);
            if Directory::Area(Area::Shared).lists(name, size == 0) {
                objects.push((key, etag));
            }
        }
        if objects.is_empty() {
            self.check().await?;
        }
        let mut known = self.shared.lock().await;
        if let Some(index) = known.as_ref().filter(|index| index.objects == objects) {
            return Ok(index.clone());
        }
        let index = Arc::new(self.index(objects).await?);
        *known = Some(index.clone());
        Ok(index)
    }

    /// Reads all objects once, each up to its end or its first damage.
    async fn index(&self, objects: Vec<(String, String)>) -> Result<SharedObjects> {
        let (mut index, mut damaged) = (SharedIndex::default(), Vec::new());
        let prefix = area_prefix(Area::Shared);
        let mut compressed = vec![false; objects.len()];
        for (number, (key, _)) in objects.iter().enumerate() {
            let mut unusable = Unusable::default();
            let name = key.strip_prefix(&prefix).unwrap_or(key);
            let read = match Directory::Area(Area::Shared).check(name, key) {
                Ok(()) => {
                    let (reader, is_compressed) = self.opened(key, is_gzip(key)).await?;
                    compressed[number] = is_compressed;
                    index_lines(number, reader, &mut index, &mut unusable).await
                }
                Err(error) => Err(error),
            };
            damaged.extend(unusable.damage(key));
            match read {
                Err(Error::Damaged(damage)) => damaged.push(damage),
                read => read?,
            }
        }
        Ok(SharedObjects { objects, compressed, index: index.sorted(), damaged })
    }

    async fn reader(&self, key: &str, compressed: bool) -> Result<Box<dyn BlockReader>> {
        self.opened(key, compressed).await.map(|(reader, _)| reader)
    }

    /// Returns a reader of the uncompressed bytes, and whether the object is compressed.
    async fn opened(&self, key: &str, compressed: bool) -> Result<(Box<dyn BlockReader>, bool)> {
        let object = self.bucket.open(key, None).await?;
        let compressed = compressed || object.encoding() == Some("gzip");
        let stream = object.ahead();
        let stream: ByteStream = if compressed { decompressed(key, stream, None) } else { stream };
        Ok((Box::new(Blocks::of(stream)), compressed))
    }

    /// Reads the lines at these places (offset and length) of one object, in ascending order.
    async fn lines_of(&self, key: &str, places: &[(u64, u32)]) -> Result<Vec<Vec<u8>>> {
        let one = |(offset, length): (u64, u32)| async move {
            let mut object = self.bucket.open(key, Some(offset..offset + u64::from(length))).await?;
            let mut line = Vec::with_capacity(length as usize);
            while let Some(bytes) = object.next().await? {
                line.extend_from_slice(&bytes);
            }
            Ok(line)
        };
        stream::iter(places.iter().copied()).map(one).buffered(AT_ONCE).try_collect().await
    }

    /// Reads the lines at these places of a compressed object.
    async fn lines_in_sequence(&self, key: &str, places: &[(u64, u32)]) -> Result<Vec<Vec<u8>>> {
        let mut reader = self.reader(key, true).await?;
        let (mut buffer, mut at, mut found) = (Vec::new(), 0_u64, Vec::new());
        for (offset, length) in places {
            let end = offset + u64::from(*length);
            loop {
                // The bytes before the line are dropped.
                let skip = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
                buffer.drain(..skip);
                at += skip as u64;
                if at + buffer.len() as u64 >= end {
                    break;
                }
                let before = buffer.len();
                buffer = reader.read(buffer).await?;
                if buffer.len() == before {
                    return Err(Error::unavailable("shared records changed while they were read"));
                }
            }
            found.push(buffer[..*length as usize].to_vec());
        }
        Ok(found)
    }
}

/// Adds the lines of an object to the index.
async fn index_lines(
    number: usize,
    reader: Box<dyn BlockReader>,
    index: &mut SharedIndex,
    unusable: &mut Unusable,
) -> Result<()> {
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next().await? {
        let added = match line.text {
            Some(text) => index.add(number, line.offset, text.len(), text),
            None => Err(TOO_LONG.to_owned()),
        };
        if let Err(problem) = added {
            unusable.add(line.number, problem);
        }
    }
    Ok(())
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
        let shared = self.shared().await?;
        let mut found = Taken::new(&shared.index);
        for group in shared.index.find(references).chunk_by(|(one, _), (other, _)| one.file == other.file) {
            let file = group[0].0.file as usize;
            let (key, _) = &shared.objects[file];
            let places: Vec<_> = group.iter().map(|(entry, _)| (entry.offset, entry.length)).collect();
            // The offsets are those of the stored bytes.
            let lines = match shared.compressed[file] {
                true => self.lines_in_sequence(key, &places).await?,
                false => self.lines_of(key, &places).await?,
            };
            for (line, (_, reference)) in lines.into_iter().zip(group) {
                found.add_line(reference, line);
            }
        }
        Ok(found.supporting(shared.damaged.clone()))
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        Ok(self.shared().await?.index.about(targets))
    }
}
