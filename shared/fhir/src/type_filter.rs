//! A `_typeFilter` as it is stored: checked and compiled at the kick-off, so that the workers only compare
//! (Bulk Data 3.0, `_typeFilter`; FHIR R4, search).

use serde::{Deserialize, Serialize};

use crate::date::Span;

/// One search on one type; a resource passes when every test holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeFilter {
    pub resource_type: String,
    pub tests: Vec<Test>,
}

/// One search parameter with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Elements from the root of the resource, as `code` or `meta.lastUpdated`; any of them.
    pub paths: Vec<String>,
    pub condition: Condition,
}

/// What must hold of an element; where there are several values, of any of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// The element is there, or is not.
    Missing(bool),
    Token(Vec<Token>),
    NotToken(Vec<Token>),
    /// The text or display of a code begins so, in lower case.
    TokenText(Vec<String>),
    Date(Vec<DateValue>),
    /// `Type/id`, or an id alone.
    Reference(Vec<String>),
    /// Begins so, in lower case.
    Text(Vec<String>),
    /// Contains it, in lower case.
    TextContains(Vec<String>),
    TextExact(Vec<String>),
    Uri(Vec<String>),
    Quantity(Vec<QuantityValue>),
}

/// `system|code`: without a bar any system, with nothing before it no system, with nothing behind it any code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateValue {
    pub prefix: Prefix,
    #[serde(flatten)]
    pub span: Span,
}

/// A number with its precision, and a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantityValue {
    pub prefix: Prefix,
    pub number: f64,
    /// Half of the last digit given.
    pub margin: f64,
    pub unit: Token,
}

/// How a value compares (FHIR R4, search prefixes).
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
    /// The prefix of a value and what is behind it; without one it is `eq`.
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
    /// Whether what happened in `target` is what is searched for. For `ap` the span was widened when it was read.
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
