use super::*;

#[test]
fn memory_without_a_unit_uses_the_unit_of_the_dialect() {
    for (text, in_gigabytes, bytes) in [
        ("512Mi", false, Some(512 << 20)),
        ("8", false, Some(8)),
        ("8", true, Some(8_000_000_000)),
        ("16G", true, Some(16_000_000_000)),
        ("99999999999G", true, Some(u64::MAX)),
        ("", true, None),
        ("8GB", true, None),
        ("lots", false, None),
    ] {
        assert_eq!(memory(text, in_gigabytes), bytes, "{text}");
    }
}
