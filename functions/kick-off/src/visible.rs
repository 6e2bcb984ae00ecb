//! The security labels of a resource that is read whole.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Codes of `meta.security`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// Of the resource itself.
    pub(crate) own: BTreeSet<String>,
    /// Of the resource and of those contained in it.
    pub(crate) all: BTreeSet<String>,
}

/// The labels of a resource; `None` where one cannot be read.
pub(crate) fn labels(resource: &Map<String, Value>) -> Option<Labels> {
    let own = own_labels(resource)?;
    let mut all = own.clone();
    match resource.get("contained") {
        None => {}
        Some(Value::Array(contained)) => {
            for resource in contained {
                all.extend(own_labels(resource.as_object()?)?);
            }
        }
        Some(_) => return None,
    }
    Some(Labels { own, all })
}

fn own_labels(resource: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let security = match resource.get("meta") {
        None => return Some(BTreeSet::new()),
        Some(meta) => meta.as_object()?.get("security"),
    };
    match security {
        None => Some(BTreeSet::new()),
        Some(codings) => codings.as_array()?.iter().map(label).collect(),
    }
}

/// A Coding without a code says nothing that could be compared: it cannot be read.
fn label(coding: &Value) -> Option<String> {
    coding.as_object()?.get("code")?.as_str().map(|code| code.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_read_whole_or_not_at_all() {
        let set = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<BTreeSet<_>>();
        let labelled = |code: &str| json!({ "security": [{ "system": "s", "code": code }] });
        let labels = |resource: &Value| labels(resource.as_object()?);
        let found = labels(&json!({ "meta": labelled("a"), "contained": [{ "meta": labelled("b") }, {}] }));
        assert_eq!(found, Some(Labels { own: set(&["a"]), all: set(&["a", "b"]) }));
        assert_eq!(labels(&json!({ "meta": {} })), Some(Labels::default()));
        for unreadable in [
            json!([]),
            json!({ "meta": [] }),
            json!({ "meta": { "security": { "code": "a" } } }),
            json!({ "meta": { "security": ["a"] } }),
            json!({ "meta": { "security": [{ "display": "HIV" }] } }),
            json!({ "meta": { "security": [{ "code": 7 }] } }),
            json!({ "contained": {} }),
            json!({ "contained": [{ "meta": null }] }),
        ] {
            assert_eq!(labels(&unreadable), None, "{unreadable}");
        }
    }
}
