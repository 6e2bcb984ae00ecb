//! SMART scopes of version 1 and 2, and the access that they give (SMART App Launch 2.2, scopes).

mod distinct;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use self::distinct::distinct;

/// The maximum length of the scopes that a request asks for, in bytes. A scope for every type of a patient's record
/// needs about two kilobytes, and scopes with search parameters need more.
pub const MAX_REQUESTED: usize = 16 * 1024;

/// A set of scopes in the order in which they were given, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Vec<Scope>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    /// `patient/$ehi-export`, `system/$ehi-export`.
    Operation { level: ScopeLevel, name: String },
    /// `patient/Observation.rs?category=…`, `system/*.read`.
    Resource {
        level: ScopeLevel,
        resource_type: String,
        access: Access,
        constraint: Option<String>,
        text: String,
    },
    /// `access/<tag>.read`: limits all other scopes to resources with one of the tags.
    Tag(TagScope),
    /// `launch/patient`, `openid`, `offline_access`.
    Other(String),
}

/// A scope that begins with `access/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TagScope {
    /// `None` if the scope has no tag or does not include read and search access; such a scope is still a limit.
    tag: Option<String>,
    text: String,
}

impl TagScope {
    /// Returns whether the scope sets no limit: `access/*.*`, `access/*.read`.
    fn is_everything(&self) -> bool {
        self.tag.as_deref() == Some("*")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeLevel {
    Patient,
    User,
    System,
}

/// The letters of a version 2 scope, one bit each. Of version 1, `read` means `rs`, `write` means `cud`, and `*` means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
            // The letters must be in the order of `cruds`, each once.
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
    /// Parses a scope string. A scope of an unknown form is kept and allows nothing.
    pub fn parse(text: &str) -> Self {
        Self(distinct(text.split_ascii_whitespace()).map(Scope::parse).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|scope| scope.text() == word)
    }

    /// Returns whether an operation such as `$ehi-export` is allowed at a level.
    pub fn allows_operation(&self, level: ScopeLevel, operation: &str) -> bool {
        self.0.iter().any(
            |scope| matches!(scope, Scope::Operation { level: at, name } if *at == level && name == operation),
        )
    }

    /// Returns the types that may be read and searched at a level, each with its constraint; `*` means every type.
    pub fn readable(&self, level: ScopeLevel) -> impl Iterator<Item = (&str, Option<&str>)> {
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

    /// Returns whether any resource of a type may be read by its id at a level. Scopes with constraints do not allow
    /// it.
    pub fn may_read(&self, level: ScopeLevel, wanted: &str) -> bool {
        let needed = Access::parse("r");
        self.0.iter().any(|scope| match scope {
            Scope::Resource { level: at, resource_type, access, constraint: None, .. } => {
                *at == level
                    && (resource_type == "*" || resource_type == wanted)
                    && needed.is_some_and(|needed| access.includes(needed))
            }
            _ => false,
        })
    }

    /// Returns whether any scope is about resources, operations or tags, even if it is malformed.
    pub fn speak_of_data(&self) -> bool {
        self.0.iter().any(|scope| !matches!(scope, Scope::Other(word) if !has_level(word)))
    }

    /// Returns the tags to which `access/` scopes limit all access; `None` if there is no such scope, or one without a
    /// limit. A malformed `access/` scope adds no tag, so that alone it allows nothing.
    pub fn access_tags(&self) -> Option<BTreeSet<String>> {
        let tags: Vec<&TagScope> = self.tag_scopes().collect();
        if tags.is_empty() || tags.iter().any(|scope| scope.is_everything()) {
            return None;
        }
        Some(tags.into_iter().filter_map(|scope| scope.tag.clone()).collect())
    }

    fn tag_scopes(&self) -> impl Iterator<Item = &TagScope> {
        self.0.iter().filter_map(|scope| match scope {
            Scope::Tag(tag) => Some(tag),
            _ => None,
        })
    }

    /// Returns the scopes that look like scopes for data but are malformed: an unknown resource type, letters out of
    /// order, or an `access/` scope without read access.
    pub fn malformed(&self) -> Vec<String> {
        let is_malformed = |scope: &&Scope| match scope {
            Scope::Other(word) => has_level(word),
            Scope::Tag(tag) => tag.tag.is_none(),
            Scope::Resource { .. } | Scope::Operation { .. } => false,
        };
        self.0.iter().filter(is_malformed).map(Scope::text).collect()
    }

    /// Narrows the requested scopes (`self`) to the registered ones. A requested scope that `registered` covers stays. One
    /// that requests more is replaced by the registered scopes that it covers. A limit by tags is never lost: if
    /// `registered` has one, the result is limited to the requested ones of its tags, or to all of its tags if none of
    /// them was requested.
    pub fn narrowed_to<'s>(&'s self, registered: &'s Self) -> Self {
        let granted = |requested: &'s Scope| {
            let is_covered = registered.0.iter().any(|held| held.covers(requested));
            let parts = registered.0.iter().filter(move |held| !is_covered && requested.covers(held));
            is_covered.then_some(requested).into_iter().chain(parts)
        };
        let requested = self.0.iter().filter(|requested| !matches!(requested, Scope::Tag(_)));
        let mut narrowed: Vec<Scope> = distinct(requested.flat_map(granted)).cloned().collect();
        if !narrowed.is_empty() {
            narrowed.extend(self.narrowed_tags(registered).into_iter().cloned().map(Scope::Tag));
        }
        Self(narrowed)
    }

    /// Returns the `access/` scopes of a token: the requested ones that are within the registered ones, or else the
    /// registered ones.
    fn narrowed_tags<'s>(&'s self, registered: &'s Self) -> Vec<&'s TagScope> {
        let Some(held) = registered.access_tags() else {
            // No limit is registered, but a client may limit itself.
            return self.tag_scopes().collect();
        };
        let within = |scope: &&TagScope| scope.tag.as_ref().is_some_and(|tag| held.contains(tag));
        let requested: Vec<_> = self.tag_scopes().filter(within).collect();
        if !requested.is_empty() {
            return requested;
        }
        // Malformed scopes are kept as the limit only if there is no other.
        let is_any_readable = !held.is_empty();
        registered.tag_scopes().filter(|scope| scope.tag.is_some() == is_any_readable).collect()
    }

    /// Returns whether `other` covers every scope of `self`. A limit by tags may be missing in `self`, because
    /// [`Scopes::narrowed_to`] adds it. A tag that `other` does not have is not covered.
    pub fn is_within(&self, other: &Self) -> bool {
        let tags = other.access_tags();
        let covered = |requested: &Scope| match requested {
            // A malformed tag scope gives no access, so it is covered.
            Scope::Tag(tag) => {
                tags.as_ref().is_none_or(|held| tag.tag.as_ref().is_none_or(|tag| held.contains(tag)))
            }
            requested => other.0.iter().any(|held| held.covers(requested)),
        };
        self.0.iter().all(covered)
    }

    /// Returns whether the token response includes a refresh token: the scopes request one, or allow an EHI export
    /// (Argonaut EHI, section 1).
    pub fn wants_refresh(&self) -> bool {
        self.has("offline_access")
            || self.has("online_access")
            || self.allows_operation(ScopeLevel::Patient, "$ehi-export")
    }

    /// Returns whether a refresh token is valid only while the patient is signed in (SMART App Launch 2.2, `online_access`).
    pub fn end_with_session(&self) -> bool {
        self.has("online_access")
            && !self.has("offline_access")
            && !self.allows_operation(ScopeLevel::Patient, "$ehi-export")
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
            "access" => {
                let needed = Access::parse("rs")?;
                let readable = |(tag, access): (&str, &str)| {
                    let may_read = Access::parse(access).is_some_and(|access| access.includes(needed));
                    (may_read && !tag.is_empty()).then(|| tag.to_owned())
                };
                let tag = rest.rsplit_once('.').and_then(readable);
                return Some(Self::Tag(TagScope { tag, text: word.to_owned() }));
            }
            "patient" => ScopeLevel::Patient,
            "user" => ScopeLevel::User,
            "system" => ScopeLevel::System,
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
        let valid = resource_type == "*" || fhir::types::is_type(resource_type);
        valid.then(|| Self::Resource {
            level,
            resource_type: resource_type.to_owned(),
            access,
            constraint,
            text: word.to_owned(),
        })
    }

    fn covers(&self, requested: &Self) -> bool {
        match (self, requested) {
            (
                Self::Resource { level, resource_type, access, constraint, .. },
                Self::Resource { level: at, resource_type: of, access: to, constraint: only, .. },
            ) => {
                level == at
                    && (resource_type == "*" || resource_type == of)
                    && access.includes(*to)
                    && (constraint.is_none() || constraint == only)
            }
            // A malformed scope for data is never granted.
            (Self::Other(held), Self::Other(requested)) => held == requested && !has_level(held),
            (held, requested) => held == requested,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Operation { level, name } => {
                let level = match level {
                    ScopeLevel::Patient => "patient",
                    ScopeLevel::User => "user",
                    ScopeLevel::System => "system",
                };
                format!("{level}/{name}")
            }
            Self::Resource { text, .. } | Self::Tag(TagScope { text, .. }) | Self::Other(text) => {
                text.clone()
            }
        }
    }
}

/// Returns whether a word begins like a scope for data.
fn has_level(word: &str) -> bool {
    ["patient/", "user/", "system/"].iter().any(|level| word.starts_with(level))
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
mod tests;
