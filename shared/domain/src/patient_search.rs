//! The search for patients of the record store: what staff type, and the rows of an index by which patients are found.
//!
//! A patient is found if every word that was typed is found: as the beginning of a word of one of the names, as an identifier
//! or the id, or as the birth date. The whole text may also be one identifier, or one birth date, with spaces in it. Words and
//! identifiers are compared as in the list of exports ([`crate::words`]).
//!
//! The index has a row for each word of a patient's names, for each identifier and for the birth date. The rows that begin
//! with the same text stand together when they are sorted by their bytes, so that a search reads one short part of them. Each
//! row has everything by which the patient is found, so that a search compares the other words without reading other rows.

use std::ops::{ControlFlow, Range};

use fhir::json;

use crate::error::{Error, Result};
use crate::identity;
use crate::ids::PatientId;
use crate::search::birth_date;
use crate::words::{are_prefixes, identifier, words};

/// The maximum number of words of all names of a patient. The words after them are ignored.
pub const MAX_WORDS: usize = 24;
/// The length of a date with a day, as FHIR writes it.
const DAY: usize = 10;

/// By what a patient is found, folded as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findable {
    pub id: PatientId,
    /// The words of all names, each once.
    pub words: Vec<String>,
    /// As FHIR writes it: a day, a month or a year.
    pub born: Option<String>,
    /// The id, and the identifiers.
    pub identifiers: Vec<String>,
}

impl Findable {
    /// A patient of whom only the id is known.
    pub fn unnamed(id: PatientId) -> Self {
        // An id without a letter or a digit is found by itself alone.
        let folded = Some(identifier(id.as_str())).filter(|known| !known.is_empty());
        let identifiers = vec![folded.unwrap_or_else(|| id.to_string())];
        Self { id, words: Vec::new(), born: None, identifiers }
    }

    /// A patient by the text of the Patient resource, which is checked JSON. Earlier names, such as before a marriage, are
    /// found as well.
    pub fn of_resource(id: PatientId, line: &[u8]) -> Self {
        let summary = identity::of_resource(id.clone(), line);
        let mut findable = Self::unnamed(id);
        findable.born = summary.birth_date;
        for known in summary.identifiers {
            let known = identifier(&known.value);
            if !known.is_empty() && !findable.identifiers.contains(&known) {
                findable.identifiers.push(known);
            }
        }
        json::members(line, 0..line.len(), |key, value| {
            if key == b"name" {
                json::elements(line, value, |name| findable.add_name(line, name));
            }
        });
        findable
    }

    /// Adds the words of a HumanName: of the family and given names, and of the text. Titles are not part of a name. The family
    /// name is first, so that the patients of one family name stand in the order of their given names.
    fn add_name(&mut self, line: &[u8], name: Range<usize>) {
        let (mut family, mut given, mut text) = (None, Vec::new(), None);
        json::members(line, name, |key, value| match key {
            b"family" => family = json::string(line, value),
            b"given" => json::elements(line, value, |value| given.extend(json::string(line, value))),
            b"text" => text = json::string(line, value),
            _ => {}
        });
        for word in family.iter().chain(&given).chain(&text).flat_map(|text| words(text)) {
            if self.words.len() < MAX_WORDS && !self.words.contains(&word) {
                self.words.push(word);
            }
        }
    }

    /// The keys of the rows, each once.
    fn keys(&self) -> impl Iterator<Item = String> {
        let names = self.words.iter().map(|word| format!("{NAME}{word}"));
        let identifiers = self.identifiers.iter().map(|known| format!("{IDENTIFIER}{known}"));
        names.chain(identifiers).chain(self.born.iter().map(|born| format!("{BORN}{born}")))
    }

    /// The rows of the index, without line ends: five fields, separated by tabs. The fields are the key, the words, the birth
    /// date, the identifiers and the id; words and identifiers are separated by spaces.
    pub fn rows(&self) -> Vec<String> {
        let (words, identifiers) = (self.words.join(" "), self.identifiers.join(" "));
        let born = self.born.as_deref().unwrap_or_default();
        let row = |key| format!("{key}\t{words}\t{born}\t{identifiers}\t{}", self.id);
        self.keys().map(row).collect()
    }
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

    /// Whether it is the row of the patient's id, of which each patient has one.
    pub fn is_of_id(&self) -> bool {
        let id = self.patient.identifiers.first().map(String::as_str);
        self.key.strip_prefix(IDENTIFIER).is_some_and(|key| Some(key) == id)
    }
}

/// The part of the rows that begin with a text. A key at its end has the tab after it, so that longer keys are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup(String);

impl Lookup {
    fn beginning(kind: &str, text: &str) -> Self {
        Self(format!("{kind}{text}"))
    }

    fn exactly(kind: &str, text: &str) -> Self {
        Self(format!("{kind}{text}\t"))
    }

    /// The bytes with which the rows begin.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn has(&self, key: &str) -> bool {
        match self.0.strip_suffix('\t') {
            Some(exact) => key == exact,
            None => key.starts_with(&self.0),
        }
    }
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientSearch {
    /// The whole text, which can be an identifier or a birth date.
    whole: Term,
    terms: Vec<Term>,
}

/// A text that a patient must match in one of these ways.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// Each of them is the beginning of a word of a name. Empty if the text is no name.
    words: Vec<String>,
    identifier: String,
    /// A day, or a month in which the patient was born.
    born: Option<String>,
}

impl Term {
    fn finds(&self, patient: &Findable) -> bool {
        let born = patient.born.as_deref().unwrap_or_default();
        let is_named =
            !self.words.is_empty() && are_prefixes(&self.words, patient.words.iter().map(String::as_str));
        is_named
            || (!self.identifier.is_empty() && patient.identifiers.contains(&self.identifier))
            || self.born.as_deref().is_some_and(|searched| born.starts_with(searched))
    }

    /// The parts of the index in which the rows of all patients are that the term finds.
    fn lookups(&self) -> Vec<Lookup> {
        let longest = self.words.iter().max_by_key(|word| word.chars().count());
        let name = longest.map(|word| Lookup::beginning(NAME, word));
        let identifier = (!self.identifier.is_empty()).then(|| Lookup::exactly(IDENTIFIER, &self.identifier));
        let born = self.born.as_deref().map(|born| match born.len() {
            DAY => Lookup::exactly(BORN, born),
            _ => Lookup::beginning(BORN, born),
        });
        name.into_iter().chain(identifier).chain(born).collect()
    }
}

impl PatientSearch {
    /// Reads what was typed. `day_first` decides which of `03/04/1980` is the day.
    pub fn parse(text: &str, day_first: bool) -> Self {
        let text: String = text.chars().take(200).collect();
        let whole = Term {
            words: Vec::new(),
            identifier: identifier(value_of(&text)),
            born: birth_date(text.trim(), day_first),
        };
        let term = |text: &str| Term {
            words: words(text),
            identifier: identifier(value_of(text)),
            born: birth_date(text, day_first),
        };
        // A part without a letter or a digit says nothing.
        let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).map(term);
        let terms = parts.filter(|term| !term.identifier.is_empty()).collect();
        Self { whole, terms }
    }

    /// Whether the text has no letter and no digit. It finds nobody.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a patient is searched for.
    pub fn finds(&self, patient: &Findable) -> bool {
        !self.is_empty() && (self.whole.finds(patient) || self.terms.iter().all(|term| term.finds(patient)))
    }

    /// Ways to find all searched patients: each is a list of parts of the index, in at least one of which every searched
    /// patient has a row.
    pub fn ways(&self) -> Vec<Vec<Lookup>> {
        let whole = self.whole.lookups();
        let way = |term: &Term| {
            let mut way = whole.clone();
            way.extend(term.lookups().into_iter().filter(|lookup| !whole.contains(lookup)));
            way
        };
        self.terms.iter().map(way).collect()
    }
}

/// Returns the value of an identifier that was typed as FHIR searches write it, `system|value`.
fn value_of(text: &str) -> &str {
    text.rsplit('|').next().unwrap_or(text)
}

/// Whether a row is the first by which these parts of the index find its patient, who so is found once. The row is in the part
/// with this number.
pub fn is_first(row: &Row, way: &[Lookup], number: usize) -> bool {
    let first = way.iter().enumerate().try_for_each(|(at, lookup)| {
        let key = row.patient.keys().filter(|key| lookup.has(key)).min();
        key.map_or(ControlFlow::Continue(()), |key| ControlFlow::Break((at, key)))
    });
    matches!(first, ControlFlow::Break((at, key)) if at == number && key == row.key)
}

#[cfg(test)]
mod tests;
