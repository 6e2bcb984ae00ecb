//! Removes the line that begins at an offset from a stream of bytes.

use domain::chunk::RecordAttachment;
use domain::error::{Error, NO_FILE, Result};
use domain::ids::JobId;
use domain::redaction::Redacted;
use fhir::MAX_LINE;
use fhir::head::{Plain, head};

/// See the [module](self).
pub(super) struct Cut {
    at: u64,
    /// How many bytes of the stream were read so far.
    position: u64,
    last: u8,
    line: Vec<u8>,
    is_over: bool,
}

impl Cut {
    pub(super) fn new(at: u64) -> Self {
        Self { at, position: 0, last: b'\n', line: Vec::new(), is_over: false }
    }

    /// Takes the next piece of the stream, and returns its bytes without those of the line.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<u8>> {
        let mut kept = Vec::with_capacity(piece.len());
        let mut rest = piece;
        if self.position < self.at {
            let before = usize::try_from(self.at - self.position).unwrap_or(usize::MAX).min(rest.len());
            kept.extend_from_slice(&rest[..before]);
            self.last = rest[..before].last().copied().unwrap_or(self.last);
            rest = &rest[before..];
        }
        self.position += piece.len() as u64;
        if !self.is_over && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (of_line, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            self.line.extend_from_slice(of_line);
            self.is_over = end.is_some();
            rest = behind;
            if self.line.len() > MAX_LINE + 1 {
                return Err(Error::internal("an exported line is longer than any that is read"));
            }
        }
        if self.is_over {
            kept.extend_from_slice(rest);
        }
        Ok(kept)
    }

    /// Returns the attachments of the record that the line names by their URLs, each once.
    pub(super) fn attachments(&self, job: &JobId) -> Vec<RecordAttachment> {
        attachments_in(&self.line, job)
    }

    /// Returns what was removed, or [`NO_FILE`] if no line begins at the offset.
    pub(super) fn finish(self) -> Result<Redacted> {
        if self.last != b'\n' || self.line.is_empty() {
            return Err(NO_FILE);
        }
        let mut plain = Plain::default();
        let head = head(self.line.trim_ascii_end(), &mut plain).map_err(Error::internal)?;
        Ok(Redacted::Resource {
            resource_type: head.resource_type.to_owned(),
            id: head.id.map(str::to_owned),
        })
    }
}

/// Returns the attachments of the record that a line of the job names by their URLs, each once.
pub(super) fn attachments_in(line: &[u8], job: &JobId) -> Vec<RecordAttachment> {
    let marker = format!("/jobs/{job}/download/attachments/");
    let behind =
        memchr::memmem::find_iter(line, marker.as_bytes()).map(|found| &line[found + marker.len()..]);
    let name = |bytes: &[u8]| {
        let end = memchr::memchr2(b'"', b'?', bytes).unwrap_or(bytes.len());
        RecordAttachment::parse(std::str::from_utf8(&bytes[..end]).ok()?)
    };
    let mut named: Vec<_> = behind.filter_map(name).collect();
    named.sort_by_key(RecordAttachment::url_name);
    named.dedup_by_key(|attachment| attachment.url_name());
    named
}

#[cfg(test)]
mod tests;
