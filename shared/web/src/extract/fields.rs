//! The fields of a form or of a query.

use std::collections::HashSet;

use domain::error::{Error, Result};

/// The fields of a form or of a query, in their order. A name can be repeated. Only extractors read the pairs: a handler names the
/// fields that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a urlencoded text; `None` if it is not one.
    pub fn decode(urlencoded: &[u8]) -> Option<Self> {
        serde_urlencoded::from_bytes(urlencoded).ok().map(Self)
    }

    /// Returns the urlencoded text.
    pub fn encode(&self) -> Result<String> {
        serde_urlencoded::to_string(&self.0).map_err(Error::internal)
    }

    /// Returns the first value of a field, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the first value of a field; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Returns all values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the names of the fields; a repeated one several times.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the first name that is repeated and not one of `may_repeat`.
    pub fn repeated(&self, may_repeat: &[&str]) -> Option<&str> {
        let mut seen = HashSet::new();
        self.names().filter(|name| !may_repeat.contains(name)).find(|name| !seen.insert(*name))
    }

    /// Returns the same fields and another one at the end.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Returns the fields that have none of these names.
    pub fn without(&self, names: &[&str]) -> Self {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// Returns the names and values, for an extractor or a parser.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl FromIterator<(String, String)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Extend<(String, String)> for Fields {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, pairs: I) {
        self.0.extend(pairs);
    }
}

#[cfg(test)]
mod tests;
