//! A `_typeFilter` as it is stored. The kick-off checks and compiles it, so that the workers only compare values
//! (Bulk Data 3.0, `_typeFilter`; FHIR R4, search).

use serde::{Deserialize, Serialize};

use crate::date::Span;
use crate::references::OwnBases;

/// One search on one type; a resource matches if every test holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeFilter {
    pub resource_type: String,
    pub tests: Vec<Test>,
}

impl TypeFilter {
    /// Makes the references to this server's own resources relative, as they are stored: an absolute reference below one
    /// of its base URLs means the same resource (FHIR R4, reference search).
    #[must_use]
    pub fn with_own_references(mut self, own: &OwnBases) -> Self {
        for test in &mut self.tests {
            if let Condition::Reference(references) = &mut test.condition {
                for reference in references {
                    if let Some(relative) = own.parse(reference).map(|found| found.text.to_owned()) {
                        *reference = relative;
                    }
                }
            }
        }
        self
    }
}

/// One search parameter with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Paths of elements from the root of the resource, such as `code` or `meta.lastUpdated`. The test holds if the
    /// condition holds for any of them.
    pub paths: Vec<String>,
    pub condition: Condition,
}

/// The condition on an element. Of several values, at least one must match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// `true`: the element is missing; `false`: it is present.
    Missing(bool),
    Token(Vec<Token>),
    NotToken(Vec<Token>),
    /// The text or the display of a code begins with one of these texts, which are in lower case.
    TokenText(Vec<String>),
    Date(Vec<DateValue>),
    /// Each is a `Type/id` or a bare id.
    Reference(Vec<String>),
    /// The text begins with one of these, which are in lower case.
    Text(Vec<String>),
    /// The text contains one of these, which are in lower case.
    TextContains(Vec<String>),
    TextExact(Vec<String>),
    Uri(Vec<String>),
    /// Each is a canonical URL. One without a version matches every version.
    Canonical(Vec<String>),
    Quantity(Vec<QuantityValue>),
}

/// `system|code` (FHIR R4, token search). A missing `system` matches any system, and an empty one matches only codes
/// without a system. A missing `code` matches any code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A date with its prefix, as the span of time that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateValue {
    pub prefix: Prefix,
    #[serde(flatten)]
    pub span: Span,
}

/// A number with its prefix, its precision and its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantityValue {
    pub prefix: Prefix,
    pub number: f64,
    /// Half a unit of the last digit that was written: 0.05 for `5.4`.
    pub margin: f64,
    pub unit: Token,
}

/// The comparison of a value (FHIR R4, search prefixes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    /// Splits a value into its prefix and the rest. A value without a prefix means `eq`.
    pub fn split(value: &str) -> (Self, &str) {
        let prefix = match value.get(..2) {
            Some("eq") => Self::Eq,
            Some("ne") => Self::Ne,
            Some("gt") => Self::Gt,
            Some("lt") => Self::Lt,
            Some("ge") => Self::Ge,
            Some("le") => Self::Le,
            Some("sa") => Self::Sa,
            Some("eb") => Self::Eb,
            Some("ap") => Self::Ap,
            _ => return (Self::Eq, value),
        };
        (prefix, &value[2..])
    }
}

impl DateValue {
    /// Returns whether the time `target` of a resource matches. For `ap` the span was widened when the search was
    /// compiled.
    pub fn matches(self, target: Span) -> bool {
        let Self { prefix, span } = self;
        match prefix {
            Prefix::Eq => span.contains(target),
            Prefix::Ne => !span.contains(target),
            Prefix::Gt => target.to > span.to,
            Prefix::Lt => target.from < span.from,
            Prefix::Ge => target.to > span.to || span.contains(target),
            Prefix::Le => target.from < span.from || span.contains(target),
            Prefix::Sa => target.from >= span.to,
            Prefix::Eb => target.to <= span.from,
            Prefix::Ap => span.overlaps(target),
        }
    }
}

impl QuantityValue {
    /// Returns whether a number matches; the unit is not compared.
    pub fn matches(&self, number: f64) -> bool {
        let within = |margin: f64| number >= self.number - margin && number < self.number + margin;
        match self.prefix {
            Prefix::Eq => within(self.margin),
            Prefix::Ne => !within(self.margin),
            Prefix::Gt | Prefix::Sa => number > self.number,
            Prefix::Lt | Prefix::Eb => number < self.number,
            Prefix::Ge => number >= self.number,
            Prefix::Le => number <= self.number,
            Prefix::Ap => within((self.number.abs() / 10.0).max(self.margin)),
        }
    }
}
