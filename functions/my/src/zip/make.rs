//! Makes the ZIP of a copy: first its files, then the index, the manifest and the hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::error::{Error, Result};
use domain::job::Job;
use domain::manifest::NamedFile;
use futures_util::TryStreamExt;
use jiff::civil;
use serde_json::{Value, json};
use settings::Settings;
use storage::packs;
use web::manifest::Page;
use words::Words;

use super::archive::Archive;
use super::{Plan, Store, row};

/// The longest line, in bytes, that is read for the index; longer lines are only copied.
const MAX_LINE: usize = 1024 * 1024;

/// See the [module](self).
pub(super) struct Maker {
    pub(super) plan: Plan,
    pub(super) words: Words,
    pub(super) files: Store,
    pub(super) settings: Arc<Settings>,
}

/// What is known of the resources of one type.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) count: u64,
    /// The first and the last day, as FHIR writes it.
    pub(super) days: Option<(String, String)>,
}

impl Facts {
    fn add(&mut self, line: &[u8]) {
        self.count += 1;
        let Ok(resource) = serde_json::from_slice::<Value>(line) else { return };
        let Some(day) = row::date(&resource).map(row::day) else { return };
        let (first, last) = self.days.get_or_insert_with(|| (day.to_owned(), day.to_owned()));
        if day < first.as_str() {
            day.clone_into(first);
        }
        if day > last.as_str() {
            day.clone_into(last);
        }
    }
}

/// The path of a file of the manifest in the ZIP.
pub(super) fn data_path(name: &str) -> String {
    format!("data/{name}")
}

impl Maker {
    /// When the copy was ready. All files in the ZIP have this time.
    pub(super) fn made_at(&self) -> civil::DateTime {
        let at = match &self.plan.job {
            Job::Complete(complete) => complete.completed_at,
            job => job.header().changed_at,
        };
        at.to_zoned(self.words.zone.clone()).datetime()
    }

    pub(super) async fn make(&self, mut archive: Archive) -> Result<()> {
        let mut facts = BTreeMap::<String, Facts>::new();
        for named in &self.plan.files {
            self.copy(&mut archive, named, &mut facts).await?;
        }
        for attachment in &self.plan.attachments {
            archive.begin(&format!("attachments/{}", attachment.name), Some(attachment.size), false)?;
            let mut bytes = packs::open(&*self.files, &attachment.location, None).await?;
            let mut length = 0;
            while let Some(piece) = bytes.try_next().await? {
                length += piece.len() as u64;
                archive.write(&piece).await?;
            }
            archive.end()?;
            if length != attachment.size {
                return Err(changed(&attachment.name));
            }
        }
        archive.text("manifest.json", &format!("{:#}\n", self.manifest())).await?;
        archive.text("README.txt", &self.readme()).await?;
        self.write_index(&mut archive, &facts).await?;
        Box::pin(archive.finish()).await
    }

    /// Copies a file of the manifest, and reads it for the index. Fails if the file does not have the hash of the manifest.
    async fn copy(
        &self,
        archive: &mut Archive,
        named: &NamedFile,
        facts: &mut BTreeMap<String, Facts>,
    ) -> Result<()> {
        let file = &named.file;
        archive.begin(&data_path(&named.name), Some(file.size), true)?;
        let mut bytes = packs::open(&*self.files, &file.location(), None).await?;
        let mut of_type = Facts::default();
        let mut lines = Lines::default();
        while let Some(piece) = bytes.try_next().await? {
            archive.write(&piece).await?;
            lines.feed(&piece, |line| of_type.add(line));
        }
        if archive.end()? != file.sha256 {
            return Err(changed(&named.name));
        }
        if file.purpose.is_data() {
            let known = facts.entry(file.resource_type.clone()).or_default();
            known.count += of_type.count;
            if let Some((first, last)) = of_type.days {
                let days = known.days.get_or_insert_with(|| (first.clone(), last.clone()));
                days.0 = first.min(days.0.clone());
                days.1 = last.max(days.1.clone());
            }
        }
        Ok(())
    }

    /// The manifest as an app gets it, with paths in the ZIP instead of URLs.
    fn manifest(&self) -> Value {
        let Plan { job, transaction_time, files, .. } = &self.plan;
        let page = Page {
            job,
            transaction_time: *transaction_time,
            files,
            number: 0,
            has_next: false,
            signer: None,
        };
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

    /// The file that tells people what is in the ZIP.
    fn readme(&self) -> String {
        let text = |key: &str| self.words.text(key, &[]);
        let mut lines = vec![self.title(), self.patient(), String::new()];
        if self.plan.needs_notice() {
            lines.extend([text("notice-part-2"), String::new()]);
        }
        for key in ["index", "data", "attachments", "manifest", "sums", "address", "safe"] {
            lines.extend([text(&format!("zip-readme-{key}")), String::new()]);
        }
        lines.push(self.words.text("zip-readme-format", &[("url", &self.settings.documentation_url)]));
        lines.join("\n")
    }

    pub(super) fn title(&self) -> String {
        let date = self.words.date(self.plan.job.header().created_at);
        self.words.text("my-copy-of", &[("date", &date)])
    }

    pub(super) fn patient(&self) -> String {
        let patient = self.plan.job.header().patient.as_ref();
        patient.map(|patient| patient.name.clone()).unwrap_or_default()
    }

    /// The files of the manifest that have resources of a type.
    pub(super) fn data_of<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s NamedFile> {
        let is_of =
            move |named: &&NamedFile| named.file.purpose.is_data() && named.file.resource_type == kind;
        self.plan.files.iter().filter(is_of)
    }
}

/// The error if a file does not have its recorded hash.
fn changed(name: &str) -> Error {
    Error::internal(format!("'{name}' is not the file that the export wrote"))
}

/// Splits a file, which comes in pieces, into lines.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    is_skipped: bool,
}

impl Lines {
    pub(super) fn feed(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (content, ends) = match part.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (part, false),
            };
            self.is_skipped |= self.pending.len() + content.len() > MAX_LINE;
            if self.is_skipped {
                self.pending.clear();
            } else {
                self.pending.extend_from_slice(content);
            }
            if ends {
                if self.is_skipped || !self.pending.is_empty() {
                    each(&self.pending);
                }
                self.pending.clear();
                self.is_skipped = false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
