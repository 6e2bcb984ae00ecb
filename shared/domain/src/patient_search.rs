//! The search for patients of the record store: what staff type, and the rows of an index by which patients are found.
//!
//! A patient is found if every word that was typed is found: as the beginning of a word of one of the names, as an identifier
//! or the id, or by the birth date. Words that were typed apart may be one word of a name, and the whole text may be one
//! identifier, or one birth date, with spaces in it. Words and identifiers are compared as in the list of exports
//! ([`crate::words`]), and letters such as `ü` also in their longer spelling.
//!
//! The index has a row for each word of a patient's names, for each identifier and for the birth date. Names of several words, such as
//! `O'Brien` or `van der Berg`, are there also as one word. In the order of their bytes, the rows that begin with the same text are
//! adjacent, so that a search reads one short part of them. Each row has everything by which the patient is found, so that a search
//! compares the other words without reading other rows.

use std::borrow::Cow;
use std::ops::{AddAssign, Range};

use fhir::json;

use crate::error::{Error, Result};
use crate::identity;
use crate::ids::PatientId;
use crate::words::{identifier, spellings, written_words};

mod query;

pub use self::query::{Lookup, PatientSearch, is_first};

/// The maximum number of words of all names of a patient, in their first spelling. The words after them are ignored.
pub const MAX_WORDS: usize = 24;
/// The maximum number of other spellings of these words, and of words that are written together.
pub const MAX_FORMS: usize = 24;
/// The maximum number of identifiers of a patient in addition to the id. An enterprise index gives a merged patient one
/// number for each hospital and each former record. Every row has all of them, so more would make the rows of each of them longer.
pub const MAX_IDENTIFIERS: usize = 32;

/// The names, the birth date and the identifiers by which a patient is found, in the form in which they are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findable {
    pub id: PatientId,
    /// The words of all names, then their other forms, each once.
    pub words: Vec<String>,
    /// As FHIR writes it: a day, a month or a year.
    pub born: Option<String>,
    /// The id, and the identifiers.
    pub identifiers: Vec<String>,
}

/// The numbers of names and identifiers of a Patient that are beyond the limits, so that the patient is not found by them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Beyond {
    pub words: u64,
    pub identifiers: u64,
}

impl AddAssign for Beyond {
    fn add_assign(&mut self, other: Self) {
        self.words += other.words;
        self.identifiers += other.identifiers;
    }
}

impl Findable {
    /// Describes a patient of whom only the id is known.
    pub fn unnamed(id: PatientId) -> Self {
        // An id without a letter or a digit is found only if it is typed exactly.
        let folded = Some(identifier(id.as_str())).filter(|known| !known.is_empty());
        let identifiers = vec![folded.unwrap_or_else(|| id.to_string())];
        Self { id, words: Vec::new(), born: None, identifiers }
    }

    /// Describes a patient by the text of the Patient resource, which is checked JSON. Earlier names, such as before a marriage, are found
    /// as well.
    pub fn of_resource(id: PatientId, line: &[u8]) -> Self {
        Self::and_beyond(id, line).0
    }

    /// Does the same as [`Self::of_resource`]. Also returns the number of words and identifiers that are beyond the limits.
    pub fn and_beyond(id: PatientId, line: &[u8]) -> (Self, Beyond) {
        let (mut findable, mut beyond) = (Self::unnamed(id.clone()), Beyond::default());
        findable.born = identity::of_resource(id, line).birth_date;
        identity::each_identifier(line, |known| {
            let is_whole = identity::is_whole(&known);
            let known = identifier(&known.value);
            if !is_whole
                || (findable.identifiers.len() > MAX_IDENTIFIERS && !findable.identifiers.contains(&known))
            {
                beyond.identifiers += 1;
            } else if !known.is_empty() && !findable.identifiers.contains(&known) {
                findable.identifiers.push(known);
            }
        });
        let mut names = Names::default();
        json::members(line, 0..line.len(), |key, value| {
            if key == b"name" {
                json::elements(line, value, |name| names.add(line, name));
            }
        });
        beyond.words = names.beyond;
        findable.words = names.words;
        findable.words.extend(names.forms);
        (findable, beyond)
    }

    /// Returns the keys of the rows, each once.
    fn keys(&self) -> impl Iterator<Item = String> {
        let names = self.words.iter().map(|word| format!("{NAME}{word}"));
        let identifiers = self.identifiers.iter().map(|known| format!("{IDENTIFIER}{known}"));
        names.chain(identifiers).chain(self.born.iter().map(|born| format!("{BORN}{born}")))
    }

    /// Returns the rows of the index, without line ends: five fields, separated by tabs. The fields are the key, the words, the birth date,
    /// the identifiers and the id; words and identifiers are separated by spaces.
    pub fn rows(&self) -> Vec<String> {
        let (words, identifiers) = (self.words.join(" "), self.identifiers.join(" "));
        let born = self.born.as_deref().unwrap_or_default();
        let row = |key| format!("{key}\t{words}\t{born}\t{identifiers}\t{}", self.id);
        self.keys().map(row).collect()
    }
}

/// The words of the names of a patient.
#[derive(Default)]
struct Names {
    words: Vec<String>,
    /// Other spellings, and words that are written together.
    forms: Vec<String>,
    beyond: u64,
}

impl Names {
    /// Adds the words of a HumanName: of the family and given names, and of the text. Titles are not part of a name. The family name is
    /// first, so that the patients of one family name are in the order of their given names.
    fn add(&mut self, line: &[u8], name: Range<usize>) {
        let (mut family, mut given, mut text) = (None, Vec::new(), None);
        json::members(line, name, |key, value| match key {
            b"family" => family = json::string(line, value),
            b"given" => json::elements(line, value, |value| given.extend(json::string(line, value))),
            b"text" => text = json::string(line, value),
            _ => {}
        });
        let parts = |texts: &[Cow<'_, str>]| texts.iter().map(|text| written_words(text)).collect::<Vec<_>>();
        let (family, given, text) = (parts(family.as_slice()), parts(&given), parts(text.as_slice()));
        for word in family.iter().chain(&given).chain(&text).flatten() {
            let mut spelled = spellings(word).into_iter();
            let Some(first) = spelled.next() else { continue };
            match self.words.contains(&first) {
                true => {}
                false if self.words.len() < MAX_WORDS => self.words.push(first),
                false => self.beyond += 1,
            }
            for form in spelled {
                self.add_form(form);
            }
        }
        // A text repeats the other parts, if there are any.
        let text = if family.is_empty() && given.is_empty() { text } else { Vec::new() };
        for part in family.iter().chain(&given).chain(&text) {
            self.add_joined(part);
        }
        // Scripts without spaces write the family name and the given names together.
        let whole: Vec<String> = family.into_iter().chain(given).flatten().collect();
        if whole.len() > 1 && whole.iter().all(|word| word.chars().all(has_no_spaces)) {
            self.add_joined(&whole);
        }
    }

    /// Adds the words of a part of a name as one word, from each of them to the end.
    fn add_joined(&mut self, part: &[String]) {
        let part = &part[..part.len().min(MAX_WORDS)];
        for first in 0..part.len().saturating_sub(1) {
            for form in spellings(&part[first..].concat()) {
                self.add_form(form);
            }
        }
    }

    fn add_form(&mut self, form: String) {
        if self.words.contains(&form) || self.forms.contains(&form) {
            return;
        }
        match self.forms.len() < MAX_FORMS {
            true => self.forms.push(form),
            false => self.beyond += 1,
        }
    }
}

/// Returns whether a letter belongs to the Chinese, Japanese or Korean scripts.
fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

const NAME: &str = "name:";
const IDENTIFIER: &str = "id:";
const BORN: &str = "born:";

/// A row of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub key: String,
    pub patient: Findable,
}

impl Row {
    /// Reads a row. Returns [`Error::Damaged`] if it is not one of [`Findable::rows`].
    pub fn parse(line: &[u8]) -> Result<Self> {
        let damaged = || Error::damaged("index/", "it has a line that is not a row of the index");
        let text = std::str::from_utf8(line).map_err(|_| damaged())?;
        let fields: Vec<&str> = text.split('\t').collect();
        let [key, words, born, identifiers, id] = fields[..] else { return Err(damaged()) };
        let list = |text: &str| text.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let patient = Findable {
            id: PatientId::parse(id).map_err(|_| damaged())?,
            words: list(words),
            born: Some(born.to_owned()).filter(|born| !born.is_empty()),
            identifiers: list(identifiers),
        };
        Ok(Self { key: key.to_owned(), patient })
    }

    /// Returns whether it is the row of the patient's id. Each patient has one such row.
    pub fn is_of_id(&self) -> bool {
        let id = self.patient.identifiers.first().map(String::as_str);
        self.key.strip_prefix(IDENTIFIER).is_some_and(|key| Some(key) == id)
    }
}

#[cfg(test)]
mod tests;
