//! Documents inside resources: the base64 of attachments (FHIR R4, Attachment.data), and of a Binary.

use std::borrow::Cow;
use std::ops::Range;

use crate::attachments::{attachments, has_attachments};
use crate::json;

/// A document inside a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside<'t> {
    /// What the resource says that it is; may be empty.
    pub content_type: Cow<'t, str>,
    /// May be empty.
    pub title: Cow<'t, str>,
    /// Base64, as it stands in the resource.
    pub data: Cow<'t, str>,
}

/// Whether resources of a type can have documents inside that [`documents_inside`] finds.
pub fn may_have_documents(resource_type: &str) -> bool {
    resource_type == "Binary" || has_attachments(resource_type)
}

/// The documents inside a resource, in their order. The text was checked before and is in its plain spelling.
pub fn documents_inside<'t>(text: &'t [u8], resource_type: &str) -> Vec<Inside<'t>> {
    let mut found = Vec::new();
    let mut add = |value: Range<usize>| found.extend(inside(text, value));
    match resource_type {
        "Binary" => add(0..text.len()),
        _ => attachments(text, resource_type, &mut add),
    }
    found
}

fn inside(text: &[u8], value: Range<usize>) -> Option<Inside<'_>> {
    let (mut content_type, mut title, mut data) = (None, None, None);
    json::members(text, value, |key, value| match key {
        b"contentType" => content_type = json::string(text, value),
        b"title" => title = json::string(text, value),
        b"data" => data = json::string(text, value),
        _ => {}
    });
    let data = data.filter(|data| !data.is_empty())?;
    Some(Inside { content_type: content_type.unwrap_or_default(), title: title.unwrap_or_default(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_where_fhir_has_them() {
        let found = |text: &str, kind: &str| -> Vec<String> {
            documents_inside(text.as_bytes(), kind)
                .iter()
                .map(|one| format!("{}:{}", one.title, one.data))
                .collect()
        };
        for (kind, text, expected) in [
            (
                "DocumentReference",
                r#"{"content":[{"attachment":{"title":"a","data":"QQ=="}},{"attachment":{"url":"x"}},{"attachment":{"data":"Qg=="}}]}"#,
                &["a:QQ==", ":Qg=="][..],
            ),
            ("Media", r#"{"content":{"data":"QQ==","contentType":"image/png"}}"#, &[":QQ=="]),
            ("Binary", r#"{"resourceType":"Binary","contentType":"text/plain","data":"QQ=="}"#, &[":QQ=="]),
            (
                "QuestionnaireResponse",
                r#"{"item":[{"answer":[{"valueAttachment":{"data":"QQ=="},"item":[{"answer":{"valueAttachment":{"data":"Qg=="}}}]}]}]}"#,
                &[":QQ==", ":Qg=="],
            ),
            ("DiagnosticReport", r#"{"presentedForm":[{"data":""},{"data":7}]}"#, &[]),
            ("Observation", r#"{"data":"QQ==","valueAttachment":{"data":"QQ=="}}"#, &[]),
        ] {
            assert_eq!(found(text, kind), expected, "{text}");
            assert_eq!(may_have_documents(kind), kind != "Observation");
        }
    }
}
