//! What was typed: its words, the parts of the index where the searched patients are, and the comparison with a patient.

use std::ops::ControlFlow;

use super::{BORN, Findable, IDENTIFIER, NAME, Row};
use crate::search::birth_date;
use crate::words::{identifier, spellings, written_words};

/// The length of a date with a day, with a month and with a year, as FHIR writes them.
const DAY: usize = 10;
const MONTH: usize = 7;
const YEAR: usize = 4;
/// The maximum number of parts of the text. The parts after them are ignored.
const MAX_TERMS: usize = 16;
/// The maximum number of parts that are one word of a name, as `van den Berg` is `Vandenberg`.
const MAX_RUN: usize = 3;

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

    /// Returns the bytes with which the rows begin.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn has(&self, key: &str) -> bool {
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
    runs: Vec<Run>,
}

/// Neighbouring terms that can be one word of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    first: usize,
    count: usize,
    word: Spelled,
}

/// The spellings of a word, each once. A name is found by the beginning of any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spelled(Vec<String>);

impl Spelled {
    fn of(written: &str) -> Self {
        Self(spellings(written))
    }

    fn finds(&self, patient: &Findable) -> bool {
        patient.words.iter().any(|word| self.0.iter().any(|typed| word.starts_with(typed.as_str())))
    }

    fn lookups(&self) -> impl Iterator<Item = Lookup> {
        self.0.iter().map(|typed| Lookup::beginning(NAME, typed))
    }
}

/// A text that a patient must match in one of these ways.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    /// Each of them is the beginning of a word of a name. Empty if the text is no name.
    words: Vec<Spelled>,
    /// All of them as one word, if there are several.
    joined: Option<Spelled>,
    identifier: String,
    /// The day, the month or the year in which the patient was born.
    born: Option<String>,
}

impl Term {
    fn finds(&self, patient: &Findable) -> bool {
        let is_named = !self.words.is_empty() && self.words.iter().all(|word| word.finds(patient));
        is_named
            || self.joined.as_ref().is_some_and(|word| word.finds(patient))
            || (!self.identifier.is_empty() && patient.identifiers.contains(&self.identifier))
            || self.is_birth_of(patient)
    }

    /// Returns whether the patient was born on the searched day, or in the searched month or year. A record that has only the month or the
    /// year is found by each of its days.
    fn is_birth_of(&self, patient: &Findable) -> bool {
        let (Some(searched), Some(born)) = (&self.born, &patient.born) else { return false };
        born.starts_with(searched.as_str()) || searched.starts_with(born.as_str())
    }

    /// Returns the parts of the index that have the rows of all patients whom the term finds.
    fn lookups(&self) -> Vec<Lookup> {
        let longest = self.words.iter().max_by_key(|word| word.0.first().map(|word| word.chars().count()));
        let names = longest.into_iter().chain(&self.joined).flat_map(Spelled::lookups);
        let identifier = (!self.identifier.is_empty()).then(|| Lookup::exactly(IDENTIFIER, &self.identifier));
        names.chain(identifier).chain(self.births()).collect()
    }

    fn births(&self) -> Vec<Lookup> {
        let Some(born) = &self.born else { return Vec::new() };
        let shorter = [MONTH, YEAR].into_iter().filter(|length| *length < born.len());
        let shorter = shorter.map(|length| Lookup::exactly(BORN, &born[..length]));
        let then =
            if born.len() == DAY { Lookup::exactly(BORN, born) } else { Lookup::beginning(BORN, born) };
        std::iter::once(then).chain(shorter).collect()
    }
}

impl PatientSearch {
    /// Reads what was typed. `day_first` decides which of `03/04/1980` is the day.
    pub fn parse(text: &str, day_first: bool) -> Self {
        let text: String = text.chars().take(200).collect();
        let whole = Term {
            words: Vec::new(),
            joined: None,
            identifier: identifier(value_of(&text)),
            born: birth(text.trim(), day_first),
        };
        let parts = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        // A part without a letter or a digit says nothing.
        let parts = parts.filter(|part| !identifier(value_of(part)).is_empty()).take(MAX_TERMS);
        let parts: Vec<(&str, Vec<String>)> = parts.map(|part| (part, written_words(part))).collect();
        let term = |(text, words): &(&str, Vec<String>)| Term {
            words: words.iter().map(|word| Spelled::of(word)).collect(),
            joined: (words.len() > 1).then(|| Spelled::of(&words.concat())),
            identifier: identifier(value_of(text)),
            born: birth(text, day_first),
        };
        let run = |first: usize, count: usize| {
            let parts = parts.get(first..first + count)?;
            let word: String = parts.iter().flat_map(|(_, words)| words).map(String::as_str).collect();
            Some(Run { first, count, word: Spelled::of(&word) })
        };
        let runs =
            (0..parts.len()).flat_map(|first| (2..=MAX_RUN).filter_map(move |count| run(first, count)));
        Self { whole, runs: runs.collect(), terms: parts.iter().map(term).collect() }
    }

    /// Returns whether the text has no letter and no digit. Such a text finds nobody.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns whether the search finds this patient.
    pub fn finds(&self, patient: &Findable) -> bool {
        !self.is_empty() && (self.whole.finds(patient) || self.finds_each(patient))
    }

    /// Returns whether each term is found, alone or in a run.
    fn finds_each(&self, patient: &Findable) -> bool {
        // The number of first terms that are found.
        let mut is_found = vec![false; self.terms.len() + 1];
        is_found[0] = true;
        for (at, term) in self.terms.iter().enumerate() {
            if !is_found[at] {
                continue;
            }
            is_found[at + 1] |= term.finds(patient);
            for run in self.runs.iter().filter(|run| run.first == at) {
                is_found[at + run.count] |= run.word.finds(patient);
            }
        }
        is_found[self.terms.len()]
    }

    /// Returns ways to find all searched patients: each is a list of parts of the index, in at least one of which every searched patient
    /// has a row.
    pub fn ways(&self) -> Vec<Vec<Lookup>> {
        let way = |(at, term): (usize, &Term)| {
            let runs = self.runs.iter().filter(|run| (run.first..run.first + run.count).contains(&at));
            let in_runs = runs.flat_map(|run| run.word.lookups());
            let mut way: Vec<Lookup> = Vec::new();
            for lookup in self.whole.lookups().into_iter().chain(term.lookups()).chain(in_runs) {
                if !way.contains(&lookup) {
                    way.push(lookup);
                }
            }
            way
        };
        self.terms.iter().enumerate().map(way).collect()
    }
}

/// Reads a birth date, which may be only a month or a year.
fn birth(text: &str, day_first: bool) -> Option<String> {
    let parts: Vec<&str> = text.split(['-', '/', '.', ' ']).collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_year = |part: &str| part.len() == YEAR && is_number(part) && matches!(&part[..1], "1" | "2");
    let month = |year: &str, month: &str| {
        let month: u8 = month.parse().ok().filter(|_| month.len() <= 2 && is_number(month))?;
        (1..=12).contains(&month).then(|| format!("{year}-{month:02}"))
    };
    birth_date(text, day_first).or_else(|| match parts[..] {
        [year] if is_year(year) => Some(year.to_owned()),
        [year, other] | [other, year] if is_year(year) => month(year, other),
        _ => None,
    })
}

/// Returns the value of an identifier that was typed as FHIR searches write it, `system|value`.
fn value_of(text: &str) -> &str {
    text.rsplit('|').next().unwrap_or(text)
}

/// Returns whether a row is the first one by which these parts of the index find its patient, so that each patient is found once. `number`
/// is the number of the part that has the row.
pub fn is_first(row: &Row, way: &[Lookup], number: usize) -> bool {
    let first = way.iter().enumerate().try_for_each(|(at, lookup)| {
        let key = row.patient.keys().filter(|key| lookup.has(key)).min();
        key.map_or(ControlFlow::Continue(()), |key| ControlFlow::Break((at, key)))
    });
    matches!(first, ControlFlow::Break((at, key)) if at == number && key == row.key)
}
