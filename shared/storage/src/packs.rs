//! Reads the files of recorded attempts, each of which is an object or part of a [pack](domain::pack).

use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest;
use domain::chunk::{ChunkResult, RecordAttachment, attempt_prefix};
use domain::clock::hex;
use domain::error::{Error, Result};
use domain::ids::{Attempt, ChunkId, FileName, JobId};
use domain::pack::{Index, IndexPlace, Location, MAX_INDEX, PackRange, pack_key};
use domain::ports::files::{ByteStream, Files};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bounded::Bounded;
use crate::compressed::decompressed;

/// The maximum number of bytes of indexes that are kept in memory.
const MAX_CACHED: u64 = 4 * 1024 * 1024;

/// Streams the bytes of a range of a file, or all of them.
pub async fn open(files: &dyn Files, location: &Location, range: Option<Range<u64>>) -> Result<ByteStream> {
    let Location { key, place } = location;
    match place {
        None => files.open(key, range).await,
        Some(place) if place.gzip => {
            let stored = open_place(files, key, place, 0..place.length).await?;
            Ok(decompressed(key, stored, range))
        }
        Some(place) => open_place(files, key, place, range.unwrap_or(0..place.length)).await,
    }
}

/// Reads a whole file. Returns an error if it has more than `limit` bytes.
pub async fn read(files: &dyn Files, location: &Location, limit: usize) -> Result<Vec<u8>> {
    let mut stream = open(files, location, None).await?;
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        if all.len() + bytes.len() > limit {
            return Err(Error::internal(format!("a stored file has more than {limit} bytes")));
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// Streams the stored bytes of a range of a place. A pack that ends too early is an error, so that a part is never
/// taken for the whole.
async fn open_place(
    files: &dyn Files,
    key: &str,
    place: &PackRange,
    range: Range<u64>,
) -> Result<ByteStream> {
    let absolute = |at: u64| place.offset.checked_add(at).filter(|_| at <= place.length);
    let (Some(start), Some(end)) = (absolute(range.start), absolute(range.end)) else {
        return Err(Error::internal(format!("{key}: a range is outside a file of the pack")));
    };
    if start >= end {
        return Ok(Box::pin(stream::empty()));
    }
    let bytes = files.open(key, Some(start..end)).await?;
    let key = key.to_owned();
    Ok(Box::pin(stream::try_unfold((bytes, end - start), move |(mut bytes, left)| {
        let key = key.clone();
        async move {
            match bytes.try_next().await? {
                Some(piece) if piece.len() as u64 <= left => {
                    let left = left - piece.len() as u64;
                    Ok(Some((piece, (bytes, left))))
                }
                None if left == 0 => Ok(None),
                Some(_) => Err(Error::internal(format!("{key}: the store sent more bytes than requested"))),
                None => Err(Error::internal(format!("{key}: the pack ends {left} bytes too early"))),
            }
        }
    })))
}

/// Finds attachments of recorded attempts by their names. It keeps at most [`MAX_CACHED`] bytes of indexes, because the
/// index of an attempt never changes.
pub struct Attachments {
    files: Arc<dyn Files>,
    indexes: Bounded<(JobId, ChunkId, Attempt), Arc<Index>>,
}

impl Attachments {
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, indexes: Bounded::new(MAX_CACHED) }
    }

    /// Returns the location of an attachment and its size in bytes; `None` if the attempt wrote no such attachment.
    /// `result` is the recorded result of its chunk, and the caller has checked that it is of the same attempt.
    pub async fn find(
        &self,
        job: &JobId,
        attachment: &RecordAttachment,
        result: &ChunkResult,
    ) -> Result<Option<(Location, u64)>> {
        if let Some(place) = &result.attachments {
            let index = self.index(job, (attachment.chunk, &attachment.attempt), place).await?;
            if let Some(place) = index.find(&attachment.name) {
                let key = pack_key(job, attachment.chunk, &attachment.attempt);
                return Ok(Some((Location { key, place: Some(place) }, place.length)));
            }
        }
        let key = attachment.key(job);
        let size = self.files.size(&key).await?;
        Ok(size.map(|size| (Location::object(key), size)))
    }

    /// Returns all attachments that the recorded attempt of a chunk wrote, with their locations and sizes in bytes, in
    /// the order of their names.
    pub async fn list(
        &self,
        job: &JobId,
        chunk: ChunkId,
        result: &ChunkResult,
    ) -> Result<Vec<(RecordAttachment, Location, u64)>> {
        let named =
            |name: &FileName| RecordAttachment { chunk, attempt: result.attempt.clone(), name: name.clone() };
        let mut found = Vec::new();
        if let Some(place) = &result.attachments {
            let index = read_index(&*self.files, pack_key(job, chunk, &result.attempt), place).await?;
            let key = pack_key(job, chunk, &result.attempt);
            found.extend(index.places().map(|(name, place)| {
                (named(name), Location { key: key.clone(), place: Some(place) }, place.length)
            }));
        }
        // Attachments that are too large for a pack.
        let prefix = format!("{}attachments/", attempt_prefix(job, chunk, &result.attempt));
        for name in self.files.list(&prefix).await? {
            let Ok(name) = FileName::parse(&name) else { continue };
            let attachment = named(&name);
            let key = attachment.key(job);
            if let Some(size) = self.files.size(&key).await? {
                found.push((attachment, Location::object(key), size));
            }
        }
        found.sort_by(|(one, ..), (other, ..)| one.name.cmp(&other.name));
        found.dedup_by(|(one, ..), (other, ..)| one.name == other.name);
        Ok(found)
    }

    async fn index(
        &self,
        job: &JobId,
        (chunk, attempt): (ChunkId, &Attempt),
        place: &IndexPlace,
    ) -> Result<Arc<Index>> {
        let kept = (job.clone(), chunk, attempt.clone());
        if let Some(index) = self.indexes.get(&kept) {
            return Ok(index);
        }
        let index = Arc::new(read_index(&*self.files, pack_key(job, chunk, attempt), place).await?);
        self.indexes.put(kept, index.clone(), index.weight());
        Ok(index)
    }
}

/// Reads the index of a pack. An index that differs from the recorded one is an error, because it could refer to the bytes
/// of another file.
async fn read_index(files: &dyn Files, key: String, place: &IndexPlace) -> Result<Index> {
    let damaged = |problem: &str| Error::internal(format!("the index of {key} is damaged: {problem}"));
    if place.length > MAX_INDEX {
        return Err(damaged("it is longer than the maximum"));
    }
    let location = Location {
        key: key.clone(),
        place: Some(PackRange { offset: place.offset, length: place.length, gzip: false }),
    };
    let limit = usize::try_from(place.length).map_err(Error::internal)?;
    let bytes = match read(files, &location, limit).await {
        // `NotFound` would mean that the attachment does not exist, but the pack is missing.
        Err(Error::NotFound(_)) => return Err(damaged("the pack is missing")),
        read => read?,
    };
    if hex(digest::digest(&digest::SHA256, &bytes).as_ref()) != place.sha256 {
        return Err(damaged("its hash is not the recorded one"));
    }
    Index::parse(&bytes, place.offset).map_err(|problem| damaged(&problem.to_string()))
}
