//! Describes OAuth scopes to patients. Each meaning appears once: first identity, then the readable data, then the duration of access.

use domain::scopes::Scopes;
use words::Words;

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
        "patient/$ehi-export" => plain(4, "scope-export"),
        "online_access" => plain(6, "scope-online"),
        "offline_access" => plain(7, "scope-offline"),
        _ => match (scope.strip_prefix("access/"), read_of(scope)) {
            (Some(label), _) => (5, words.text("scope-tagged", &[("label", label)])),
            (None, Some("*")) => plain(2, "scope-read-all"),
            (None, Some(resource_type)) => {
                let key = format!("type-{resource_type}");
                let name = if words.has(&key) { words.text(&key, &[]) } else { resource_type.to_owned() };
                (3, words.text("scope-read", &[("type", &name)]))
            }
            (None, None) => (8, words.text("scope-unknown", &[("scope", scope)])),
        },
    }
}

/// Returns the resource type of a scope that only permits reading and searching: `patient/Observation.rs` (SMART App Launch 2.2) or
/// `patient/Observation.read` (1.0).
fn read_of(scope: &str) -> Option<&str> {
    let (resource_type, permission) = scope.strip_prefix("patient/")?.split_once('.')?;
    matches!(permission, "rs" | "r" | "s" | "read").then_some(resource_type)
}

#[cfg(test)]
mod tests;
