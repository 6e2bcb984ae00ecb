use super::*;

#[test]
fn every_spelling_of_a_name_has_the_same_words() {
    for (text, expected) in [
        ("Anna Lindqvist", &["anna", "lindqvist"][..]),
        ("ANNA  LINDQVIST", &["anna", "lindqvist"]),
        ("José-María O’Neil", &["jose", "maria", "o", "neil"]),
        ("Jose\u{301} María", &["jose", "maria"]),
        ("Jørgen Weiß Łukasz Ængström", &["jorgen", "weiss", "lukasz", "aengstrom"]),
        ("\u{202e}Anna\u{202c} Li\u{200d}nd\u{200f}qvist", &["anna", "lindqvist"]),
        ("ÅSA Åsa åsa", &["asa"]),
        ("İbrahim Işık", &["ibrahim", "isik"]),
        ("ΣΟΦΟΣ σοφός", &["σοφοσ"]),
        ("山田 太郎", &["山田", "太郎"]),
        ("😀 % _ '", &[]),
        ("", &[]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}

#[test]
fn an_identifier_is_compared_without_separators() {
    for text in ["MRN-0042.7", "mrn 00427", "MRN\u{200b}-0042-7"] {
        assert_eq!(identifier(text), "mrn00427");
    }
    assert_eq!(identifier("-- %"), "");
}

#[test]
fn long_texts_are_cut() {
    let long = "x".repeat(10_000);
    assert_eq!(words(&long)[0].len(), MAX_WORD);
    let many = (0..100).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&many).len(), MAX_WORDS);
    assert_eq!(identifier(&long).len(), 128);
}
