//! `/format`: the public documentation of the export format (45 CFR 170.315(b)(10)(iii)), generated from the tables that the export uses.

use askama::Template;
use domain::choices::{GroupRule, Sensitive, rules};
use domain::ledger::Reason;
use fhir::compartments::{has_compartment, table};
use fhir::mandatory;
use fhir::types::TYPES;

use super::frame::filters;

#[derive(Template)]
#[template(path = "format.html")]
pub struct FormatPage {
    /// Members of the manifest; the message `manifest-MEMBER` explains each.
    members: [&'static str; 13],
    parts: Vec<PartRow>,
    topics: Vec<TopicRow>,
    /// Keys of the ledger's reasons; the message `left-out-KEY` explains each.
    reasons: Vec<&'static str>,
    types: Vec<TypeRow>,
    /// The types that are not part of a patient's record.
    others: Vec<&'static str>,
}

/// The contents of a part of the form.
struct PartRow {
    /// The key of the part's name in the catalogue.
    name: String,
    /// Resource types, separated by commas; empty for the part with all other types.
    types: String,
    codes: String,
}

struct TopicRow {
    name: String,
    labels: String,
}

/// A type of a patient's record.
struct TypeRow {
    name: &'static str,
    /// The elements that make a resource part of a record.
    belongs: String,
    /// The mandatory elements.
    always: String,
}

/// The documented members of a manifest.
const MEMBERS: [&str; 13] = [
    "transactionTime",
    "request",
    "requiresAccessToken",
    "output",
    "deleted",
    "error",
    "type",
    "url",
    "count",
    "sha256",
    "size",
    "ledger",
    "notice",
];

impl FormatPage {
    #[expect(clippy::new_without_default, reason = "it is created for one response")]
    pub fn new() -> Self {
        let outside = |name: &&&str| !has_compartment(name);
        Self {
            members: MEMBERS,
            parts: rules().iter().map(PartRow::new).collect(),
            topics: Sensitive::ALL.into_iter().map(TopicRow::new).collect(),
            reasons: Reason::ALL.into_iter().map(Reason::key).collect(),
            types: table().map(|(name, paths)| TypeRow::new(name, paths)).collect(),
            others: TYPES.iter().filter(outside).copied().collect(),
        }
    }
}

impl PartRow {
    fn new(rule: &GroupRule) -> Self {
        let name = rule.group.map_or("format-always".to_owned(), |group| format!("part-{}", group.key()));
        Self { name, types: rule.types.join(", "), codes: rule.codes.join(", ") }
    }
}

impl TopicRow {
    fn new(topic: Sensitive) -> Self {
        Self { name: format!("topic-{}", topic.key()), labels: topic.labels().join(", ") }
    }
}

impl TypeRow {
    fn new(name: &'static str, paths: &[&str]) -> Self {
        Self { name, belongs: paths.join(", "), always: mandatory::of_type(name).join(", ") }
    }
}
