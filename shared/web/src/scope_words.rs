//! Describes OAuth scopes to patients. Each meaning appears once: first identity, then the readable data, then the duration of access.

use domain::scopes::Scopes;
use fhir::search::compile::decoded;
use words::Words;

const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const US_CORE: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
const LOINC: &str = "http://loinc.org";

/// The categories that have words: code system, code, and the end of the key in the catalogues. They are those of FHIR R4 and of the
/// granular scopes of US Core 7.0.
const CATEGORIES: &[(&str, &str, &str)] = &[
    (OBSERVATION, "activity", "activity"),
    (OBSERVATION, "exam", "exam"),
    (OBSERVATION, "imaging", "imaging"),
    (OBSERVATION, "laboratory", "laboratory"),
    (OBSERVATION, "procedure", "procedure"),
    (OBSERVATION, "social-history", "social-history"),
    (OBSERVATION, "survey", "survey"),
    (OBSERVATION, "therapy", "therapy"),
    (OBSERVATION, "vital-signs", "vital-signs"),
    (CONDITION, "encounter-diagnosis", "encounter-diagnosis"),
    (CONDITION, "problem-list-item", "problem-list-item"),
    ("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern", "health-concern"),
    (
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
        "clinical-note",
        "clinical-note",
    ),
    ("http://hl7.org/fhir/us/core/CodeSystem/us-core-observation-category", "clinical-test", "clinical-test"),
    (US_CORE, "cognitive-status", "cognitive-status"),
    (US_CORE, "disability-status", "disability-status"),
    (US_CORE, "functional-status", "functional-status"),
    (US_CORE, "sdoh", "sdoh"),
    ("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "laboratory"),
    (LOINC, "LP29684-5", "imaging"),
    (LOINC, "LP29708-2", "cardiology"),
    (LOINC, "LP7839-6", "pathology"),
];

/// Returns the lines for the consent page and for the page of apps with access.
pub fn scopes_in_words(scopes: &Scopes, words: &Words) -> Vec<String> {
    let mut lines: Vec<_> = scopes.words().map(|scope| line(&scope, words)).collect();
    lines.sort();
    lines.dedup();
    lines.into_iter().map(|(_, text)| text).collect()
}

/// Returns the sort position of a scope, and its text.
fn line(scope: &str, words: &Words) -> (u8, String) {
    let plain = |place: u8, key: &str| (place, words.text(key, &[]));
    match scope {
        "openid" | "fhirUser" | "profile" => plain(0, "scope-identity"),
        "launch" | "launch/patient" => plain(1, "scope-record"),
        "patient/$ehi-export" => plain(5, "scope-export"),
        "online_access" => plain(7, "scope-online"),
        "offline_access" => plain(8, "scope-offline"),
        _ => match (scope.strip_prefix("access/"), Read::of(scope)) {
            (Some(label), _) => (6, words.text("scope-tagged", &[("label", label)])),
            (None, Some(read)) => read.line(words),
            (None, None) => (9, words.text("scope-unknown", &[("scope", scope)])),
        },
    }
}

/// A scope that only permits reading and searching: `patient/Observation.rs?category=laboratory` (SMART App Launch 2.2) or
/// `patient/Observation.read` (1.0).
struct Read<'s> {
    /// `*` means all types.
    resource_type: &'s str,
    /// The search that a resource must match.
    search: Option<&'s str>,
}

impl<'s> Read<'s> {
    fn of(scope: &'s str) -> Option<Self> {
        let (resource_type, permission) = scope.strip_prefix("patient/")?.split_once('.')?;
        let (permission, search) = match permission.split_once('?') {
            Some((permission, search)) => (permission, Some(search)),
            None => (permission, None),
        };
        matches!(permission, "rs" | "r" | "s" | "read").then_some(Self { resource_type, search })
    }

    /// Returns the sort position, and the text. What permits only a part of a type follows what permits types.
    fn line(&self, words: &Words) -> (u8, String) {
        let limit = self.search.map(|search| limit(search, words));
        match (self.resource_type, limit) {
            ("*", None) => (2, words.text("scope-read-all", &[])),
            ("*", Some(limit)) => (4, words.text("scope-read-all-part", &[("limit", &limit)])),
            (resource_type, None) => {
                (3, words.text("scope-read", &[("type", &type_in_words(resource_type, words))]))
            }
            (resource_type, Some(limit)) => {
                let values = [("type", &*type_in_words(resource_type, words)), ("limit", &*limit)];
                (4, words.text("scope-read-part", &values))
            }
        }
    }
}

fn type_in_words(resource_type: &str, words: &Words) -> String {
    let key = format!("type-{resource_type}");
    if words.has(&key) { words.text(&key, &[]) } else { words.text("type-other", &[("type", resource_type)]) }
}

/// Returns what a search limits a scope to: the words of its categories, or the search itself.
fn limit(search: &str, words: &Words) -> String {
    match keys_of_categories(search) {
        Some(mut keys) => {
            keys.sort_unstable();
            keys.dedup();
            let texts: Vec<_> =
                keys.into_iter().map(|key| words.text(&format!("limit-{key}"), &[])).collect();
            texts.join(", ")
        }
        None => {
            let parameters: Vec<_> = search.split('&').map(decoded).collect();
            words.text("limit-other", &[("search", &parameters.join("&"))])
        }
    }
}

/// Returns the ends of the keys of a search's categories; `None` if one has no words, or if the search has other parameters.
fn keys_of_categories(search: &str) -> Option<Vec<&'static str>> {
    let mut parameters = search.split('&').filter(|parameter| !parameter.is_empty());
    let (name, value) = parameters.next()?.split_once('=')?;
    if parameters.next().is_some() || decoded(name) != "category" {
        return None;
    }
    decoded(value).split(',').map(key_of_category).collect()
}

/// Returns the end of a category's key. The category is a code, which may follow its system: `system|code`.
fn key_of_category(category: &str) -> Option<&'static str> {
    let (system, code) = match category.split_once('|') {
        Some((system, code)) => (Some(system), code),
        None => (None, category),
    };
    let is_it =
        |(of, known, _): &&(&str, &str, &str)| system.is_none_or(|system| system == *of) && code == *known;
    CATEGORIES.iter().find(is_it).map(|(_, _, key)| *key)
}

#[cfg(test)]
mod tests;
