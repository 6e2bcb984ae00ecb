use super::*;

#[test]
fn sizes_are_short_and_readable() {
    for (bytes, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (450_000_000, "450.0 MB"),
        (999_960_000, "1.0 GB"),
        (27_400_000_000, "27.4 GB"),
    ] {
        assert_eq!(size(bytes), text);
    }
    assert!(size(u64::MAX).len() < 20);
}
