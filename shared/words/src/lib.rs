//! The texts of the pages in each language, compiled from the catalogues in `languages/`. This crate does not depend on pages or requests.
//!
//! - [`catalogue`]: the languages and their messages;
//! - [`negotiate`]: the language for an `Accept-Language` header;
//! - [`time`]: dates in the format of a language and the time zone of the settings.

mod catalogue;
mod negotiate;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::catalogue::{Language, Placeholder, placeholders};

/// Messages from the settings that replace those of the catalogue, by language and key.
pub type Overrides = BTreeMap<(Language, String), String>;

/// The texts for one reader: language, replaced messages and time zone.
#[derive(Debug, Clone)]
pub struct Words {
    pub language: Language,
    pub overrides: Arc<Overrides>,
    pub zone: TimeZone,
}

impl Default for Words {
    fn default() -> Self {
        Self { language: Language::ENGLISH, overrides: Arc::default(), zone: TimeZone::UTC }
    }
}

impl Words {
    /// Returns the message of a key with the values of its variables.
    pub fn text(&self, key: &str, values: &[(&str, &str)]) -> String {
        match self.overrides.get(&(self.language, key.to_owned())) {
            Some(text) => catalogue::fill(&placeholders(text), values),
            None => self.language.text(key, values),
        }
    }

    /// Returns whether there is a message with the key.
    pub fn has(&self, key: &str) -> bool {
        self.language.has(key)
    }

    /// Formats a whole number with a separator between the thousands.
    pub fn number(&self, number: u64) -> String {
        let separator = self.text("thousands", &[]);
        let digits = number.to_string();
        let mut written = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                written += &separator;
            }
            written.push(digit);
        }
        written
    }
}

#[cfg(test)]
mod tests;
