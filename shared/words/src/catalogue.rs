//! The languages and their messages.

use crate::isolate::isolated;

/// The messages of a language, sorted by key.
pub(crate) struct Catalogue {
    pub(crate) tag: &'static str,
    pub(crate) plurals: Plurals,
    pub(crate) messages: &'static [(&'static str, &'static [Piece])],
}

/// The plural forms of whole numbers in a language: `one`, `few` and so on (Unicode, CLDR). The build script makes the tables.
pub(crate) struct Plurals {
    /// The forms of 0, 1 and so on.
    pub(crate) first: &'static [&'static str],
    /// The forms of all other numbers, by the remainder of the division by the length of this table.
    pub(crate) rest: &'static [&'static str],
    /// The form of whole millions, if it is not that of their remainder.
    pub(crate) millions: Option<&'static str>,
}

impl Plurals {
    /// Returns the form of a number that is written with digits and separators; `None` if there are no digits.
    fn form(&self, written: &str) -> Option<&'static str> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let number: usize = digits.parse().ok()?;
        let first = self.first.get(number).copied();
        let of_millions = self.millions.filter(|_| number.is_multiple_of(1_000_000));
        first.or(of_millions).or_else(|| self.rest.get(number.checked_rem(self.rest.len())?).copied())
    }
}

/// A part of a message.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(&'static str),
    Variable(&'static str),
    /// One of several texts, selected by the value of a variable: a case is the value itself, or the plural form of the number.
    Select {
        variable: &'static str,
        cases: &'static [(&'static str, &'static [Piece])],
        other: &'static [Piece],
    },
}

static CATALOGUES: &[Catalogue] = include!(concat!(env!("OUT_DIR"), "/catalogues.rs"));

impl Catalogue {
    fn pieces(&self, key: &str) -> Option<&'static [Piece]> {
        self.messages
            .binary_search_by(|(known, _)| (*known).cmp(key))
            .ok()
            .map(|index| self.messages[index].1)
    }

    fn write(&self, pieces: &[Piece], values: &[(&str, &str)], text: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Variable(name) => text.push_str(&isolated(value(values, name))),
                Piece::Select { variable, cases, other } => {
                    let chosen = value(values, variable);
                    let case = |wanted: &str| cases.iter().find(|(case, _)| *case == wanted);
                    // Only a number is compared with the cases, because a text could be the name of a form.
                    let number = Some(chosen).filter(|chosen| !chosen.contains(char::is_alphabetic));
                    let found =
                        number.and_then(|number| case(number).or_else(|| case(self.plurals.form(number)?)));
                    self.write(found.map_or(*other, |(_, case)| *case), values, text);
                }
            }
        }
    }
}

/// A language that has a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(&'static str);

impl Language {
    /// The default language.
    pub const ENGLISH: Self = Self("en");

    /// Returns all languages, sorted by tag.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUES.iter().map(|catalogue| Self(catalogue.tag))
    }

    /// Returns the language of a tag, or of its primary subtag: `es-US` is `es`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let is = |tag: &str| Self::all().find(|language| language.0.eq_ignore_ascii_case(tag));
        is(tag).or_else(|| is(tag.split('-').next().unwrap_or_default()))
    }

    /// Returns the tag for the `lang` attribute of HTML.
    pub fn tag(self) -> &'static str {
        self.0
    }

    /// Returns the name of the language in the language itself.
    pub fn name(self) -> String {
        self.text("language", &[])
    }

    fn catalogue(self) -> &'static Catalogue {
        CATALOGUES.iter().find(|catalogue| catalogue.tag == self.0).unwrap_or(&CATALOGUES[0])
    }

    fn pieces(self, key: &str) -> Option<&'static [Piece]> {
        self.catalogue().pieces(key)
    }

    pub(crate) fn has(self, key: &str) -> bool {
        self.pieces(key).is_some()
    }

    pub(crate) fn text(self, key: &str, values: &[(&str, &str)]) -> String {
        let found = [self, Self::ENGLISH].into_iter().find_map(|language| {
            let catalogue = language.catalogue();
            Some((catalogue, catalogue.pieces(key)?))
        });
        debug_assert!(found.is_some(), "there is no message '{key}'");
        let mut text = String::new();
        match found {
            Some((catalogue, pieces)) => catalogue.write(pieces, values, &mut text),
            None => text.push_str(key),
        }
        text
    }

    /// Returns the variables of a message, sorted and without duplicates; `None` if there is no such message.
    pub fn variables(self, key: &str) -> Option<Vec<&'static str>> {
        let mut found = Vec::new();
        variables(self.pieces(key)?, &mut found);
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Returns all keys of the catalogue.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        self.catalogue().messages.iter().map(|(key, _)| *key)
    }
}

fn value<'v>(values: &[(&str, &'v str)], name: &str) -> &'v str {
    let found = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    debug_assert!(found.is_some(), "the variable '{name}' of a message has no value");
    found.unwrap_or_default()
}

fn variables(pieces: &'static [Piece], found: &mut Vec<&'static str>) {
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Variable(name) => found.push(name),
            Piece::Select { variable, cases, other } => {
                found.push(variable);
                cases.iter().for_each(|(_, case)| variables(case, found));
                variables(other, found);
            }
        }
    }
}

/// A part of a text from the settings.
#[derive(Debug, PartialEq, Eq)]
pub enum Placeholder<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// Parses a text from the settings: `{ $name }` is a variable, and everything else is literal text.
pub fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, variable, after)) = first_variable(rest) {
        found.push(Placeholder::Text(before));
        found.push(Placeholder::Variable(variable));
        rest = after;
    }
    found.push(Placeholder::Text(rest));
    found.retain(|part| *part != Placeholder::Text(""));
    found
}

fn first_variable(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.match_indices('{').find_map(|(at, _)| {
        let (inner, after) = text[at + 1..].split_once('}')?;
        let name = inner.trim().strip_prefix('$').filter(|name| is_name(name))?;
        Some((&text[..at], name, after))
    })
}

pub(crate) fn fill(parts: &[Placeholder<'_>], values: &[(&str, &str)]) -> String {
    let part = |part: &Placeholder<'_>| match part {
        Placeholder::Text(text) => (*text).to_owned(),
        Placeholder::Variable(name) => isolated(value(values, name)).into_owned(),
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests;
