//! The texts of the pages in each language, compiled from the catalogues in `languages/`. This crate knows nothing of pages or requests.
//!
//! - [`isolate`]: keeps the direction of a name out of the sentence around it;
//! - [`catalogue`]: the languages and their messages;
//! - [`negotiate`]: the language for an `Accept-Language` header;
//! - [`time`]: dates in the format of a language and the time zone of the settings.

mod catalogue;
mod isolate;
mod negotiate;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::catalogue::{Language, Placeholder, placeholders};
pub use self::isolate::isolated;

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

    /// Returns the direction of the language's script, for the `dir` attribute of HTML.
    pub fn direction(&self) -> &'static str {
        if self.text("direction", &[]) == "rtl" { "rtl" } else { "ltr" }
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

impl Words {
    /// Formats a number of bytes, rounded up to a unit: 1 kB is 1024 bytes, 1 MB is 1024 kB.
    pub fn size(&self, bytes: u64) -> String {
        let (key, unit) = match bytes {
            0..0x400 => ("size-bytes", 1),
            0x400..0x10_0000 => ("size-kilobytes", 0x400),
            0x10_0000..0x4000_0000 => ("size-megabytes", 0x10_0000),
            _ => ("size-gigabytes", 0x4000_0000),
        };
        self.text(key, &[("count", &self.number(bytes.div_ceil(unit)))])
    }
}

#[cfg(test)]
mod tests;
