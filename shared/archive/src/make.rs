//! Makes the ZIP of a copy: first its files, then the index, the manifest and the hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::error::{Error, Result};
use domain::manifest::NamedFile;
use domain::ports::files::Files;
use futures_util::TryStreamExt;
use jiff::civil;
use serde_json::{Value, json};
use settings::Settings;
use storage::packs;
use web::manifest::Page;
use words::Words;

use crate::checkpoint::{Facts, Position};
use crate::lines::Lines;
use crate::plan::{Plan, PlannedAttachment};
use crate::row;
use crate::writer::{Archive, Sink};

/// See the [module](self).
pub struct Maker {
    pub plan: Plan,
    pub(crate) title: String,
    /// The time of all files in the ZIP.
    pub(crate) modified: civil::DateTime,
    /// The texts in the language of the patient.
    pub(crate) words: Words,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) settings: Settings,
}

/// Returns the path in the ZIP of a file of the manifest.
pub(crate) fn data_path(name: &str) -> String {
    format!("data/{name}")
}

impl Maker {
    /// Writes the whole ZIP.
    pub async fn make(&self, sink: Sink) -> Result<()> {
        let mut archive = Archive::new(sink, self.modified);
        let mut position = Position::default();
        while position.next < self.parts() {
            self.write_part(&mut archive, &mut position).await?;
        }
        Box::pin(archive.finish(None)).await.map(|_| ())
    }

    /// Returns the number of parts: the files of the manifest, the attachments, and three files about them.
    pub(crate) fn parts(&self) -> usize {
        self.plan.files.len() + self.plan.attachments.len() + 3
    }

    /// Returns the number of bytes of the copy in a part.
    pub(crate) fn size_of(&self, part: usize) -> u64 {
        let file = self.plan.files.get(part).map(|named| named.file.size);
        let attachment = || self.plan.attachments.get(part - self.plan.files.len());
        file.or_else(|| attachment().map(|attachment| attachment.size)).unwrap_or_default()
    }

    /// Writes the next part.
    pub(crate) async fn write_part(&self, archive: &mut Archive, position: &mut Position) -> Result<()> {
        let files = self.plan.files.len();
        let attachments = files + self.plan.attachments.len();
        match position.next {
            part if part < files => self.copy(archive, &self.plan.files[part], &mut position.facts).await?,
            part if part < attachments => self.attach(archive, &self.plan.attachments[part - files]).await?,
            part if part == attachments => {
                archive.text("manifest.json", &format!("{:#}\n", self.manifest())).await?;
            }
            part if part == attachments + 1 => archive.text("README.txt", &self.readme()).await?,
            _ => self.write_index(archive, &position.facts).await?,
        }
        position.copied += self.size_of(position.next);
        position.next += 1;
        Ok(())
    }

    async fn attach(&self, archive: &mut Archive, attachment: &PlannedAttachment) -> Result<()> {
        archive.begin(&format!("attachments/{}", attachment.name), Some(attachment.size), false);
        let mut bytes = packs::open(&*self.files, &attachment.location, None).await?;
        let mut length = 0;
        while let Some(piece) = bytes.try_next().await? {
            length += piece.len() as u64;
            archive.write(&piece).await?;
        }
        archive.end()?;
        if length == attachment.size { Ok(()) } else { Err(changed(&attachment.name)) }
    }

    /// Copies a file of the manifest, and reads it for the index. Fails if the file does not have the hash of the manifest.
    async fn copy(
        &self,
        archive: &mut Archive,
        named: &NamedFile,
        facts: &mut BTreeMap<String, Facts>,
    ) -> Result<()> {
        let file = &named.file;
        archive.begin(&data_path(&named.name), Some(file.size), true);
        let mut bytes = packs::open(&*self.files, &file.location(), None).await?;
        let mut of_file = Facts::default();
        let mut lines = Lines::default();
        while let Some(piece) = bytes.try_next().await? {
            archive.write(&piece).await?;
            lines.feed(&piece, |line| add(&mut of_file, line));
        }
        if archive.end()? != file.sha256 {
            return Err(changed(&named.name));
        }
        if file.purpose.is_data() {
            facts.entry(file.resource_type.clone()).or_default().merge(&of_file);
        }
        Ok(())
    }

    /// Returns the manifest as an app gets it, with paths in the ZIP instead of URLs.
    fn manifest(&self) -> Value {
        let Plan { job, transaction_time, files, .. } = &self.plan;
        let page = Page { job, transaction_time: *transaction_time, files, next: None, signer: None };
        let mut manifest = page.to_json(&self.settings);
        for list in ["output", "deleted", "error", "errors", "outcome"] {
            for entry in manifest[list].as_array_mut().into_iter().flatten() {
                let url = entry["url"].as_str().unwrap_or_default();
                let name = url.rsplit('/').next().unwrap_or_default();
                entry["url"] = json!(data_path(name));
            }
        }
        // A list that does not exist is `null`.
        if let Some(members) = manifest.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        manifest
    }

    /// Returns the text of the file that tells people what is in the ZIP.
    fn readme(&self) -> String {
        let text = |key: &str| self.words.text(key, &[]);
        let mut lines = vec![self.title.clone(), self.patient(), String::new()];
        if self.plan.needs_notice() {
            lines.extend([text("notice-part-2"), String::new()]);
        }
        for key in ["index", "data", "attachments", "manifest", "sums", "address", "safe"] {
            lines.extend([text(&format!("zip-readme-{key}")), String::new()]);
        }
        lines.push(self.words.text("zip-readme-format", &[("url", &self.settings.documentation_url)]));
        lines.join("\n")
    }

    pub(crate) fn patient(&self) -> String {
        let patient = self.plan.job.header().patient.as_ref();
        patient.map(|patient| patient.name.clone()).unwrap_or_default()
    }

    /// Returns the files of the manifest that have resources of a type.
    pub(crate) fn data_of<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s NamedFile> {
        let is_of =
            move |named: &&NamedFile| named.file.purpose.is_data() && named.file.resource_type == kind;
        self.plan.files.iter().filter(is_of)
    }
}

/// Adds a resource, which is a line of a file, to what is known of its type.
fn add(facts: &mut Facts, line: &[u8]) {
    facts.count += 1;
    let Ok(resource) = serde_json::from_slice::<Value>(line) else { return };
    if let Some(day) = row::date(&resource).map(row::day) {
        facts.add_day(day);
    }
}

/// Returns the error for a file that does not have its recorded hash.
fn changed(name: &str) -> Error {
    Error::internal(format!("'{name}' is not the file that the export wrote"))
}

#[cfg(test)]
mod tests;
