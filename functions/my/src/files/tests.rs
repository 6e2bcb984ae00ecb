use super::*;

#[test]
fn sizes_are_rounded_up_to_whole_units() {
    for (bytes, text) in [
        (0, "0 KB"),
        (1, "1 KB"),
        (999_999, "1,000 KB"),
        (1_000_000, "1 MB"),
        (12_300_000, "13 MB"),
        (2_000_000_001, "3 GB"),
    ] {
        assert_eq!(size_in_words(bytes, &Words::default()), text);
    }
}
