use domain::ports::records::Member;
use proptest::prelude::*;

use super::*;

fn entry(number: usize, bytes: u64, is_stray: bool) -> Entry {
    if is_stray {
        return Entry::Stray(format!("stray {number}"));
    }
    Entry::Patient(Member { patient: PatientId::parse(&format!("p{number}")).expect("an id"), bytes })
}

proptest! {
    #[test]
    fn every_entry_is_in_one_chunk_and_no_chunk_is_too_large(
        entries in prop::collection::vec((0_u64..50, prop::bool::weighted(0.2)), 0..60),
        most_bytes in 0_u64..100,
        most_patients in 0_usize..8,
    ) {
        let entries: Vec<_> =
            entries.iter().enumerate().map(|(number, (bytes, is_stray))| entry(number, *bytes, *is_stray)).collect();
        let mut next = NextChunk::new((most_bytes, Some(most_patients)));
        let mut chunks: Vec<ChunkContent> = entries.iter().cloned().flat_map(|entry| next.add(Some(entry))).collect();
        chunks.extend(next.add(None));
        let patients = chunks.iter().flat_map(|chunk| &chunk.patients).map(PatientId::as_str);
        let expected = entries.iter().filter_map(|entry| match entry {
            Entry::Patient(member) => Some(member.patient.as_str()),
            Entry::Stray(_) => None,
        });
        prop_assert!(patients.eq(expected));
        let strays: Vec<_> = chunks.iter().flat_map(|chunk| chunk.strays.named.clone()).collect();
        let expected: Vec<_> = entries.iter().filter_map(|entry| match entry {
            Entry::Stray(name) => Some(name.clone()),
            Entry::Patient(_) => None,
        }).collect();
        prop_assert_eq!(strays, expected);
        // A plan that continues after the last patient of a chunk finds the same further chunks, and nothing twice.
        if let Some((first, others)) = chunks.split_first()
            && let Some(last) = first.patients.last()
        {
            let behind = entries.iter().skip_while(|entry| !matches!(entry, Entry::Patient(member) if member.patient == *last)).skip(1);
            let mut next = NextChunk::new((most_bytes, Some(most_patients)));
            let mut again: Vec<ChunkContent> = behind.cloned().flat_map(|entry| next.add(Some(entry))).collect();
            again.extend(next.add(None));
            let contents = |chunks: &[ChunkContent]| -> Vec<_> {
                chunks.iter().map(|chunk| (chunk.patients.clone(), chunk.strays.clone())).collect()
            };
            prop_assert_eq!(contents(&again), contents(others));
        }
        for chunk in &chunks {
            prop_assert!(chunk.patients.len() <= most_patients.max(1));
            prop_assert!(chunk.bytes <= most_bytes || chunk.patients.len() <= 1);
        }
    }
}
