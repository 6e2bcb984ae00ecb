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
