//! The rules for the id and the type name of a resource.

/// Returns whether a text is a FHIR id: 1 to 64 letters, digits, `-` and `.` (FHIR R4, 2.24.0.1 id). Ids of dots only,
/// such as `..`, are refused as well, because ids become directory names.
pub fn is_fhir_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        && text.bytes().any(|byte| byte != b'.')
}

/// The fault of a resource's `id`. Its text follows the name of the resource: "a Claim with an empty id".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    #[error("without id")]
    Missing,
    #[error("with an id that is not a string")]
    NoString,
    #[error("with an empty id")]
    Empty,
    #[error("with an id of {0} characters; FHIR allows 64")]
    TooLong(usize),
    #[error("with the character {0:?} in its id; FHIR allows A-Z, a-z, 0-9, '-' and '.'")]
    Character(char),
    #[error("with an id that consists of dots only, which cannot be the name of a directory")]
    Dots,
}

impl IdFault {
    /// Returns the fault of a text as an id; `None` for a FHIR id.
    pub fn of(text: &str) -> Option<Self> {
        if is_fhir_id(text) {
            return None;
        }
        let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
        Some(match (text.chars().find(|letter| !is_allowed(*letter)), text.chars().count()) {
            (_, 0) => Self::Empty,
            (Some(letter), _) => Self::Character(letter),
            (None, length @ 65..) => Self::TooLong(length),
            (None, _) => Self::Dots,
        })
    }
}

/// Returns whether a text can be the name of a FHIR resource type.
pub fn is_type_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
