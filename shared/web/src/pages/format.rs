//! `/format`: the public documentation of the export format (45 CFR 170.315(b)(10)(iii)), generated from the tables that the export uses.

use askama::Template;
use domain::choices::{GroupRule, rules};
use domain::ledger::Reason;
use domain::redaction::REASONS;
use domain::sensitive::Sensitive;
use fhir::compartments::{has_compartment, table};
use fhir::mandatory;
use fhir::types::TYPES;

use super::frame::filters;
use crate::manifest::{members, schemas};

#[derive(Template)]
#[template(path = "format.html")]
pub struct FormatPage {
    manifest: Vec<ManifestPart>,
    /// The name of the file with the reasons for which staff left something out.
    reasons_file: &'static str,
    parts: Vec<PartRow>,
    topics: Vec<TopicRow>,
    /// Keys of the ledger's reasons; the message `left-out-KEY` explains each.
    reasons: Vec<&'static str>,
    types: Vec<TypeRow>,
    /// The types that are not part of a patient's record.
    others: Vec<&'static str>,
}

/// A part of the manifest, from its schema.
struct ManifestPart {
    /// The key of the heading.
    heading: String,
    members: Vec<MemberRow>,
}

/// A member of a manifest.
struct MemberRow {
    /// The name, after the names of the objects that contain it: `link.relation`.
    name: String,
    /// The key of the explanation.
    explanation: String,
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
    /// The key in the ledger and in the API.
    key: &'static str,
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

/// The parts of a manifest: the schema of each, and the start of the keys of its messages. The message `format-KEY` is the heading,
/// and `KEY-MEMBER` explains a member.
const PARTS: [(&str, &str); 5] = [
    ("Manifest", "manifest"),
    ("ManifestFile", "manifest-file"),
    ("ManifestExtension", "manifest-extension"),
    ("Ledger", "manifest-ledger"),
    ("Extension", "manifest-fhir"),
];

impl FormatPage {
    #[expect(clippy::new_without_default, reason = "it is created for one response")]
    pub fn new() -> Self {
        let outside = |name: &&&str| !has_compartment(name);
        Self {
            manifest: manifest_parts(),
            reasons_file: REASONS,
            parts: rules().iter().map(PartRow::new).collect(),
            topics: Sensitive::ALL.into_iter().map(TopicRow::new).collect(),
            reasons: Reason::ALL.into_iter().map(Reason::key).collect(),
            types: table().map(|(name, paths)| TypeRow::new(name, paths)).collect(),
            others: TYPES.iter().filter(outside).copied().collect(),
        }
    }
}

/// Returns the parts of a manifest with all members that its schemas have.
fn manifest_parts() -> Vec<ManifestPart> {
    let schemas = schemas();
    let part = |(schema, key): (&str, &str)| ManifestPart {
        heading: format!("format-{key}"),
        members: members(&schemas[schema]).into_iter().map(|name| MemberRow::new(key, name)).collect(),
    };
    PARTS.into_iter().map(part).collect()
}

impl MemberRow {
    fn new(key: &str, name: String) -> Self {
        Self { explanation: format!("{key}-{}", name.replace('.', "-")), name }
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
        Self { name: format!("topic-{}", topic.key()), key: topic.key(), labels: topic.labels().join(", ") }
    }
}

impl TypeRow {
    fn new(name: &'static str, paths: &[&str]) -> Self {
        Self { name, belongs: paths.join(", "), always: mandatory::of_type(name).join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use words::{Language, Words};

    use super::*;

    #[test]
    fn every_part_of_a_manifest_is_explained_in_every_language() {
        let explained = PARTS.map(|(schema, _)| schema);
        for schema in schemas().keys() {
            assert!(explained.contains(&schema.as_str()), "{schema} is not on the page");
        }
        for language in Language::all() {
            let words = Words { language, ..Words::default() };
            for part in manifest_parts() {
                let keys = part.members.iter().map(|member| &member.explanation).chain([&part.heading]);
                for key in keys {
                    assert!(words.has(key), "{}: no message {key}", language.tag());
                }
            }
        }
    }
}
