//! The security labels of one resource.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The codes of `meta.security`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// The labels of the resource itself.
    pub(crate) own: BTreeSet<String>,
    /// The labels of the resource and of its contained resources.
    pub(crate) all: BTreeSet<String>,
}

/// Returns the labels of a resource; `None` if one of them cannot be read.
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

/// Returns the code of a Coding. A Coding without a code cannot be compared, so it is treated as unreadable.
fn label(coding: &Value) -> Option<String> {
    coding.as_object()?.get("code")?.as_str().map(|code| code.trim().to_owned())
}

#[cfg(test)]
mod tests;
