//! SMART scopes, version 1 and 2, and what they let a caller do (SMART App Launch 2.2, scopes).

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of scopes in the order they were given, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Vec<Scope>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// `patient/$ehi-export`, `system/$ehi-export`.
    Operation { level: Level, name: String },
    /// `patient/Observation.rs?category=…`, `system/*.read`.
    Resource { level: Level, resource_type: String, access: Access, constraint: Option<String>, text: String },
    /// `launch/patient`, `openid`, `offline_access`.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Patient,
    User,
    System,
}

/// The letters of a version 2 scope; version 1 `read` is `rs`, `write` is `cud`, `*` is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access(u8);

impl Access {
    const LETTERS: [char; 5] = ['c', 'r', 'u', 'd', 's'];

    fn parse(text: &str) -> Option<Self> {
        match text {
            "read" => return Self::parse("rs"),
            "write" => return Self::parse("cud"),
            "*" => return Self::parse("cruds"),
            "" => return None,
            _ => {}
        }
        let mut bits = 0;
        for letter in text.chars() {
            let bit = 1 << Self::LETTERS.iter().position(|known| *known == letter)?;
            // Letters come in their order, each once.
            if bits >= bit {
                return None;
            }
            bits |= bit;
        }
        Some(Self(bits))
    }

    fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Scopes {
    /// Reads a scope string. What is no known form is kept as it is and allows nothing.
    pub fn parse(text: &str) -> Self {
        let mut scopes: Vec<Scope> = Vec::new();
        for word in text.split_ascii_whitespace() {
            let scope = Scope::parse(word);
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Self(scopes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|scope| scope.text() == word)
    }

    /// Whether an operation such as `$ehi-export` is allowed at a level.
    pub fn allows_operation(&self, level: Level, operation: &str) -> bool {
        self.0.iter().any(
            |scope| matches!(scope, Scope::Operation { level: at, name } if *at == level && name == operation),
        )
    }

    /// The types that may be read and searched at a level, each with its constraint; `*` is every type.
    pub fn readable(&self, level: Level) -> impl Iterator<Item = (&str, Option<&str>)> {
        let needed = Access::parse("rs");
        self.0.iter().filter_map(move |scope| match scope {
            Scope::Resource { level: at, resource_type, access, constraint, .. }
                if *at == level && needed.is_some_and(|needed| access.includes(needed)) =>
            {
                Some((resource_type.as_str(), constraint.as_deref()))
            }
            _ => None,
        })
    }

    /// The tags of `access/<tag>.read` and `access/<tag>.*`; `None` without any, and with `access/*.*`.
    pub fn access_tags(&self) -> Option<BTreeSet<String>> {
        let mut tags = BTreeSet::new();
        for scope in &self.0 {
            let Scope::Other(text) = scope else { continue };
            let Some((tag, access)) = text.strip_prefix("access/").and_then(|rest| rest.rsplit_once('.'))
            else {
                continue;
            };
            match (tag, access) {
                ("*", "*" | "read") => return None,
                (tag, "*" | "read") if !tag.is_empty() => {
                    tags.insert(tag.to_owned());
                }
                _ => {}
            }
        }
        (!tags.is_empty()).then_some(tags)
    }

    /// The scopes of `self` that `registered` covers, in the order they were asked for; in the place of one that asks
    /// for more, those of `registered` that it covers.
    pub fn narrowed_to(&self, registered: &Self) -> Self {
        let mut narrowed: Vec<Scope> = Vec::new();
        for asked in &self.0 {
            let mut take = |scope: &Scope| {
                if !narrowed.contains(scope) {
                    narrowed.push(scope.clone());
                }
            };
            if registered.0.iter().any(|held| held.covers(asked)) {
                take(asked);
            } else {
                registered.0.iter().filter(|held| asked.covers(held)).for_each(take);
            }
        }
        Self(narrowed)
    }

    /// Whether every scope of `self` is covered by `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.narrowed_to(other) == *self
    }

    /// Whether a refresh token goes with these scopes: asked for, or an EHI export (Argonaut EHI, 1).
    pub fn wants_refresh(&self) -> bool {
        self.has("offline_access")
            || self.has("online_access")
            || self.allows_operation(Level::Patient, "$ehi-export")
    }

    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(Scope::text)
    }
}

impl Scope {
    fn parse(word: &str) -> Self {
        Self::parse_known(word).unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    fn parse_known(word: &str) -> Option<Self> {
        let (level, rest) = word.split_once('/')?;
        let level = match level {
            "patient" => Level::Patient,
            "user" => Level::User,
            "system" => Level::System,
            _ => return None,
        };
        if rest.starts_with('$') {
            return Some(Self::Operation { level, name: rest.to_owned() });
        }
        let (resource_type, access) = rest.split_once('.')?;
        let (access, constraint) = match access.split_once('?') {
            Some((access, constraint)) => (access, Some(constraint.to_owned())),
            None => (access, None),
        };
        let access = Access::parse(access)?;
        let valid = resource_type == "*" || super::ids::is_type_name(resource_type);
        valid.then(|| Self::Resource {
            level,
            resource_type: resource_type.to_owned(),
            access,
            constraint,
            text: word.to_owned(),
        })
    }

    fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (
                Self::Resource { level, resource_type, access, constraint, .. },
                Self::Resource { level: at, resource_type: of, access: to, constraint: only, .. },
            ) => {
                level == at
                    && (resource_type == "*" || resource_type == of)
                    && access.includes(*to)
                    && (constraint.is_none() || constraint == only)
            }
            (held, asked) => held == asked,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Operation { level, name } => {
                let level = match level {
                    Level::Patient => "patient",
                    Level::User => "user",
                    Level::System => "system",
                };
                format!("{level}/{name}")
            }
            Self::Resource { text, .. } | Self::Other(text) => text.clone(),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(&word)?;
        }
        Ok(())
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn version_1_and_version_2_cover_each_other() {
        for (held, asked, covered) in [
            ("system/*.read", "system/Observation.rs", true),
            ("system/*.rs", "system/Observation.read", true),
            ("system/*.rs", "system/Observation.r", true),
            ("system/*.r", "system/Observation.rs", false),
            ("system/Observation.rs", "system/*.rs", false),
            ("patient/*.rs", "system/*.rs", false),
            ("system/*.*", "system/Patient.cruds", true),
            ("system/*.sr", "system/Patient.r", false),
            ("system/Observation.rs?category=laboratory", "system/Observation.rs", false),
            ("system/Observation.rs", "system/Observation.rs?category=laboratory", true),
            ("patient/$ehi-export", "patient/$ehi-export", true),
            ("patient/$ehi-export", "system/$ehi-export", false),
            ("patient/*.*", "patient/$ehi-export", false),
        ] {
            let within = Scopes::parse(asked).is_within(&Scopes::parse(held));
            assert_eq!(within, covered, "{held} covers {asked}");
        }
    }

    proptest! {
        #[test]
        fn narrowing_never_gives_what_was_not_held(asked in "[a-z/$*. A-Z-]{0,60}", held in "[a-z/$*. A-Z-]{0,60}") {
            let held = Scopes::parse(&held);
            let narrowed = Scopes::parse(&asked).narrowed_to(&held);
            prop_assert!(narrowed.is_within(&held));
        }

        #[test]
        fn printing_and_parsing_is_the_same(text in "[a-z/$*.?= A-Z-]{0,80}") {
            let scopes = Scopes::parse(&text);
            prop_assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
        }
    }
}
