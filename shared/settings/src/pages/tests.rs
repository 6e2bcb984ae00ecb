use super::*;
use crate::{InvalidSettings, Settings};

fn parse(pages: &str) -> Result<Pages, InvalidSettings> {
    let text = format!("base_url = \"http://localhost:1\"\n[pages]\n{pages}");
    Settings::parse(&text, |_| None, None).map(|settings| settings.pages)
}

#[test]
fn an_accent_that_cannot_be_read_is_refused() {
    for (line, named) in [
        ("accent = \"#00a0a0\"", "pages.accent: has a contrast of 3.21"),
        ("accent = \"#6fd0cb\"", "pages.accent: has a contrast of 1."),
        ("accent_dark = \"#0b6266\"", "pages.accent_dark: has a contrast of 2."),
        ("accent = \"teal\"", "pages.accent: must be a colour"),
        ("accent = \"#12345\"", "pages.accent: must be a colour"),
        ("accent = \"#€€\"", "pages.accent: must be a colour"),
    ] {
        let errors = parse(line).expect_err(line).to_string();
        assert!(errors.contains(named), "{line}: {errors}");
    }
    let pages = parse("accent = \"#7A1F5C\"\naccent_dark = \"#F0A0D0\"").expect("colours");
    assert_eq!((&*pages.accent.light, &*pages.accent.dark), ("#7a1f5c", "#f0a0d0"));
    let usual = Accent::default();
    let again = format!("accent = \"{}\"\naccent_dark = \"{}\"", usual.light, usual.dark);
    assert_eq!(parse(&again).expect("the defaults are good").accent, usual);
}

#[test]
fn the_ratios_are_those_of_the_specification() {
    let ratio = |one: &str, other: &str| {
        let of = |colour: &str| luminance(colour).expect("a colour");
        (contrast(of(one), of(other)) * 100.0).round() / 100.0
    };
    for (one, other, expected) in
        [("#000000", "#ffffff", 21.0), ("#0b6266", "#eef4f4", 6.39), ("#6fd0cb", "#1c262d", 8.47)]
    {
        assert!((ratio(one, other) - expected).abs() < 0.011, "{one} {other}: {}", ratio(one, other));
    }
}

#[test]
fn values_that_cannot_be_used_are_named() {
    for (line, named) in [
        ("logo = \"https://example.org/logo.png\"", "pages.logo: must be a data URL"),
        ("logo = \"data:text/html;base64,AAAA\"", "pages.logo"),
        ("logo = \"data:image/png;base64,<>\"", "pages.logo"),
        ("time_zone = \"America/Nowhere\"", "pages.time_zone: must be one of UTC, America/New_York"),
        ("help_url = \"javascript:alert(1)\"", "pages.help_url"),
        ("office = \"Records office\"", "pages.office_phone: is missing"),
        ("office_phone = \"555-0100\"", "pages.office: is missing"),
        ("office = \" \"\noffice_phone = \"555-0100\"", "pages.office: must be a text of one line"),
        ("office = \"a\\nb\"\noffice_phone = \"555-0100\"", "pages.office: must be a text of one line"),
        ("due_days = 0", "pages.due_days: must be from 1 to 90"),
        ("colour = \"#000000\"", "unknown field `colour`"),
        ("words.fr.agree = \"x\"", "pages.words.fr: there is no such language"),
        ("words.en.agrees = \"x\"", "pages.words.en.agrees: there is no such message"),
        ("words.en.agree = \"{ $person }\"", "has the variable 'person'"),
    ] {
        let errors = parse(line).expect_err(line).to_string();
        assert!(errors.contains(named), "{line}: {errors}");
    }
    let pages = parse(
        "time_zone = \"America/Chicago\"\nlogo = \"data:image/png;base64,iVBORw0KGgo=\"\n[pages.words.es]\nagree = \"Soy { $name }.\"",
    );
    let pages = pages.expect("good");
    assert_eq!(pages.logo.map(|logo| logo.media_type), Some("image/png"));
    assert_eq!((pages.words.len(), pages.office), (1, None));
    let pages = parse("office = \"Records office\"\noffice_phone = \"555-0100\"").expect("good");
    assert_eq!(pages.office.as_deref(), Some("Records office, 555-0100"));
}
