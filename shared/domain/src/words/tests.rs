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

#[test]
fn letters_with_two_usual_spellings_are_spelled_both_ways() {
    for (text, expected) in [
        ("Smith", &["smith"][..]),
        ("Müller", &["muller", "mueller"]),
        ("Mu\u{308}ller", &["muller", "mueller"]),
        ("MÜLLER", &["muller", "mueller"]),
        ("Ødegård", &["odegard", "oedegard", "odegaard", "oedegaard"]),
        ("Weiß", &["weiss"]),
        ("Łukasz", &["lukasz"]),
        ("Ærø", &["aero", "aeroe"]),
        ("Ёлка", &["елка"]),
        ("Noël", &["noel"]),
        ("山田", &["山田"]),
    ] {
        let written = written_words(text);
        assert_eq!(written.len(), 1, "{text}");
        assert_eq!(spellings(&written[0]), expected, "{text}");
        assert_eq!(words(text), expected[..1], "{text}");
    }
    assert_eq!(written_words("José-María O’Neil"), ["jose", "maria", "o", "neil"]);
    let many = spellings("üüüüüü");
    assert_eq!(many.len(), MAX_SPELLINGS);
    assert!(many.contains(&"uuuuuu".to_owned()) && many.contains(&"ue".repeat(6)), "{many:?}");
    assert!(spellings(&"ü".repeat(100)).iter().all(|word| word.chars().count() <= MAX_WORD));
}
