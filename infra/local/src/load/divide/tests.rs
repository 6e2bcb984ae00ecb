use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::load::sizes::Sizes;
use crate::load::spill::put_number;

/// Returns how often each record is passed, and the greatest number of bytes that are passed at once.
fn passed(streams: [&Stream; 2], load: &Load<'_>, limit: u64) -> (BTreeMap<(usize, u64), u64>, u64) {
    let (mut counts, mut largest) = (BTreeMap::new(), 0);
    for index in 0..streams[0].len() {
        let each: Each<'_, 2> = &mut |parts, index| {
            largest = largest.max(parts.iter().map(|part| part.bytes(index)).sum());
            let mut hashes = Vec::new();
            for (of, part) in parts.iter().enumerate() {
                let mut records = part.records(index, 0)?;
                let mut found = Vec::new();
                while let Some((hash, mut fields)) = records.next()? {
                    *counts.entry((of, fields.number()?)).or_default() += 1;
                    found.push(hash);
                }
                found.sort_unstable();
                found.dedup();
                hashes.push(found);
            }
            assert_eq!(hashes[0], hashes[1], "records with the same hash come together");
            Ok(())
        };
        in_parts(load, streams, index, limit, each).expect("divided");
    }
    (counts, largest)
}

#[test]
fn each_record_is_in_one_part() {
    let directory = tempfile::tempdir().expect("a directory");
    let stop = AtomicBool::new(false);
    let load = Load::new(directory.path(), 2, None, &stop, Sizes::default());
    let streams = ["a", "b"].map(|name| Stream::new(directory.path(), name, 2));
    for stream in &streams {
        let mut writer = Writer::new(stream);
        for number in 0..1_000_u64 {
            writer.push(number, |buffer| put_number(buffer, number)).expect("written");
        }
        writer.finish().expect("written");
    }
    let pairs = [&streams[0], &streams[1]];
    for limit in [u64::MAX, 20_000, 1_000, 100, 40] {
        let (counts, largest) = passed(pairs, &load, limit);
        assert_eq!(counts.len(), 2_000);
        assert!(counts.values().all(|count| *count == 1), "{limit}: {counts:?}");
        assert!(largest <= limit.max(40), "{limit}: {largest}");
    }
    let left = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 4, "the files of the parts are removed");
    // Records with one hash cannot be divided.
    let same = ["c", "d"].map(|name| Stream::new(directory.path(), name, 1));
    for stream in &same {
        let mut writer = Writer::new(stream);
        (0..100).for_each(|number| writer.push(7, |buffer| put_number(buffer, number)).expect("written"));
        writer.finish().expect("written");
    }
    let (counts, largest) = passed([&same[0], &same[1]], &load, 100);
    assert_eq!((counts.len(), largest), (200, 2 * 100 * 20));
}
