use super::*;

#[test]
fn a_birth_date_is_read_in_the_order_of_the_language() {
    for (text, day_first, expected) in [
        ("1980-03-04", false, Some("1980-03-04")),
        ("3/4/1980", false, Some("1980-03-04")),
        ("3/4/1980", true, Some("1980-04-03")),
        ("14.03.1980", false, Some("1980-03-14")),
        ("03 14 1980", true, Some("1980-03-14")),
        ("1980-03", false, Some("1980-03")),
        ("1980-3", false, None),
        ("1980-02-30", false, None),
        ("31/31/1980", false, None),
        ("1980", false, None),
        ("1980-03-004", false, None),
        ("", false, None),
        ("a/b/1980", false, None),
    ] {
        assert_eq!(birth_date(text, day_first).as_deref(), expected, "{text}");
    }
}

#[test]
fn a_text_without_a_letter_or_digit_finds_no_one() {
    let patient = PatientSummary::new(crate::ids::PatientId::parse("p").expect("an id"), "% _ 😀");
    for text in ["%", "_", "😀", "\u{200f}", " "] {
        let search = Search::parse(text, false);
        assert!(search.keys().is_empty() && !search.finds(&patient), "{text:?}");
    }
}
