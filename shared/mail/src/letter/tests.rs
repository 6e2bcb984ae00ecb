use domain::email::EmailAddress;
use domain::ids::{JobId, PatientId};
use jiff::Timestamp;

use super::*;

const ACCOUNT: &str = "[[accounts]]\nusername = \"anna\"\npatient = \"p1\"\n\
    password_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n";

fn letter(kind: NoticeKind, language: Option<&str>, pages: &str) -> Letter {
    letter_with(kind, language, &format!("{pages}\n{ACCOUNT}"))
}

fn letter_with(kind: NoticeKind, language: Option<&str>, settings: &str) -> Letter {
    let text = format!("base_url = \"https://ehi.example.org\"\n{settings}");
    let settings = Settings::parse(&text, |_| None, None).expect("settings");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let notice = Notice {
        kind,
        job: JobId::parse("01a1fb95-ab0a-7a46-aeea-001492bd7651").expect("an id"),
        patient: PatientId::parse("p1").expect("an id"),
        to: EmailAddress::parse("anna@example.org").expect("an address"),
        language: language.map(str::to_owned),
        since: at("2026-03-01T12:00:00Z"),
        expires_at: (kind == NoticeKind::Ready).then(|| at("2026-03-02T17:30:00Z")),
    };
    Letter::of(&notice, &settings)
}

const OFFICE: &str = "[pages]\noffice = \"Records office\"\noffice_phone = \"+1 555 0100\"";

#[test]
fn the_texts_are_those_of_the_catalogue_in_the_language_of_the_form() {
    for (kind, language, body) in [
        (
            NoticeKind::Received,
            "en",
            "We have your request. See it: https://ehi.example.org/my\n\nNot you? Call +1 555 0100.",
        ),
        (
            NoticeKind::Received,
            "es",
            "Tenemos su solicitud. Véala: https://ehi.example.org/my\n\n¿No fue usted? Llame al +1 555 0100.",
        ),
        (
            NoticeKind::Ready,
            "en",
            "Your copy is ready. Sign in by March 2, 2026, 17:30 UTC: https://ehi.example.org/my",
        ),
        (
            NoticeKind::Message,
            "es",
            "Hay un mensaje sobre su solicitud. Inicie sesión para leerlo: https://ehi.example.org/my",
        ),
    ] {
        assert_eq!(letter(kind, Some(language), OFFICE).body, body);
    }
    assert_eq!(letter(NoticeKind::Ready, Some("es"), "").subject, "Sobre su solicitud");
}

#[test]
fn where_patients_cannot_sign_in_a_mail_names_the_app() {
    for (kind, language, body) in [
        (
            NoticeKind::Received,
            "en",
            "We have your request. See it in your app.\n\nNot you? Call +1 555 0100.",
        ),
        (NoticeKind::Ready, "en", "Your copy is ready. Open your app by March 2, 2026, 17:30 UTC."),
        (NoticeKind::Message, "es", "Hay un mensaje sobre su solicitud. Abra su aplicación para leerlo."),
    ] {
        assert_eq!(letter_with(kind, Some(language), OFFICE).body, body);
    }
}

#[test]
fn without_a_known_language_all_languages_are_in_the_mail() {
    for language in [None, Some("fr")] {
        let both = letter(NoticeKind::Message, language, "");
        assert_eq!(both.subject, "About your request / Sobre su solicitud");
        let (english, spanish) = both.body.split_once("\n\n").expect("two texts");
        assert!(english.starts_with("A message") && spanish.starts_with("Hay un mensaje"), "{}", both.body);
    }
}

#[test]
fn without_a_phone_the_sentence_about_it_is_left_out() {
    let letter = letter(NoticeKind::Received, Some("en"), "");
    assert_eq!(letter.body, "We have your request. See it: https://ehi.example.org/my");
}

#[test]
fn the_time_zone_and_the_words_of_the_settings_are_used() {
    let pages = "[pages]\ntime_zone = \"America/New_York\"\n[pages.words.en]\nmail-subject = \"News\"";
    let letter = letter(NoticeKind::Ready, Some("en"), pages);
    assert_eq!(letter.subject, "News");
    assert!(letter.body.contains("March 2, 2026, 12:30"), "{}", letter.body);
}
