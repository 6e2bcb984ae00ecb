//! The texts of a mail.

use domain::notice::{Notice, NoticeKind};
use settings::Settings;
use words::{Language, Words};

/// The path of the page to which every mail leads. The patient signs in there.
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
    let link = settings.url(PATIENT_PAGES);
    match notice.kind {
        NoticeKind::Received => {
            let received = words.text("mail-received", &[("link", &link)]);
            match &settings.pages.office_phone {
                Some(phone) => format!("{received}\n\n{}", words.text("mail-not-you", &[("phone", phone)])),
                None => received,
            }
        }
        NoticeKind::Ready => {
            let date = notice.expires_at.map(|at| words.moment(at)).unwrap_or_default();
            words.text("mail-ready", &[("date", &date), ("link", &link)])
        }
        NoticeKind::Message => words.text("mail-message", &[("link", &link)]),
    }
}

#[cfg(test)]
mod tests;
