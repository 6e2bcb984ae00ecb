//! Collects the security labels of a resource. A value that may be a label but has no readable code is recorded as
//! unreadable.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::facts::Facts;
use crate::json;

static META: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"meta\""));
static SECURITY_LABEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"securityLabel\""));
static CONFIDENTIALITY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"confidentiality\""));

/// Collects the labels in a member at the root of a resource. Returns `false` if the member can have none.
pub(super) fn of_member<'a>(text: &'a [u8], key: &[u8], value: &Range<usize>, facts: &mut Facts<'a>) -> bool {
    match key {
        b"meta" => of_meta(text, value.clone(), facts),
        b"securityLabel" | b"confidentiality" => of_document(text, value.clone(), facts),
        b"contained" | b"entry" | b"parameter" => of_contained(text, value.clone(), facts),
        _ => return false,
    }
    true
}

/// Collects the labels of the resources inside a resource: each of them has labels of its own.
fn of_contained<'a>(text: &'a [u8], value: Range<usize>, facts: &mut Facts<'a>) {
    json::named_values(text, value.clone(), &META, |meta| of_meta(text, meta, facts));
    for name in [&SECURITY_LABEL, &CONFIDENTIALITY] {
        json::named_values(text, value.clone(), name, |value| of_document(text, value, facts));
    }
}

/// Collects the codes of `meta.security`.
fn of_meta<'a>(text: &'a [u8], meta: Range<usize>, facts: &mut Facts<'a>) {
    match text[meta.start] {
        b'{' => {}
        b'n' => return,
        _ => return facts.has_unreadable_label = true,
    }
    let Some(security) = json::member(text, meta, b"security") else { return };
    json::elements(text, security, |coding| of_coding(text, coding, facts));
}

/// Collects the codes of `DocumentReference.securityLabel` (a list of CodeableConcept, which labels the document itself)
/// or of `Composition.confidentiality` (a code).
fn of_document<'a>(text: &'a [u8], value: Range<usize>, facts: &mut Facts<'a>) {
    json::elements(text, value, |concept| {
        if let Some(code) = json::string(text, concept.clone()) {
            facts.labels.push(code);
            return;
        }
        let is_object = text[concept.start] == b'{';
        match json::member(text, concept.clone(), b"coding").filter(|_| is_object) {
            Some(coding) if !json::is_empty(text, coding.clone()) => {
                json::elements(text, coding, |coding| of_coding(text, coding, facts));
            }
            // The concept has only a text, or it is written like a Coding.
            _ => of_coding(text, concept, facts),
        }
    });
}

fn of_coding<'a>(text: &'a [u8], coding: Range<usize>, facts: &mut Facts<'a>) {
    let is_object = text[coding.start] == b'{';
    if text[coding.start] == b'n' || (is_object && json::is_empty(text, coding.clone())) {
        return;
    }
    match json::member(text, coding, b"code").and_then(|code| json::string(text, code)) {
        Some(code) => facts.labels.push(code),
        None => facts.has_unreadable_label = true,
    }
}
