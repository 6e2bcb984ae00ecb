use std::collections::BTreeSet;

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

/// Languages with other plural forms than those of the pages.
static OTHERS: &[Catalogue] = include!(concat!(env!("OUT_DIR"), "/test_catalogues.rs"));

/// Returns the text of the message `files` for a number.
fn files(tag: &str, count: &str) -> String {
    let catalogue = OTHERS.iter().find(|catalogue| catalogue.tag == tag).expect("a catalogue");
    let mut text = String::new();
    let values = [("count", count), ("name", "X")];
    catalogue.write(catalogue.pieces("files").expect("a message"), &values, &mut text);
    text.replace(['\u{2068}', '\u{2069}'], "")
}

/// The forms of each language are those of Unicode (CLDR, Language Plural Rules).
#[test]
fn a_number_selects_the_plural_form_of_its_language() {
    for (count, word) in [
        ("0", "Brak plików"),
        ("1", "1 plik"),
        ("2", "2 pliki"),
        ("4", "4 pliki"),
        ("5", "5 plików"),
        ("12", "12 plików"),
        ("14", "14 plików"),
        ("21", "21 plików"),
        ("22", "22 pliki"),
        ("112", "112 plików"),
        ("1\u{a0}003", "1\u{a0}003 pliki"),
        ("1.000.000", "1.000.000 plików"),
    ] {
        assert_eq!(files("pl", count), format!("{word} od X"));
    }
    for (forms, counts) in [
        ("zero", &["0"][..]),
        ("one", &["1"]),
        ("two", &["2"]),
        ("few", &["3", "10", "103", "1,110"]),
        ("many", &["11", "99", "111", "1,099"]),
        ("other", &["100", "102", "202", "1,000,000", "1,000,001"]),
    ] {
        for count in counts {
            assert_eq!(files("ar", count), forms, "{count}");
        }
    }
    for (count, form) in [
        ("0", "one"),
        ("1", "one"),
        ("2", "other"),
        ("999 999", "other"),
        ("1 000 000", "many"),
        ("2000000", "many"),
    ] {
        assert_eq!(files("fr", count), form, "{count}");
    }
    for (count, form) in [("0", "other"), ("1", "exact"), ("2", "other")] {
        assert_eq!(files("ja", count), form, "{count}");
    }
}

#[test]
fn a_text_that_is_no_number_has_no_plural_form() {
    for text in ["", "one", "ten", "1 MB", "99999999999999999999999"] {
        assert_eq!(files("fr", text), "other", "{text}");
    }
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
const BARE: [(&str, &str); 11] = [
    ("groups-more-than", "count"),
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

/// Returns the plural forms of a text's selections by a variable.
fn forms_of(pieces: &'static [Piece], of: &str) -> BTreeSet<&'static str> {
    let selected = pieces.iter().filter_map(|piece| match piece {
        Piece::Select { variable, cases, .. } if *variable == of => Some(cases),
        _ => None,
    });
    selected.flat_map(|cases| cases.iter().map(|(case, _)| *case)).collect()
}

/// Returns the forms that each message with a number needs. Whole millions and `other` are left out.
fn needed(language: Language) -> BTreeSet<&'static str> {
    let plurals = &language.catalogue().plurals;
    let forms = plurals.first.iter().chain(plurals.rest).copied();
    forms.filter(|form| *form != "other").collect()
}

#[test]
fn every_message_with_a_number_has_the_plural_forms_of_its_language() {
    let mut bare = BTreeSet::new();
    for language in Language::all() {
        for key in language.keys() {
            let (pieces, variables) = (language.pieces(key), language.variables(key));
            let (pieces, variables) = (pieces.expect("a message"), variables.expect("a message"));
            for number in variables.into_iter().filter(|variable| NUMBERS.contains(variable)) {
                if BARE.contains(&(key, number)) {
                    bare.insert((key, number));
                    continue;
                }
                let forms = forms_of(pieces, number);
                let missing: Vec<_> = needed(language).difference(&forms).copied().collect();
                assert!(missing.is_empty(), "{} {key} ${number} lacks {missing:?}", language.tag());
            }
        }
    }
    assert_eq!(bare.len(), BARE.len(), "a message in the list is gone: {bare:?}");
}
