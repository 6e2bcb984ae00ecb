use super::*;

#[test]
fn every_language_has_every_message_with_the_same_variables() {
    assert!(Language::all().count() >= 2);
    for language in Language::all() {
        let keys: Vec<_> = language.keys().collect();
        assert_eq!(keys, Language::ENGLISH.keys().collect::<Vec<_>>(), "{}", language.tag());
        for key in keys {
            let variables = language.variables(key);
            assert_eq!(variables, Language::ENGLISH.variables(key), "{} {key}", language.tag());
        }
    }
}

#[test]
fn a_number_selects_the_singular_or_the_plural() {
    let text = |tag: &str, count: &str| {
        let language = Language::of_tag(tag).expect("a language");
        language.text("note-too-long", &[("part", "X"), ("count", count)])
    };
    assert_eq!(text("en", "1"), "X: make the note 1 letter shorter.");
    assert_eq!(text("en", "20"), "X: make the note 20 letters shorter.");
    assert_eq!(text("es", "1"), "X: acorte la nota 1 letra.");
    assert_eq!(text("es", "0"), "X: acorte la nota 0 letras.");
}

#[test]
fn a_text_of_the_settings_has_variables_and_other_braces() {
    use Placeholder::{Text, Variable};
    assert_eq!(placeholders("a { $b } c"), [Text("a "), Variable("b"), Text(" c")]);
    assert_eq!(placeholders("{$b}{ $c }"), [Variable("b"), Variable("c")]);
    for plain in ["", "{", "}", "{}", "{ $ }", "{ b }", "{ $a b }", "€{"] {
        let expected: Vec<_> = [Text(plain)].into_iter().filter(|text| *text != Text("")).collect();
        assert_eq!(placeholders(plain), expected, "{plain}");
    }
    assert_eq!(placeholders("{ { $b }"), [Text("{ "), Variable("b")]);
}

#[test]
fn a_tag_may_be_longer_than_the_language() {
    for (tag, found) in
        [("es", Some("es")), ("ES-mx", Some("es")), ("en-GB", Some("en")), ("fr", None), ("", None)]
    {
        assert_eq!(Language::of_tag(tag).map(Language::tag), found, "{tag}");
    }
}

/// The variables that are numbers of things.
const NUMBERS: [&str; 11] = [
    "count",
    "days",
    "documents",
    "files",
    "found",
    "hours",
    "minutes",
    "read",
    "resources",
    "seconds",
    "written",
];
/// Messages in which no word depends on the number.
const BARE: [(&str, &str); 10] = [
    ("job-ledger-documents", "written"),
    ("job-ledger-sum", "written"),
    ("my-files-listed", "count"),
    ("queue-approve-count", "count"),
    ("rows-count", "count"),
    ("size-gigabytes", "count"),
    ("size-kilobytes", "count"),
    ("size-megabytes", "count"),
    ("zip-all", "count"),
    ("zip-first", "count"),
];

/// Returns whether a text selects the singular by a variable.
fn has_singular(pieces: &[Piece], of: &str) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Select { variable, cases, .. } => {
            *variable == of && cases.iter().any(|(case, _)| *case == "1")
        }
        Piece::Text(_) | Piece::Variable(_) => false,
    })
}

#[test]
fn every_message_with_a_number_has_a_singular() {
    let mut bare = std::collections::BTreeSet::new();
    for language in Language::all() {
        for key in language.keys() {
            let (pieces, variables) = (language.pieces(key), language.variables(key));
            let (pieces, variables) = (pieces.expect("a message"), variables.expect("a message"));
            for number in variables.into_iter().filter(|variable| NUMBERS.contains(variable)) {
                match BARE.contains(&(key, number)) {
                    true => _ = bare.insert((key, number)),
                    false => assert!(has_singular(pieces, number), "{} {key} ${number}", language.tag()),
                }
            }
        }
    }
    assert_eq!(bare.len(), BARE.len(), "a message in the list is gone: {bare:?}");
}
