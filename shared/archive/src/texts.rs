//! The settings that the ZIP needs. Workers on AWS have no settings file, so the function that the patient asks passes it on.

use std::sync::Arc;

use domain::job::Job;
use domain::ports::files::Files;
use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use settings::Settings;
use words::{Language, Overrides, Words};

use crate::make::Maker;
use crate::plan::Plan;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Texts {
    /// The tag of the language.
    language: String,
    title: String,
    /// When the copy was ready, in the time zone of the settings. All files in the ZIP have this time.
    modified: civil::DateTime,
    documentation_url: String,
    /// The messages that replace those of the catalogue: the tag of the language, the key and the text. The manifest is in English.
    overrides: Vec<(String, String, String)>,
}

impl Texts {
    /// Returns the texts for a reader.
    pub fn of(plan: &Plan, words: &Words, settings: &Settings) -> Self {
        let ready_at = match &plan.job {
            Job::Complete(complete) => complete.completed_at,
            job => job.header().changed_at,
        };
        let is_used = |language: Language| language == words.language || language == Language::ENGLISH;
        let used = words.overrides.iter().filter(|((language, _), _)| is_used(*language));
        let date = words.date(plan.job.header().created_at);
        Self {
            language: words.language.tag().to_owned(),
            title: words.text("my-copy-of", &[("date", &date)]),
            modified: ready_at.to_zoned(words.zone.clone()).datetime(),
            documentation_url: settings.documentation_url.clone(),
            overrides: used
                .map(|((language, key), text)| (language.tag().to_owned(), key.clone(), text.clone()))
                .collect(),
        }
    }

    /// Returns what makes the ZIP. The other settings are those of a worker too.
    pub fn maker(&self, plan: Plan, files: Arc<dyn Files>, settings: &Settings) -> Maker {
        let known = |(tag, key, text): &(String, String, String)| {
            Some(((Language::of_tag(tag)?, key.clone()), text.clone()))
        };
        let overrides: Arc<Overrides> = Arc::new(self.overrides.iter().filter_map(known).collect());
        let language = Language::of_tag(&self.language).unwrap_or(Language::ENGLISH);
        let mut settings = settings.clone();
        settings.documentation_url.clone_from(&self.documentation_url);
        settings.pages.words = overrides.clone();
        let words = Words { language, overrides, zone: TimeZone::UTC };
        Maker { plan, title: self.title.clone(), modified: self.modified, words, files, settings }
    }
}
