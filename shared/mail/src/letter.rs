//! The texts of a mail.

use domain::notice::{Notice, NoticeKind};
use settings::Settings;
use words::{Language, Words};

/// The path of the page to which a mail leads. The patient signs in there. Where patients cannot sign in, a mail names the app instead.
const PATIENT_PAGES: &str = "/my";

/// The texts of a mail: in the language in which the patient filled in the form, or else in all languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub body: String,
}

impl Letter {
    pub fn of(notice: &Notice, settings: &Settings) -> Self {
        let known = notice.language.as_deref().and_then(Language::of_tag);
        let languages = known.map_or_else(|| Language::all().collect(), |language| vec![language]);
        let words: Vec<_> = languages.into_iter().map(|language| words(language, settings)).collect();
        let subjects: Vec<_> = words.iter().map(|words| words.text("mail-subject", &[])).collect();
        let bodies: Vec<_> = words.iter().map(|words| body(notice, words, settings)).collect();
        Self { subject: subjects.join(" / "), body: bodies.join("\n\n") }
    }
}

fn words(language: Language, settings: &Settings) -> Words {
    Words { language, overrides: settings.pages.words.clone(), zone: settings.pages.zone.clone() }
}

fn body(notice: &Notice, words: &Words, settings: &Settings) -> String {
    let (link, date) = (settings.url(PATIENT_PAGES), notice.expires_at.map(|at| words.moment(at)));
    let (key, key_of_app) = match notice.kind {
        NoticeKind::Received => ("mail-received", "mail-received-app"),
        NoticeKind::Ready => ("mail-ready", "mail-ready-app"),
        NoticeKind::Message => ("mail-message", "mail-message-app"),
    };
    let key = if settings.patients_can_sign_in() { key } else { key_of_app };
    let text = words.text(key, &[("link", &link), ("date", &date.unwrap_or_default())]);
    match &settings.pages.office_phone {
        Some(phone) if notice.kind == NoticeKind::Received => {
            format!("{text}\n\n{}", words.text("mail-not-you", &[("phone", phone)]))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
