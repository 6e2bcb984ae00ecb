//! Finds lines of `shared/` in a bucket.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use domain::error::{Damage, Error, Result};
use domain::lines::Lines;
use domain::ports::files::ByteStream;
use domain::ports::records::{Area, BlockReader, Supporting};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use storage::compressed::decompressed;
use storage::layout::{Directory, area_prefix, is_gzip};
use storage::shared_index::{SharedIndex, TOO_LONG, Taken, Unusable};
use tokio::sync::Mutex;

use crate::blocks::Blocks;
use crate::lake::check_lake;
use crate::objects::{Bucket, Listed};

/// The number of lines that are fetched concurrently.
const AT_ONCE: usize = 8;

/// `shared/` in the bucket of the records.
pub(super) struct SharedLines {
    bucket: Bucket,
    /// The index of the lines. It is built when it is first needed, and again when a listing shows that the objects have changed.
    known: Mutex<Option<Arc<SharedObjects>>>,
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

impl SharedLines {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, known: Mutex::default() }
    }

    /// Returns the result of [`Records::supporting`](domain::ports::records::Records::supporting).
    pub(super) async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        for is_listed in [references.is_empty(), true] {
            let shared = self.objects(is_listed).await?;
            if let Some(found) = self.found(&shared, references).await? {
                return Ok(found);
            }
        }
        Err(Error::unavailable("shared records changed while they were read"))
    }

    /// Returns the result of [`Records::provenance`](domain::ports::records::Records::provenance).
    pub(super) async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<(String, String)>> {
        Ok(self.objects(false).await?.index.about(targets))
    }

    /// Returns the index of the objects of `shared/`. They are listed if `is_listed` or if they never were.
    async fn objects(&self, is_listed: bool) -> Result<Arc<SharedObjects>> {
        if !is_listed && let Some(known) = &*self.known.lock().await {
            return Ok(known.clone());
        }
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
            check_lake(&self.bucket).await?;
        }
        let mut known = self.known.lock().await;
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
                    let (reader, is_compressed) = opened(&self.bucket, key, is_gzip(key)).await?;
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

    /// Returns the lines of these references; `None` if an object has changed since it was indexed.
    async fn found(
        &self,
        shared: &SharedObjects,
        references: &BTreeSet<String>,
    ) -> Result<Option<Supporting>> {
        let mut found = Taken::new(&shared.index);
        for group in shared.index.find(references).chunk_by(|(one, _), (other, _)| one.file == other.file) {
            let file = group[0].0.file as usize;
            let places: Vec<_> = group.iter().map(|(entry, _)| (entry.offset, entry.length)).collect();
            // The offsets are those of the stored bytes.
            let lines = match shared.compressed[file] {
                true => self.lines_in_sequence(&shared.objects[file], &places).await,
                false => self.lines_of(&shared.objects[file], &places).await,
            };
            let lines = match lines {
                Ok(Some(lines)) => lines,
                Ok(None) | Err(Error::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            for (line, (_, reference)) in lines.into_iter().zip(group) {
                found.add_line(reference, line);
            }
        }
        Ok(Some(found.supporting(shared.damaged.clone())))
    }

    /// Reads the lines at these places (offset and length) of one object, in ascending order. Returns `None` if the object has changed.
    async fn lines_of(
        &self,
        (key, etag): &(String, String),
        places: &[(u64, u32)],
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let one = |(offset, length): (u64, u32)| self.line(key, etag, offset..offset + u64::from(length));
        let lines: Vec<Option<Vec<u8>>> =
            stream::iter(places.iter().copied()).map(one).buffered(AT_ONCE).try_collect().await?;
        Ok(lines.into_iter().collect())
    }

    /// Reads the line in a range of an object. Returns `None` if the object has changed.
    async fn line(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or_default());
        let mut object = self.bucket.open(key, Some(range)).await?;
        if object.etag().is_some_and(|current| current != etag) {
            return Ok(None);
        }
        while let Some(bytes) = object.next().await? {
            line.extend_from_slice(&bytes);
        }
        Ok(Some(line))
    }

    /// Reads the lines at these places of a compressed object. Returns `None` if the object has changed.
    async fn lines_in_sequence(
        &self,
        (key, etag): &(String, String),
        places: &[(u64, u32)],
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let object = self.bucket.open(key, None).await?;
        if object.etag().is_some_and(|current| current != etag) {
            return Ok(None);
        }
        let mut reader = Blocks::of(decompressed(key, object.ahead(), None));
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
                    return Ok(None);
                }
            }
            found.push(buffer[..*length as usize].to_vec());
        }
        Ok(Some(found))
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

/// Returns a reader of the uncompressed bytes, and whether the object is compressed.
pub(super) async fn opened(
    bucket: &Bucket,
    key: &str,
    compressed: bool,
) -> Result<(Box<dyn BlockReader>, bool)> {
    let object = bucket.open(key, None).await?;
    let compressed = compressed || object.encoding() == Some("gzip");
    let stream = object.ahead();
    let stream: ByteStream = if compressed { decompressed(key, stream, None) } else { stream };
    Ok((Box::new(Blocks::of(stream)), compressed))
}
