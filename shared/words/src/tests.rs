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
fn a_text_from_the_settings_replaces_the_catalogue_in_its_language_only() {
    let english = Language::ENGLISH;
    let overrides = Overrides::from([((english, "agree".to_owned()), "I, { $name }, agree.".to_owned())]);
    let overrides = Arc::new(overrides);
    let of = |tag| Words { overrides: overrides.clone(), ..words(tag) };
    assert_eq!(of("en").text("agree", &[("name", "Anna")]), "I, Anna, agree.");
    assert!(of("es").text("agree", &[("name", "Anna")]).starts_with("Soy Anna"));
}
