//! Attachments inside resources: finds their URLs, rewrites a line with other URLs, and builds the DocumentReference for
//! documents that no resource describes.

mod elements;

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::{Value, json};

use self::elements::ELEMENTS;
use crate::attachment_url::link;
pub use crate::attachment_url::{Link, Target};
use crate::json;

/// The end of the name of an element of the type Attachment that is a choice, such as `valueAttachment`. It can be in any type, also in
/// an extension.
static CHOICE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"Attachment\""));
static CONTAINED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"contained\""));

/// An attachment with a URL inside a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAttachment {
    /// The member `url`, from the quote before its name to the end of its value.
    member: Range<usize>,
    /// The URL as it is written, without JSON escapes.
    pub url: String,
    pub link: Link,
    has_title: bool,
    has_content_type: bool,
    has_data: bool,
    /// The range and the text of `size`.
    size: Option<(Range<usize>, String)>,
    /// The range and the text of `hash`.
    hash: Option<(Range<usize>, String)>,
    /// The attachment also has `_url`.
    has_extension: bool,
}

impl LinkedAttachment {
    /// Returns whether another server serves the document. Such a URL is not changed.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.link, Link::Elsewhere(_))
    }

    /// Returns whether the attachment states a size or a hash that differs from those of the document at its URL.
    /// `size` is in bytes, and `hash` is the SHA-1 in base64.
    pub fn misstates(&self, size: u64, hash: &str) -> bool {
        self.wrong_size(size).is_some() || self.wrong_hash(hash).is_some()
    }

    // If the attachment has `data`, its size and hash describe `data` and not the document at the URL.
    fn wrong_size(&self, size: u64) -> Option<&Range<usize>> {
        let (place, stated) = self.size.as_ref().filter(|_| !self.has_data)?;
        (stated.parse() != Ok(size)).then_some(place)
    }

    fn wrong_hash(&self, hash: &str) -> Option<&Range<usize>> {
        let (place, stated) = self.hash.as_ref().filter(|_| !self.has_data)?;
        (stated != hash).then_some(place)
    }

    /// Returns whether the attachment contains the bytes (`data`) as well as the URL.
    pub fn has_data(&self) -> bool {
        self.has_data
    }
}

/// The replacement for an attachment's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    Keep,
    /// Another URL, with the size and the hash of the document there, which replace wrong ones. The title is added if
    /// the attachment has none.
    Url {
        url: String,
        title: String,
        /// In bytes.
        size: u64,
        /// SHA-1, base64.
        hash: String,
    },
    /// The bytes in base64. The content type and the title are added if the attachment has none.
    Data {
        data: String,
        content_type: String,
        title: String,
    },
    /// No URL, with the reason: a code of the `data-absent-reason` extension.
    Absent(&'static str),
}

/// Returns the attachments of a line that have URLs, wherever they are: also in extensions and in contained resources. The line was
/// checked before and is in its plain spelling. `base_url` is the public URL of this server.
pub fn linked_attachments(line: &[u8], resource_type: &str, base_url: &str) -> Vec<LinkedAttachment> {
    let mut found = Vec::new();
    let mut add = |value: Range<usize>| found.extend(linked_attachment(line, value, base_url));
    attachments(line, resource_type, &mut add);
    found
}

/// Visits the attachments of a line.
fn attachments(line: &[u8], resource_type: &str, add: &mut dyn FnMut(Range<usize>)) {
    let mut named = |name: &Finder<'_>| {
        json::named_values(line, 0..line.len(), name, |value| json::elements(line, value, &mut *add));
    };
    named(&CHOICE);
    let is_container = CONTAINED.find(line).is_some();
    for element in ELEMENTS.iter().filter(|element| is_container || element.types.contains(&resource_type)) {
        named(&element.name);
    }
}

/// Returns the targets to which any string of a line can point. It is used for a line that cannot be read: all
/// documents to which it may refer are withheld.
pub fn mentioned(line: &[u8]) -> Vec<Target> {
    let plain = super::spelling::plain(line);
    let strings = plain.split(|byte| *byte == b'"').filter_map(|string| std::str::from_utf8(string).ok());
    strings.flat_map(|string| link(string, "").targets().to_vec()).collect()
}

fn linked_attachment(line: &[u8], value: Range<usize>, base_url: &str) -> Option<LinkedAttachment> {
    let mut url = None;
    let (mut has_title, mut has_content_type, mut has_data, mut has_extension) = (false, false, false, false);
    let (mut size, mut hash) = (None, None);
    json::members(line, value, |key, value| match key {
        b"url" => url = Some(value),
        b"title" => has_title = true,
        b"contentType" => has_content_type = true,
        b"data" => has_data = true,
        b"size" => size = Some((value.clone(), String::from_utf8_lossy(&line[value]).into_owned())),
        b"hash" => {
            let text = json::string(line, value.clone()).unwrap_or_default();
            hash = Some((value, text.into_owned()));
        }
        b"_url" => has_extension = true,
        _ => {}
    });
    let value = url?;
    let url = json::string(line, value.clone())?.into_owned();
    let link = link(&url, base_url);
    let member = member_start(line, value.start)?..value.end;
    Some(LinkedAttachment {
        member,
        url,
        link,
        has_title,
        has_content_type,
        has_data,
        size,
        hash,
        has_extension,
    })
}

/// Returns the start of the member whose value begins at `value`.
fn member_start(line: &[u8], value: usize) -> Option<usize> {
    let colon = line[..value].trim_ascii_end().strip_suffix(b":")?;
    let key = colon.trim_ascii_end().strip_suffix(b"\"")?;
    memchr::memrchr(b'"', key)
}

/// Appends the line to `out`. Each attachment's URL is replaced by the [`Replacement`] that `replace` returns for it.
pub fn rewrite(
    line: &[u8],
    attachments: &[LinkedAttachment],
    mut replace: impl FnMut(&LinkedAttachment) -> Replacement,
    out: &mut Vec<u8>,
) {
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    for attachment in attachments {
        let mut members = Vec::new();
        let add_title = |members: &mut Vec<String>, title: String| {
            if !attachment.has_title {
                members.push(format!("\"title\":{}", Value::from(title)));
            }
        };
        match replace(attachment) {
            Replacement::Keep => continue,
            Replacement::Url { url, title, size, hash } => {
                members.push(format!("\"url\":{}", Value::from(url)));
                add_title(&mut members, title);
                if !attachment.has_data && attachment.size.is_none() {
                    members.push(format!("\"size\":{size}"));
                }
                if !attachment.has_data && attachment.hash.is_none() {
                    members.push(format!("\"hash\":{}", Value::from(hash.as_str())));
                }
                let size = attachment.wrong_size(size).map(|place| (place.clone(), size.to_string()));
                let hash = attachment.wrong_hash(&hash).map(|place| (place.clone(), Value::from(hash).to_string()));
                changes.extend(size.into_iter().chain(hash));
            }
            Replacement::Data { data, content_type, title } => {
                if !attachment.has_data {
                    members.push(format!("\"data\":\"{data}\""));
                }
                if !attachment.has_content_type {
                    members.push(format!("\"contentType\":{}", Value::from(content_type)));
                }
                add_title(&mut members, title);
            }
            Replacement::Absent(reason) if !attachment.has_extension => members.push(format!(
                "\"_url\":{{\"extension\":[{{\"url\":\"http://hl7.org/fhir/StructureDefinition/data-absent-reason\",\"valueCode\":\"{reason}\"}}]}}"
            )),
            Replacement::Absent(_) => {}
        }
        let member =
            if members.is_empty() { with_comma(line, &attachment.member) } else { attachment.member.clone() };
        changes.push((member, members.join(",")));
    }
    changes.sort_unstable_by_key(|(place, _)| place.start);
    let mut copied = 0;
    for (place, text) in changes {
        out.extend_from_slice(&line[copied..place.start]);
        out.extend_from_slice(text.as_bytes());
        copied = place.end;
    }
    out.extend_from_slice(&line[copied..]);
}

/// Returns the range of a member with the comma after it, or with the comma before it if it is the last member.
fn with_comma(line: &[u8], member: &Range<usize>) -> Range<usize> {
    let after = &line[member.end..];
    if let Some(rest) = after.trim_ascii_start().strip_prefix(b",") {
        return member.start..line.len() - rest.len();
    }
    match line[..member.start].trim_ascii_end().strip_suffix(b",") {
        Some(before) => before.len()..member.end,
        None => member.clone(),
    }
}

/// A document that the export describes in a DocumentReference.
#[derive(Debug, Clone)]
pub struct Document {
    pub title: String,
    pub content_type: String,
    pub url: String,
    /// In bytes.
    pub size: u64,
    /// SHA-1, base64.
    pub hash: String,
}

/// The tag of a DocumentReference with documents that the export serves. Some clients download only documents of
/// resources with this tag.
pub const EHI_EXPORT_TAG: &str = r#"{"system":"http://fhir.smarthealthit.org/codes/tags","code":"ehi-export","display":"generated as part of an ehi-export request"}"#;

/// Builds one DocumentReference for all documents that no resource of the record describes, each with its own format
/// (Argonaut EHI, EHIDocumentReference profile). All documents are in one resource, because clients read a file of such
/// resources as one JSON document. The kind of the documents is not known, so `type` is the null flavor "unknown", and
/// `category` is the only code that US Core has (US Core 6.1, DocumentReference). `date` is a FHIR instant.
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
        "meta": { "tag": [serde_json::from_str::<Value>(EHI_EXPORT_TAG).unwrap_or_default()] },
        "status": "current",
        "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK", "display": "unknown" }] },
        "category": [{ "coding": [{ "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "code": "clinical-note", "display": "Clinical Note" }] }],
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
mod tests;
