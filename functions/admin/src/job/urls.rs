//! Removes the URLs of documents that are left out from the lines that name them: a client could not download them.

use aws_lc_rs::digest;
use domain::chunk::OutputFile;
use domain::clock::hex;
use domain::error::{Error, Result};
use domain::lines::{Lines, StreamReader};
use domain::refusal::Refusal;
use fhir::attachments::{LinkedAttachment, Replacement, linked_attachments, rewrite};
use fhir::spelling::plainly;
use storage::packs;

use super::draft::Draft;
use super::refusal::{self, MAX_REWRITTEN, is_left_out_by_line};
use crate::Admin;

/// The names in URLs of the documents that are left out.
pub(super) struct Unserved<'n>(pub(super) &'n [String]);

impl Unserved<'_> {
    fn names(&self, url: &str) -> bool {
        let name = url.rsplit_once("/download/attachments/").map(|(_, name)| name);
        // The URL of an export whose client needs no token has a query.
        let name = name.and_then(|name| name.split('?').next());
        name.is_some_and(|name| self.0.iter().any(|left_out| left_out == name))
    }

    fn is_mentioned(&self, line: &[u8]) -> bool {
        self.0.iter().any(|name| memchr::memmem::find(line, name.as_bytes()).is_some())
    }

    /// Appends a line of a file without these URLs. An attachment without its URL says that it is withheld.
    fn write_line(&self, line: &[u8], resource_type: &str, base_url: &str, written: &mut Vec<u8>) {
        if self.is_mentioned(line) {
            let plain = plainly(line);
            let linked: Vec<_> = linked_attachments(&plain, resource_type, base_url);
            let replace = |attachment: &LinkedAttachment| match self.names(&attachment.url) {
                true => Replacement::Absent("masked"),
                false => Replacement::Keep,
            };
            rewrite(&plain, &linked, replace, written);
        } else {
            written.extend_from_slice(line);
        }
        written.push(b'\n');
    }
}

impl Admin {
    /// Writes the files again whose lines have one of these URLs. Returns the keys of the objects that they replace.
    pub(super) async fn without_urls(
        &self,
        draft: &mut Draft<'_>,
        unserved: &Unserved<'_>,
    ) -> Result<Vec<String>> {
        let mut replaced = Vec::new();
        for page in 0..draft.pages.len() {
            for index in 0..draft.pages[page].files.len() {
                let named = &draft.pages[page].files[index];
                let file = named.file.clone();
                // Resources of every type can have attachments, in extensions and in contained resources.
                if !is_left_out_by_line(named) || !self.mentions(&file, unserved).await? {
                    continue;
                }
                let key = draft.key(&format!("{page}-{index}-{}.ndjson", file.resource_type));
                let rewritten = self.without_urls_in(&file, key, unserved).await?;
                draft.summary.bytes = draft.summary.bytes.saturating_sub(file.size) + rewritten.size;
                replaced.extend(file.place.is_none().then_some(file.key));
                draft.pages[page].files[index].file = rewritten;
            }
        }
        Ok(replaced)
    }

    async fn mentions(&self, file: &OutputFile, unserved: &Unserved<'_>) -> Result<bool> {
        let mut lines = self.lines_of(file).await?;
        while let Some(line) = lines.next().await? {
            if unserved.is_mentioned(line.text.ok_or_else(too_long)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn without_urls_in(
        &self,
        file: &OutputFile,
        key: String,
        unserved: &Unserved<'_>,
    ) -> Result<OutputFile> {
        if file.size > MAX_REWRITTEN {
            return Err(refusal::error(Refusal::LargeFileOfDocument));
        }
        let (mut lines, mut writer) = (self.lines_of(file).await?, self.files.create(&key).await?);
        let (mut size, mut hash) = (0, digest::Context::new(&digest::SHA256));
        let mut written = Vec::new();
        while let Some(line) = lines.next().await? {
            let line = line.text.ok_or_else(too_long)?;
            unserved.write_line(line, &file.resource_type, &self.settings.base_url, &mut written);
            size += written.len() as u64;
            hash.update(&written);
            written = writer.write(written).await?;
            written.clear();
        }
        writer.finish().await?;
        let sha256 = hex(hash.finish().as_ref());
        Ok(OutputFile { key, place: None, size, sha256, ..file.clone() })
    }

    async fn lines_of(&self, file: &OutputFile) -> Result<Lines> {
        let stream = packs::open(&*self.files, &file.location(), None).await?;
        Ok(Lines::new(Box::new(StreamReader(stream))))
    }
}

fn too_long() -> Error {
    Error::internal("an exported line is longer than any that is read")
}
