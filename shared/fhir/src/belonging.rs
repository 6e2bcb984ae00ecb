//! Whether resources outside the patients' records belong to a patient.

use crate::compartments::{at_path, can_have_patient, further_paths, paths};
use crate::json;
use crate::references::{parse, references};

/// Types of persons.
const PERSONS: [&str; 3] = ["Patient", "Person", "RelatedPerson"];
/// Types of resources that belong to the resources that they are about, or that refer to them.
const OF_OTHERS: [&str; 3] = ["AuditEvent", "Binary", "Provenance"];

/// Returns whether a resource of the type can be outside the patients' records and belong to no patient, such as the
/// Device of a laboratory.
pub fn can_be_shared(resource_type: &str) -> bool {
    !PERSONS.contains(&resource_type) && !OF_OTHERS.contains(&resource_type)
}

/// Returns whether a resource outside the patients' records may belong to a patient: it refers to a person, or does not
/// say for certain whom an element means that can name a patient. The text was checked before and is in its plain
/// spelling.
pub fn may_belong_to_patient(text: &[u8], resource_type: &str) -> bool {
    if !can_have_patient(resource_type) {
        return false;
    }
    let mut may_belong = !can_be_shared(resource_type);
    references(text, |reference| may_belong |= PERSONS.contains(&reference.resource_type));
    for path in paths(resource_type).iter().copied().chain(further_paths(resource_type)) {
        at_path(text, 0..text.len(), path, &mut |element| {
            let member = |name: &[u8]| {
                let value = json::member(text, element.clone(), name)?;
                json::string(text, value)
            };
            let named = member(b"reference");
            let named = named.as_deref().and_then(parse).map(|reference| reference.resource_type.to_owned());
            let named = named.or_else(|| member(b"type").map(std::borrow::Cow::into_owned));
            may_belong |= named.is_none_or(|named| PERSONS.contains(&named.as_str()));
        });
    }
    may_belong
}

#[cfg(test)]
mod tests;
