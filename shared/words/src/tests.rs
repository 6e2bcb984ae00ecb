use super::*;

fn words(tag: &str) -> Words {
    Words { language: Language::of_tag(tag).expect("a language"), ..Words::default() }
}

#[test]
fn thousands_are_separated() {
    for (number, written) in
        [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")]
    {
        assert_eq!(words("en").number(number), written);
    }
}

#[test]
fn a_page_has_the_direction_of_its_language() {
    for language in Language::all() {
        assert!(["ltr", "rtl"].contains(&&*language.text("direction", &[])), "{}", language.tag());
    }
    let key = (Language::ENGLISH, "direction".to_owned());
    for (text, direction) in [("rtl", "rtl"), ("ltr", "ltr"), ("\" onclick", "ltr")] {
        let overrides = Arc::new(Overrides::from([(key.clone(), text.to_owned())]));
        assert_eq!(Words { overrides, ..words("en") }.direction(), direction);
    }
}

#[test]
fn sizes_are_rounded_up_to_whole_units() {
    for (bytes, text) in [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_023, "1,023 bytes"),
        (1_025, "2 kB"),
        (0x10_0000 - 1, "1,024 kB"),
        (0x10_0000, "1 MB"),
        (12_300_000, "12 MB"),
        (0x4000_0000, "1 GB"),
        (u64::MAX, "17,179,869,184 GB"),
    ] {
        assert_eq!(words("en").size(bytes), text);
        assert_eq!(words("es").size(bytes), text);
    }
}

#[test]
fn a_text_from_the_settings_replaces_the_catalogue_in_its_language_only() {
    let english = Language::ENGLISH;
    let overrides = Overrides::from([((english, "agree".to_owned()), "I, { $name }, agree.".to_owned())]);
    let overrides = Arc::new(overrides);
    let of = |tag| Words { overrides: overrides.clone(), ..words(tag) };
    assert_eq!(of("en").text("agree", &[("name", "Anna")]), "I, Anna, agree.");
    assert!(of("es").text("agree", &[("name", "Anna")]).starts_with("Soy Anna"));
}
