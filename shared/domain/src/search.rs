//! The search for jobs: the text that staff type, and the rows by which stores find a job without reading others.
//!
//! A store keeps one row for each [`SearchRow`] of a job, in the order of the jobs' creation. A name has a row for each
//! prefix of its words up to [`PREFIX`] characters, so every search reads one short list from its newest or oldest end.
//! A row of a name has all words of the name, so that longer words and several words can be compared.

use jiff::civil::Date;

use crate::job::Job;
use crate::patient_summary::PatientSummary;
use crate::words::{are_prefixes, identifier, words};

/// The maximum length of the prefixes of a word that have rows.
pub const PREFIX: usize = 3;

/// A search of staff: prefixes of the words of a name, an identifier or patient id, or a birth date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    words: Vec<String>,
    identifier: String,
    /// A FHIR date.
    born: Option<String>,
}

/// A row by which a store finds a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchRow {
    pub key: String,
    /// All words of the patient's name, separated by spaces, in a row of a name. Empty in other rows.
    pub words: String,
}

impl Search {
    /// Parses the typed text. `day_first` decides which part of `03/04/1980` is the day. A text without a letter or a
    /// digit finds no one.
    pub fn parse(text: &str, day_first: bool) -> Self {
        let text: String = text.chars().take(200).collect();
        Self { words: words(&text), identifier: identifier(&text), born: birth_date(text.trim(), day_first) }
    }

    /// Returns whether the search finds a patient.
    pub fn finds(&self, patient: &PatientSummary) -> bool {
        self.finds_name(&words(&patient.name).join(" "))
            || self.finds_identifier(patient)
            || (self.born.is_some() && self.born == patient.birth_date)
    }

    /// Returns whether the search finds a name with these words, separated by spaces.
    pub fn finds_name(&self, words: &str) -> bool {
        !self.words.is_empty() && are_prefixes(&self.words, words.split(' '))
    }

    fn finds_identifier(&self, patient: &PatientSummary) -> bool {
        let known = patient.identifiers.iter().map(|known| known.value.as_str());
        let mut known = known.chain([patient.id.as_str()]);
        !self.identifier.is_empty() && known.any(|known| identifier(known) == self.identifier)
    }

    /// Returns the keys of the rows of patients that the search may find. A row of a name is compared with
    /// [`Self::finds_name`].
    pub fn keys(&self) -> Vec<String> {
        let longest = self.words.iter().max_by_key(|word| word.chars().count());
        let name = longest.map(|word| name_key(&word.chars().take(PREFIX).collect::<String>()));
        let identifier = (!self.identifier.is_empty()).then(|| identifier_key(&self.identifier));
        name.into_iter().chain(identifier).chain(self.born.as_deref().map(birth_date_key)).collect()
    }
}

/// Returns the key of the rows of a client's jobs.
pub fn client_key(client: &str) -> String {
    format!("app:{client}")
}

fn name_key(prefix: &str) -> String {
    format!("name:{prefix}")
}

fn identifier_key(identifier: &str) -> String {
    format!("id:{identifier}")
}

fn birth_date_key(date: &str) -> String {
    format!("born:{date}")
}

/// Returns the rows of a job, sorted, at most 60. They never change.
pub fn rows(job: &Job) -> Vec<SearchRow> {
    let header = job.header();
    let mut rows = vec![SearchRow { key: client_key(header.owner.client.as_str()), words: String::new() }];
    if let Some(patient) = &header.patient {
        let plain = |key| SearchRow { key, words: String::new() };
        let name = words(&patient.name);
        for word in &name {
            let ends = word.char_indices().map(|(at, c)| at + c.len_utf8()).take(PREFIX);
            rows.extend(ends.map(|end| SearchRow { key: name_key(&word[..end]), words: name.join(" ") }));
        }
        let known = patient.identifiers.iter().map(|known| known.value.as_str()).chain([patient.id.as_str()]);
        let known = known.map(identifier).filter(|known| !known.is_empty());
        rows.extend(known.map(|known| plain(identifier_key(&known))));
        rows.extend(patient.birth_date.as_deref().map(|date| plain(birth_date_key(date))));
    }
    rows.sort();
    rows.dedup_by(|one, other| one.key == other.key);
    rows
}

/// Parses a birth date, such as `1980-03-14`, `3/14/1980`, `14.3.1980` or `1980-03`, and returns it as a FHIR date. If
/// the usual order of day and month gives no date, the other order is used.
pub(crate) fn birth_date(text: &str, day_first: bool) -> Option<String> {
    let parts: Vec<&str> = text.split(['-', '/', '.', ' ']).collect();
    let is_number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !parts.iter().all(is_number) {
        return None;
    }
    let date = |year: &str, month: &str, day: &str| {
        let is_short = month.len() <= 2 && day.len() <= 2;
        let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
        is_short.then(|| date.to_string())
    };
    match parts[..] {
        [year, month] if year.len() == 4 && month.len() == 2 => {
            date(year, month, "1").map(|date| date[..7].to_owned())
        }
        [year, month, day] if year.len() == 4 => date(year, month, day),
        [one, other, year] if year.len() == 4 => {
            let (day, month) = if day_first { (one, other) } else { (other, one) };
            date(year, month, day).or_else(|| date(year, day, month))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
