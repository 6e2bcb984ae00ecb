use proptest::prelude::*;

use super::*;

#[test]
fn ids_that_could_point_outside_their_directory_are_refused() {
    for text in ["", ".", "..", "a/b", "a\\b", "a\0", "%2e%2e", "ä", &"x".repeat(65)] {
        assert!(PatientId::parse(text).is_err(), "{text:?}");
    }
    for text in ["", ".hidden", "..", "a/b", "a b", "a\0"] {
        assert!(FileName::parse(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_sanitized_name_is_always_a_file_name(name in ".*") {
        let safe = FileName::sanitize(&name);
        prop_assert_eq!(FileName::parse(safe.as_str()), Ok(safe));
    }

    #[test]
    fn parsed_ids_are_printed_unchanged(text in "[0-9a-fA-F.-]{0,40}") {
        if let Ok(id) = ChunkId::parse(&text) { prop_assert_eq!(id.to_string(), text.clone()); }
        if let Ok(id) = Attempt::parse(&text) { prop_assert_eq!(id.to_string(), text.clone()); }
        if let Ok(id) = PatientId::parse(&text) { prop_assert_eq!(id.to_string(), text.clone()); }
    }

    #[test]
    fn chunk_ids_sort_as_texts(a in 0u32..999_999, b in 0u32..999_999) {
        let (first, second) = (ChunkId::first(a), ChunkId::first(b));
        prop_assert_eq!(first.cmp(&second), first.to_string().cmp(&second.to_string()));
    }
}

#[test]
fn names_that_are_one_file_on_other_systems_are_folded_to_one() {
    let folded = |name: &str| FileName::parse(name).expect("a name").folded();
    for name in ["scan.pdf", "Scan.PDF", "scan.pdf..", "SCAN.pdf."] {
        assert_eq!(folded(name), "scan.pdf");
    }
    assert_ne!(folded("scan.pdf"), folded("scan-.pdf"));
}
