//! `_elements`: reduces a resource to some of its elements and tags it as incomplete (Bulk Data 3.0, `_elements`).

use crate::head::Members;
use crate::mandatory::{self, CHOICES};
use crate::tags;

/// The tag of a resource that is incomplete.
const SUBSETTED: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

/// Writes the resource with the requested elements, the mandatory elements of its type, `resourceType`, `id`,
/// `implicitRules`, and `meta` with the tag SUBSETTED. Members keep their order and their bytes.
pub fn subset(
    line: &[u8],
    resource_type: &str,
    members: &Members<'_>,
    requested: &[&str],
    written: &mut Vec<u8>,
) {
    let mandatory = mandatory::of_type(resource_type);
    let (mut first, mut tagged) = (true, false);
    written.push(b'{');
    for (key, value) in members.iter() {
        let is_meta = key == b"meta";
        let element = key.strip_prefix(b"_").unwrap_or(key);
        let kept = is_meta
            || matches!(element, b"resourceType" | b"id" | b"implicitRules")
            || mandatory.iter().chain(requested).any(|name| is_element(element, name.as_bytes()));
        if !kept {
            continue;
        }
        written.extend_from_slice(if first { b"\"" } else { b",\"" });
        first = false;
        written.extend_from_slice(key);
        written.extend_from_slice(b"\":");
        if is_meta {
            tagged = true;
            tags::write_meta(line, value.clone(), SUBSETTED, written);
        } else {
            written.extend_from_slice(&line[value.clone()]);
        }
    }
    if !tagged {
        written.extend_from_slice(format!(",\"meta\":{{\"tag\":[{SUBSETTED}]}}").as_bytes());
    }
    written.push(b'}');
}

/// Returns whether a member is the element of this name. The member of a choice element has a type at the end of its
/// name: `valueString` is the element `value`, which can also be written `value[x]`.
fn is_element(key: &[u8], name: &[u8]) -> bool {
    let name = name.strip_suffix(b"[x]").unwrap_or(name);
    key.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty() || CHOICES.binary_search_by(|choice| choice.as_bytes().cmp(rest)).is_ok()
    })
}

#[cfg(test)]
mod tests;
