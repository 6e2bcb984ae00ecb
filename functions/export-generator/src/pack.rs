//! Writes an attempt's [pack](domain::pack): small files back to back, then the index of the attachments.
//!
//! The object is created with the first file. The pack can be read when [`Pack::finish`] returns. An attempt that ends
//! before that drops the store's writer.

use std::io::Write as _;

use aws_lc_rs::digest;
use domain::error::Result;
use domain::ids::FileName;
use domain::pack::{Index, IndexPlace, Location, MAX_ATTACHMENTS, Place};
use domain::ports::files::{FileWriter, Files};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The buffer is written when it has this many bytes.
const FLUSH: usize = 512 * 1024;

/// The pack of one attempt.
pub(crate) struct Pack<'a> {
    files: &'a dyn Files,
    key: String,
    part_bytes: Option<usize>,
    /// Whether NDJSON files are stored as gzip.
    compress: bool,
    writer: Option<Box<dyn FileWriter>>,
    buffer: Vec<u8>,
    /// The number of bytes written before those in the buffer.
    written: u64,
    attachments: Vec<(FileName, u64, u64)>,
}

impl<'a> Pack<'a> {
    /// Creates the pack of the attempt whose files have this prefix.
    pub(crate) fn new(files: &'a dyn Files, prefix: &str, part_bytes: Option<usize>) -> Self {
        Self {
            files,
            key: format!("{prefix}pack"),
            part_bytes,
            compress: files.compresses(),
            writer: None,
            buffer: Vec::new(),
            written: 0,
            attachments: Vec::new(),
        }
    }

    /// Appends a file.
    pub(crate) async fn append(&mut self, bytes: &[u8]) -> Result<Location> {
        let place = self.put(bytes).await?;
        Ok(self.location(place))
    }

    /// Appends an NDJSON file, compressed if the store compresses such files.
    pub(crate) async fn append_lines(&mut self, bytes: &[u8]) -> Result<Location> {
        if !self.compress || bytes.is_empty() {
            return self.append(bytes).await;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes)?;
        let place = self.put(&encoder.finish()?).await?;
        Ok(self.location(Place { gzip: true, ..place }))
    }

    /// Appends an attachment with a unique name. Returns whether there was room for it.
    pub(crate) async fn attach(&mut self, name: &FileName, bytes: &[u8]) -> Result<bool> {
        if self.attachments.len() >= MAX_ATTACHMENTS {
            return Ok(false);
        }
        let Place { offset, length, .. } = self.put(bytes).await?;
        self.attachments.push((name.clone(), offset, length));
        Ok(true)
    }

    /// Ends the pack, which is then complete and durable. Returns the place of its index, if it has attachments.
    pub(crate) async fn finish(mut self) -> Result<Option<IndexPlace>> {
        let index = match self.attachments.is_empty() {
            true => None,
            false => {
                let index = Index::new(std::mem::take(&mut self.attachments)).to_bytes()?;
                let sha256 = domain::clock::hex(digest::digest(&digest::SHA256, &index).as_ref());
                let Place { offset, length, .. } = self.put(&index).await?;
                Some(IndexPlace { offset, length, sha256 })
            }
        };
        self.flush().await?;
        if let Some(writer) = self.writer.take() {
            writer.finish().await?;
        }
        Ok(index)
    }

    fn location(&self, place: Place) -> Location {
        Location { key: self.key.clone(), place: Some(place) }
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<Place> {
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= FLUSH {
            self.flush().await?;
        }
        Ok(Place { offset, length: bytes.len() as u64, gzip: false })
    }

    async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.files.create_in_parts(&self.key, self.part_bytes).await?),
        };
        self.written += self.buffer.len() as u64;
        self.buffer = writer.write(std::mem::take(&mut self.buffer)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::chunk::{ChunkResult, RecordAttachment, attempt_prefix};
    use domain::dated::DaysByType;
    use domain::ids::{Attempt, ChunkId, JobId};
    use domain::pack::SMALL;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use storage::packs::{self, Attachments};

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Kind {
        Lines,
        Plain,
        Attachment,
    }

    /// A file of a pack: its kind, its number of bytes, and the ranges to read, in thousandths.
    type Member = (Kind, usize, Vec<(usize, usize)>);

    fn member() -> impl Strategy<Value = Member> {
        let kind = prop_oneof![Just(Kind::Lines), Just(Kind::Plain), Just(Kind::Attachment)];
        let size = prop_oneof![3 => 0..300_usize, 2 => 0..SMALL, 1 => Just(SMALL - 1), 1 => Just(0)];
        (kind, size, prop::collection::vec((0..=1_000_usize, 0..=1_000_usize), 1..4))
    }

    /// Returns bytes that differ for each file.
    fn bytes(number: usize, size: usize) -> Vec<u8> {
        let mut state = number as u64 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..size).map(|_| next()).collect()
    }

    async fn all(files: &dyn Files, location: &Location, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
        let stream = packs::open(files, location, range).await.expect("opened");
        let pieces: Vec<_> = stream.try_collect().await.expect("read");
        pieces.concat()
    }

    async fn reads_back(members: Vec<Member>, compress: bool) {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let job = JobId::of_no_job();
        let (chunk, attempt) = (ChunkId::first(3), Attempt::from_bytes([7; 8]));
        let mut pack = Pack::new(&*files, &attempt_prefix(&job, chunk, &attempt), None);
        pack.compress = compress;
        let name = |number: usize| FileName::parse(&format!("a{number}.pdf")).expect("a name");
        let mut written = Vec::new();
        for (number, (kind, size, ranges)) in members.into_iter().enumerate() {
            let bytes = bytes(number, size);
            let location = match kind {
                Kind::Lines => Some(pack.append_lines(&bytes).await.expect("appended")),
                Kind::Plain => Some(pack.append(&bytes).await.expect("appended")),
                Kind::Attachment => {
                    assert!(pack.attach(&name(number), &bytes).await.expect("attached"));
                    None
                }
            };
            written.push((number, location, bytes, ranges));
        }
        let attachments = pack.finish().await.expect("finished");
        let result = ChunkResult {
            attempt: attempt.clone(),
            files: Vec::new(),
            ledger: None,
            references: None,
            attachments,
            days: DaysByType::default(),
            bytes_read: 0,
        };
        let found = Attachments::new(files.clone());
        let find = async |number: usize| {
            let attachment = RecordAttachment { chunk, attempt: attempt.clone(), name: name(number) };
            found.find(&job, &attachment, &result).await.expect("an answer")
        };
        for (number, location, bytes, ranges) in written {
            let location = match location {
                Some(location) => {
                    assert_eq!(find(number).await, None, "only attachments have names");
                    location
                }
                None => {
                    let (location, size) = find(number).await.expect("an attachment");
                    assert_eq!(size, bytes.len() as u64);
                    location
                }
            };
            assert_eq!(all(&*files, &location, None).await, bytes);
            for (one, other) in ranges {
                let at = |thousandths: usize| bytes.len() * thousandths / 1_000;
                let (start, end) = (at(one.min(other)), at(one.max(other)));
                let read = all(&*files, &location, Some(start as u64..end as u64)).await;
                assert_eq!(read, bytes[start..end]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_packed_reads_back_whole_and_by_ranges(members in prop::collection::vec(member(), 0..24), compress in any::<bool>()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(reads_back(members, compress));
        }
    }

    #[tokio::test]
    async fn a_pack_has_a_maximum_number_of_attachments() {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        let mut pack = Pack::new(&*files, "exports/a/", None);
        let name = |number: usize| FileName::parse(&number.to_string()).expect("a name");
        for number in 0..MAX_ATTACHMENTS {
            assert!(pack.attach(&name(number), b"x").await.expect("attached"));
        }
        assert!(!pack.attach(&name(MAX_ATTACHMENTS), b"x").await.expect("no room"));
        let place = pack.finish().await.expect("finished").expect("an index");
        assert_eq!(place.offset, MAX_ATTACHMENTS as u64, "a refused attachment is not in the pack");
    }

    #[tokio::test]
    async fn without_files_there_is_no_object() {
        let platform = crate::spool::tests::platform();
        let files = platform.files();
        assert_eq!(Pack::new(&*files, "exports/a/", None).finish().await.expect("finished"), None);
        let mut pack = Pack::new(&*files, "exports/a/", None);
        pack.append(b"").await.expect("appended");
        assert_eq!(pack.finish().await.expect("finished"), None);
        assert_eq!(files.list("exports/").await.expect("a list"), Vec::<String>::new());
    }
}
