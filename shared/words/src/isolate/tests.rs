use super::*;

#[test]
fn a_value_without_direction_stays_as_it_is() {
    for value in ["", "Anna Lindqvist", "José 🦊", "李雷", "<b> & \"c\""] {
        assert_eq!(isolated(value), value);
    }
}

#[test]
fn a_value_with_a_direction_is_an_isolate_that_ends_with_it() {
    for (value, expected) in [
        ("דנה", "\u{2068}דנה\u{2069}"),
        ("\u{202e}Anna 🦊", "\u{2068}\u{202e}Anna 🦊\u{2069}"),
        ("a\u{2069}b", "\u{2068}ab\u{2069}"),
        ("\u{2067}a", "\u{2068}\u{2067}a\u{2069}\u{2069}"),
        ("\u{2066}a\u{2069}\u{2069}b", "\u{2068}\u{2066}a\u{2069}b\u{2069}"),
    ] {
        assert_eq!(isolated(value), expected);
    }
}
