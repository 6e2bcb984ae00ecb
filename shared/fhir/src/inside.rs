//! Documents inside resources: the base64 of attachments (FHIR R4, Attachment.data) and of Binary resources, at any place, such
//! as in an extension, in a contained resource, or in the input of a Task.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::json;
use crate::scan::skip_space;

static DATA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"data\""));

/// The elements of the type Attachment whose names do not end in `Attachment`.
const ATTACHMENTS: [&[u8]; 5] = [b"attachment", b"content", b"image", b"photo", b"presentedForm"];

/// A document inside a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside<'t> {
    /// What the resource says that it is; may be empty.
    pub content_type: Cow<'t, str>,
    /// May be empty.
    pub title: Cow<'t, str>,
    /// The text of the member `data`: base64, not decoded.
    pub data: Cow<'t, str>,
}

/// Returns the documents inside a resource, in the order in which they end. The text was checked before and is in its plain
/// spelling. It is read once, and only as far as documents are taken.
pub fn documents_inside(text: &[u8]) -> impl Iterator<Item = Inside<'_>> {
    // Fast path: most resources have no document.
    let at = if DATA.find(text).is_some() { 0 } else { text.len() };
    Documents { text, at, open: Vec::new() }
}

/// An object or a list whose end was not reached yet.
#[derive(Default)]
struct Open<'t> {
    is_list: bool,
    /// The name of the member whose value it is, or whose value has it as an element.
    name: &'t [u8],
    /// The name of the member that is read.
    key: &'t [u8],
    is_binary: bool,
    content_type: Option<Cow<'t, str>>,
    title: Option<Cow<'t, str>>,
    data: Option<Range<usize>>,
}

impl<'t> Open<'t> {
    /// Takes a string value of the member that is read.
    fn take(&mut self, text: &'t [u8], value: Range<usize>) {
        match self.key {
            _ if self.is_list => {}
            b"resourceType" => self.is_binary = &text[value] == b"\"Binary\"",
            b"contentType" => self.content_type = json::string(text, value),
            b"title" => self.title = json::string(text, value),
            b"data" => self.data = Some(value),
            _ => {}
        }
    }

    /// Returns the document that the object is. Other types with `data`, such as SampledData and Signature, have no content type.
    fn document(self, text: &'t [u8]) -> Option<Inside<'t>> {
        let is_attachment = self.content_type.is_some()
            || self.is_binary
            || ATTACHMENTS.contains(&self.name)
            || self.name.ends_with(b"Attachment");
        let data = self.data.filter(|_| is_attachment).and_then(|data| json::string(text, data))?;
        let (content_type, title) = (self.content_type.unwrap_or_default(), self.title.unwrap_or_default());
        (!data.is_empty()).then_some(Inside { content_type, title, data })
    }
}

struct Documents<'t> {
    text: &'t [u8],
    at: usize,
    /// The innermost is the last.
    open: Vec<Open<'t>>,
}

impl Documents<'_> {
    /// Reads a string, which is a name or a value.
    fn string(&mut self) -> Option<()> {
        let start = self.at;
        let end = string_end(self.text, start)?;
        self.at = end;
        let open = self.open.last_mut()?;
        let behind = skip_space(self.text, end);
        if self.text.get(behind) == Some(&b':') {
            open.key = &self.text[start + 1..end - 1];
            self.at = behind + 1;
        } else {
            open.take(self.text, start..end);
        }
        Some(())
    }
}

impl<'t> Iterator for Documents<'t> {
    type Item = Inside<'t>;

    fn next(&mut self) -> Option<Inside<'t>> {
        loop {
            let byte = *self.text.get(self.at)?;
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => {
                    let (name, is_list) = (self.open.last().map_or(&b""[..], |open| open.key), byte == b'[');
                    // The elements of a list have the name of the list.
                    let key = if is_list { name } else { b"" };
                    self.open.push(Open { is_list, name, key, ..Open::default() });
                }
                b'}' | b']' => {
                    self.at += 1;
                    if let Some(document) = self.open.pop().and_then(|open| open.document(self.text)) {
                        return Some(document);
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// Returns the offset behind the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[found] == b'"' {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests;
