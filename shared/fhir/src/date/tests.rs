use proptest::prelude::*;

use super::*;

fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a timestamp").as_microsecond()
}

#[test]
fn a_partial_date_covers_its_whole_span() {
    for (text, from, to) in [
        ("2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2023-12", "2023-12-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("1899-12-31", "1899-12-31T00:00:00Z", "1900-01-01T00:00:00Z"),
        ("2024-05-01T10:00", "2024-05-01T10:00:00Z", "2024-05-01T10:01:00Z"),
        ("2024-05-01T24:00:00Z", "2024-05-02T00:00:00Z", "2024-05-02T00:00:01Z"),
        ("2024-05-01T10:00:00+02:00", "2024-05-01T08:00:00Z", "2024-05-01T08:00:01Z"),
        ("2024-05-01T10:00:00.25-05:00", "2024-05-01T15:00:00.25Z", "2024-05-01T15:00:00.26Z"),
    ] {
        let span = Span::of(text.as_bytes()).expect(text);
        assert_eq!((span.from, span.to), (micros(from), micros(to)), "{text}");
    }
}

#[test]
fn a_text_that_is_not_a_date_is_refused() {
    for text in [
        "",
        "24",
        "2024-13",
        "2024-00",
        "2023-02-29",
        "2024-1-1",
        "2024-05-01T",
        "2024-05-01T25:00",
        "2024-05-01T24:59",
        "2024-05-01T24:00:00.5Z",
        "2024-05-01T10:00:00+2:00",
        "2024-05-01 10:00:00Z",
        "2024-05-01T10:00:00.Z",
        "2024-05-01T10:00:00Zz",
        "abcd",
    ] {
        assert_eq!(Span::of(text.as_bytes()), None, "{text}");
    }
    for text in ["2024-05-01", "2024-05-01T10:00:00", "2024-05-01T10:00Z", "yesterday"] {
        assert_eq!(instant(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn instants_are_read_as_jiff_reads_them(second in -60_000_000_000i64..200_000_000_000, micro in 0i64..1_000_000) {
        let expected = Timestamp::from_microsecond(second * SECOND + micro).expect("a timestamp");
        let text = format!("{expected:.6}");
        prop_assert_eq!(instant(&text), Some(expected), "{}", text);
    }
}
