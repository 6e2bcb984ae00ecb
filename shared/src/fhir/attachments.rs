//! Attachments inside resources: which URLs a DocumentReference, Media or DiagnosticReport points to, and
//! the same line with other URLs.

use std::ops::Range;

use serde_json::{Value, json};

use super::json;
use super::references;

/// An attachment with a URL inside a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAttachment {
    /// Where the URL stands, quotes included.
    url: Range<usize>,
    has_title: bool,
    pub target: Target,
}

/// What the URL points to, as far as the record can have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Binary by its id.
    Binary(String),
    /// A file of the patient's `files/` by its name.
    File(String),
}

/// Whether resources of a type carry attachments that the export looks at.
pub fn has_attachments(resource_type: &str) -> bool {
    matches!(resource_type, "DocumentReference" | "Media" | "DiagnosticReport")
}

/// The attachments with URLs that may lie in the patient's record. The line was checked before and is in its plain
/// spelling.
pub fn linked_attachments(line: &[u8], resource_type: &str) -> Vec<LinkedAttachment> {
    let mut found = Vec::new();
    let mut attachment = |value: Range<usize>| found.extend(linked_attachment(line, value));
    json::members(line, 0..line.len(), |key, value| match (resource_type, key) {
        ("DocumentReference", b"content") => json::elements(line, value, |content| {
            json::members(line, content, |key, value| {
                if key == b"attachment" {
                    attachment(value);
                }
            });
        }),
        ("Media", b"content") => attachment(value),
        ("DiagnosticReport", b"presentedForm") => json::elements(line, value, &mut attachment),
        _ => {}
    });
    found
}

/// What any string of a line may point to. For a line that cannot be read: whatever it may speak of is held back.
pub fn mentioned(line: &[u8]) -> Vec<Target> {
    let plain = super::spelling::plain(line);
    let strings = plain.split(|byte| *byte == b'"').filter_map(|string| std::str::from_utf8(string).ok());
    strings.filter_map(target).collect()
}

fn linked_attachment(line: &[u8], value: Range<usize>) -> Option<LinkedAttachment> {
    let mut url = None;
    let mut has_title = false;
    json::members(line, value, |key, value| match key {
        b"url" => url = Some(value),
        b"title" => has_title = true,
        _ => {}
    });
    let url = url?;
    let target = target(&json::string(line, url.clone())?)?;
    Some(LinkedAttachment { url, has_title, target })
}

fn target(url: &str) -> Option<Target> {
    if let Some(reference) = references::parse(url)
        && reference.resource_type == "Binary"
    {
        return Some(Target::Binary(reference.id.to_owned()));
    }
    let name = url.strip_prefix("files/").unwrap_or(url);
    (!name.is_empty() && !name.contains([':', '/', '\\'])).then(|| Target::File(name.to_owned()))
}

/// Appends the line to `out`, each attachment for which `replace` answers with that URL and, where it
/// had none, that title.
pub fn rewrite(
    line: &[u8],
    attachments: &[LinkedAttachment],
    mut replace: impl FnMut(&Target) -> Option<(String, String)>,
    out: &mut Vec<u8>,
) {
    let mut copied = 0;
    for attachment in attachments {
        let Some((url, title)) = replace(&attachment.target) else { continue };
        out.extend_from_slice(&line[copied..attachment.url.start]);
        out.extend_from_slice(Value::from(url).to_string().as_bytes());
        if !attachment.has_title {
            out.extend_from_slice(b",\"title\":");
            out.extend_from_slice(Value::from(title).to_string().as_bytes());
        }
        copied = attachment.url.end;
    }
    out.extend_from_slice(&line[copied..]);
}

/// A document that the export itself describes.
#[derive(Debug, Clone)]
pub struct Document {
    pub title: String,
    pub content_type: String,
    pub url: String,
    pub size: u64,
    /// SHA-1, base64.
    pub hash: String,
}

/// One DocumentReference for documents that the record describes nowhere: all of them in one resource, each
/// with its own format (Argonaut EHI, EHIDocumentReference profile; clients read such a file as one JSON document).
pub fn document_reference(
    id: &str,
    patient: Option<&str>,
    description: &str,
    date: &str,
    documents: &[Document],
) -> Value {
    let content = |document: &Document| {
        json!({
            "attachment": {
                "contentType": document.content_type,
                "url": document.url,
                "size": document.size,
                "hash": document.hash,
                "title": document.title,
            },
            "format": {
                "system": "http://terminology.hl7.org/CodeSystem/media-type",
                "code": document.content_type,
                "display": document.title,
            },
        })
    };
    let mut resource = json!({
        "resourceType": "DocumentReference",
        "id": id,
        "meta": { "tag": [{ "system": "http://fhir.smarthealthit.org/codes/tags", "code": "ehi-export", "display": "generated as part of an ehi-export request" }] },
        "status": "current",
        "date": date,
        "description": description,
        "content": documents.iter().map(content).collect::<Vec<_>>(),
    });
    if let Some(patient) = patient {
        resource["subject"] = json!({ "reference": format!("Patient/{patient}") });
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_replaced_and_all_else_stays_byte_for_byte() {
        let line = br#"{ "resourceType":"DocumentReference","content":[{"attachment":{"url":"Binary/b1","size":16.50}},
            {"attachment":{"title":"t","url":"http:\/\/h\/fhir\/Binary\/b2"}},{"attachment":{"url":"https://elsewhere/x.pdf"}},{"attachment":{"data":"aGk="}}] }"#;
        let found = linked_attachments(line, "DocumentReference");
        let targets: Vec<_> = found.iter().map(|attachment| attachment.target.clone()).collect();
        assert_eq!(targets, [Target::Binary("b1".into()), Target::Binary("b2".into())]);
        let mut out = Vec::new();
        rewrite(
            line,
            &found,
            |target| (*target == Target::Binary("b1".into())).then(|| ("http://new".into(), "T\"".into())),
            &mut out,
        );
        let expected =
            String::from_utf8_lossy(line).replace("\"Binary/b1\"", "\"http://new\",\"title\":\"T\\\"\"");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn files_of_the_record_are_targets() {
        let line = br#"{"resourceType":"Media","content":{"url":"files/scan.png"}}"#;
        assert_eq!(linked_attachments(line, "Media")[0].target, Target::File("scan.png".into()));
        assert!(linked_attachments(br#"{"content":{"url":"files/../x"}}"#, "Media").is_empty());
    }
}
