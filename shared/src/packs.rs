//! Reading the files of recorded attempts, whether each is an object of its own or stands in a
//! [pack](crate::domain::pack).

use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bounded::Bounded;
use crate::clock::hex;
use crate::compressed::decompressed;
use crate::domain::chunk::{ChunkResult, RecordAttachment};
use crate::domain::ids::{Attempt, ChunkId, JobId};
use crate::domain::pack::{Index, IndexPlace, Location, MAX_INDEX, Place, pack_key};
use crate::error::{Error, Result};
use crate::ports::files::{ByteStream, Files};

/// Bytes of indexes that are kept in memory.
const KEPT: u64 = 4 * 1024 * 1024;

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

/// Reads a file whole, refusing more than `limit` bytes.
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

/// The stored bytes of a range of a place. A pack that ends before them is an error: its readers must not take a part for
/// the whole.
async fn open_place(files: &dyn Files, key: &str, place: &Place, range: Range<u64>) -> Result<ByteStream> {
    let absolute = |at: u64| place.offset.checked_add(at).filter(|_| at <= place.length);
    let (Some(start), Some(end)) = (absolute(range.start), absolute(range.end)) else {
        return Err(Error::internal(format!("{key}: a range outside of a file of the pack")));
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
                Some(_) => Err(Error::internal(format!("{key}: the store sent more than was asked for"))),
                None => Err(Error::internal(format!("{key}: the pack ends {left} bytes too early"))),
            }
        }
    })))
}

/// Attachments of recorded attempts, found by their names. Indexes that were read are kept within [`KEPT`] bytes; an
/// attempt's index never changes.
pub struct Attachments {
    files: Arc<dyn Files>,
    indexes: Bounded<(JobId, ChunkId, Attempt), Arc<Index>>,
}

impl Attachments {
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, indexes: Bounded::new(KEPT) }
    }

    /// Where an attachment is and how many bytes it has; `None` when the attempt wrote no such one. `result` is what was
    /// recorded for its chunk, whose attempt the caller has compared.
    pub async fn find(
        &self,
        job: &JobId,
        attachment: &RecordAttachment,
        result: &ChunkResult,
    ) -> Result<Option<(Location, u64)>> {
        if let Some(place) = &result.attachments {
            let index = self.index(job, attachment, place).await?;
            if let Some(place) = index.find(&attachment.name) {
                let key = pack_key(job, attachment.chunk, &attachment.attempt);
                return Ok(Some((Location { key, place: Some(place) }, place.length)));
            }
        }
        let key = attachment.key(job);
        let size = self.files.size(&key).await?;
        Ok(size.map(|size| (Location::object(key), size)))
    }

    async fn index(
        &self,
        job: &JobId,
        RecordAttachment { chunk, attempt, .. }: &RecordAttachment,
        place: &IndexPlace,
    ) -> Result<Arc<Index>> {
        let kept = (job.clone(), *chunk, attempt.clone());
        if let Some(index) = self.indexes.get(&kept) {
            return Ok(index);
        }
        let index = Arc::new(read_index(&*self.files, pack_key(job, *chunk, attempt), place).await?);
        self.indexes.put(kept, index.clone(), index.weight());
        Ok(index)
    }
}

/// Reads the index of a pack. One that is not what was recorded is an error: it could name the bytes of another file.
async fn read_index(files: &dyn Files, key: String, place: &IndexPlace) -> Result<Index> {
    let damaged = |problem: &str| Error::internal(format!("the index of {key} is damaged: {problem}"));
    if place.length > MAX_INDEX {
        return Err(damaged("it is longer than any that is written"));
    }
    let location = Location {
        key: key.clone(),
        place: Some(Place { offset: place.offset, length: place.length, gzip: false }),
    };
    let limit = usize::try_from(place.length).map_err(Error::internal)?;
    let bytes = match read(files, &location, limit).await {
        // To its reader the attachment would be missing, and it is the pack that is.
        Err(Error::NotFound(_)) => return Err(damaged("the pack is missing")),
        read => read?,
    };
    if hex(digest::digest(&digest::SHA256, &bytes).as_ref()) != place.sha256 {
        return Err(damaged("its hash is not the recorded one"));
    }
    Index::parse(&bytes, place.offset).map_err(|problem| damaged(&problem.to_string()))
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use super::*;
    use crate::adapters::local::Local;
    use crate::domain::ids::FileName;
    use crate::platform::Platform;
    use crate::ports::files::write_all;

    fn files() -> Arc<dyn Files> {
        let settings = crate::config::Settings::parse("base_url = \"http://localhost\"", |_| None, None);
        let (clock, ids) = (Arc::new(crate::clock::SystemClock), Arc::new(crate::clock::SystemIds));
        let local = Local::in_memory(&std::env::temp_dir(), settings.expect("valid"), clock, ids);
        local.expect("a platform").files()
    }

    fn attachment(name: &str) -> RecordAttachment {
        let name = FileName::parse(name).expect("a name");
        RecordAttachment { chunk: ChunkId::first(0), attempt: Attempt::from_bytes([1; 8]), name }
    }

    /// A pack of these bytes whose index is the text, with the hash of the text or of another one.
    async fn found(files: &Arc<dyn Files>, text: &str, hashed: &str) -> Result<Option<(Location, u64)>> {
        let (job, wanted) = (JobId::of_no_job(), attachment("a.pdf"));
        let key = pack_key(&job, wanted.chunk, &wanted.attempt);
        write_all(&**files, &key, format!("0123456789{text}").into_bytes()).await.expect("written");
        let sha256 = hex(digest::digest(&digest::SHA256, hashed.as_bytes()).as_ref());
        let result = ChunkResult {
            attempt: wanted.attempt.clone(),
            files: Vec::new(),
            ledger: None,
            references: None,
            attachments: Some(IndexPlace { offset: 10, length: text.len() as u64, sha256 }),
            bytes_read: 0,
        };
        Attachments::new(files.clone()).find(&job, &wanted, &result).await
    }

    fn cause(result: Result<impl std::fmt::Debug>) -> String {
        let error = result.expect_err("an error");
        assert!(matches!(error, Error::Internal(_)), "{error:?}");
        error.causes()
    }

    #[tokio::test]
    async fn an_index_that_is_not_the_recorded_one_is_an_error() {
        let files = files();
        let good = "[[\"a.pdf\",2,3]]";
        let (location, size) = found(&files, good, good).await.expect("an answer").expect("an attachment");
        assert_eq!((read(&*files, &location, 10).await.expect("read"), size), (b"234".to_vec(), 3));
        for (text, hashed, expected) in [
            (good, "[[\"a.pdf\",3,3]]", "its hash is not the recorded one"),
            ("[[\"a.pdf\",8,3]]", "", "one of its entries lies outside of the pack"),
            ("[[\"../a.pdf\",2,3]]", "", "it is no list of names and places"),
            (
                "[[\"a.pdf\",2,3],[\"a.pdf\",3,3]]",
                "",
                "its names are not in their order, or one stands there twice",
            ),
        ] {
            let hashed = if hashed.is_empty() { text } else { hashed };
            let problem = cause(found(&files, text, hashed).await);
            assert!(problem.ends_with(&format!("pack is damaged: {expected}")), "{problem}");
        }
        let absent = "[[\"b.pdf\",2,3]]";
        assert_eq!(found(&files, absent, absent).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn a_pack_that_ends_early_or_is_missing_is_an_error() {
        let files = files();
        write_all(&*files, "exports/a/pack", b"0123456789".to_vec()).await.expect("written");
        let at = |offset, length, gzip| Location {
            key: "exports/a/pack".to_owned(),
            place: Some(Place { offset, length, gzip }),
        };
        assert_eq!(read(&*files, &at(7, 3, false), 3).await.expect("read"), b"789");
        assert!(cause(read(&*files, &at(7, 3, false), 2).await).contains("more than 2 bytes"));
        assert!(cause(read(&*files, &at(7, 5, false), 10).await).contains("ends 2 bytes too early"));
        assert!(cause(read(&*files, &at(70, 5, false), 10).await).contains("ends 5 bytes too early"));
        assert!(cause(read(&*files, &at(u64::MAX, 5, false), 10).await).contains("outside of a file"));
        let outside = open(&*files, &at(0, 5, false), Some(3..6)).await.map(|_| ());
        assert!(cause(outside).contains("outside of a file"), "bytes of the next file");
        assert!(matches!(read(&*files, &at(0, 5, true), 10).await, Err(Error::Damaged(_))), "no gzip");
        assert_eq!(read(&*files, &at(u64::MAX, 0, false), 0).await.expect("read"), b"", "nothing is nowhere");
        let gone = Location { key: "exports/b/pack".to_owned(), ..at(0, 5, false) };
        assert!(matches!(read(&*files, &gone, 10).await, Err(Error::NotFound(_))));
        let (job, wanted) = (JobId::of_no_job(), attachment("a.pdf"));
        let place = IndexPlace { offset: 0, length: 5, sha256: String::new() };
        let index = Attachments::new(files.clone()).index(&job, &wanted, &place).await;
        assert!(cause(index).ends_with("the pack is missing"));
        let huge = IndexPlace { offset: 0, length: MAX_INDEX + 1, sha256: String::new() };
        let index = Attachments::new(files).index(&job, &wanted, &huge).await;
        assert!(cause(index).ends_with("longer than any that is written"));
    }
}
