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
        existing: None,
        attachments,
        days: DaysByType::default(),
        bytes_read: 0,
    };
    let found = Attachments::new(files.clone());
    let find = async |number: usize| {
        let attachment = RecordAttachment { chunk, attempt: attempt.clone(), name: name(number) };
        found.find(&job, &attachment, &result).await.expect("a response")
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
    fn packed_files_are_read_as_a_whole_and_by_ranges(members in prop::collection::vec(member(), 0..24), compress in any::<bool>()) {
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
async fn a_pack_without_files_has_no_object() {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    assert_eq!(Pack::new(&*files, "exports/a/", None).finish().await.expect("finished"), None);
    let mut pack = Pack::new(&*files, "exports/a/", None);
    pack.append(b"").await.expect("appended");
    assert_eq!(pack.finish().await.expect("finished"), None);
    assert_eq!(files.list("exports/").await.expect("a list"), Vec::<String>::new());
}
