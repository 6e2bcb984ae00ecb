//! The manifest that clients receive (Bulk Data 2.0 to 4.0, status request, response for a complete export; contract, sections 2 and 3).

use std::borrow::Cow;

use domain::chunk::Purpose;
use domain::dialect::ManifestStyle;
use domain::error::Result;
use domain::job::Job;
use domain::ledger::Ledger;
use domain::manifest::{NamedFile, StoredManifest, part_end};
use domain::ports::files::{Files, read_all};
use domain::states::Complete;
use jiff::{SignedDuration, Timestamp};
use security::keys::Keys;
use serde_json::{Map, Value, json};
use settings::Settings;
use words::Words;

use crate::job_json::file_url;

mod schemas;

pub use self::schemas::{members, schemas};
use crate::urls::client_of;

/// The maximum size of a stored page in bytes. A page has at most 10,000 files and the files of one more chunk.
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// The validity of a signed URL (Bulk Data 3.0, capability URLs).
pub const SIGNED: SignedDuration = SignedDuration::from_mins(5);

/// A part of a page of a manifest. Most pages have only one. A page that would be too large for a response of a function on AWS has
/// several, each with a link to the next one. Their bounds follow from what the job stores ([`part_end`]). A host without a limit returns
/// whole pages, because clients may not support links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Part {
    /// The number of the page.
    pub page: u32,
    /// The position of its first file in the page.
    pub from: usize,
}

impl Part {
    /// Returns the files of the part, and the query of the link to the next part or page; `None` if the page has no such part. `files` are
    /// all files of the page, and `has_next` says whether another page follows. If the server's URL is longer than at the kick-off, parts
    /// are smaller. A job that did not record its length has parts for the current URL. A link has the position of a file, so it is valid
    /// also if the bounds have moved.
    pub fn of<'f>(
        self,
        (files, has_next): (&'f [NamedFile], bool),
        job: &Job,
        settings: &Settings,
    ) -> Option<(&'f [NamedFile], Option<String>)> {
        let recorded = job.header().request.output.manifest_url_bytes.unwrap_or_default();
        let end = match settings.has_limited_responses() {
            true => part_end(files, self.from, settings.base_url.len().max(recorded as usize)),
            false => files.len(),
        };
        let shown = files.get(self.from..end).filter(|shown| self.from == 0 || !shown.is_empty())?;
        let next = match end < files.len() {
            true => Some(format!("page={}&from={end}", self.page)),
            false => has_next.then(|| format!("page={}", self.page + 1)),
        };
        Some((shown, next))
    }
}

/// A part of a page and its inputs.
pub struct Page<'p> {
    pub job: &'p Job,
    pub transaction_time: Timestamp,
    pub files: &'p [NamedFile],
    /// The query of the link to the next part or page.
    pub next: Option<String>,
    /// Keys and the current time. If they are given, URLs are signed and need no token.
    pub signer: Option<(&'p Keys, Timestamp)>,
}

impl Page<'_> {
    /// Renders the page in the dialect of its job.
    pub fn to_json(&self, settings: &Settings) -> Value {
        let request = &self.job.header().request;
        let style = request.dialect().manifest;
        let manifest_v4 = request.output.manifest_v4;
        let entries = |wanted: &dyn Fn(Purpose) -> bool| -> Vec<Value> {
            let files = self.files.iter().filter(|named| wanted(named.file.purpose));
            files.map(|named| self.entry(named, settings)).collect()
        };
        let errors = entries(&|purpose| purpose == Purpose::Error);
        let mut manifest = json!({
            "transactionTime": fhir::instant(self.transaction_time),
            "request": request.url,
            "requiresAccessToken": self.signer.is_none(),
            "output": entries(&Purpose::is_data),
            "deleted": entries(&|purpose| purpose == Purpose::Deleted),
        });
        if manifest_v4 {
            manifest["outcome"] = json!(errors);
            manifest["outputFormat"] = json!(fhir::FHIR_NDJSON);
            manifest["manifestType"] = json!("bulk-export");
        } else {
            if style == ManifestStyle::Signed {
                manifest["errors"] = json!(errors);
            }
            manifest["error"] = json!(errors);
        }
        if request.output.organize_by_patient {
            manifest["outputOrganizedBy"] = json!("Patient");
        }
        if let Some(next) = &self.next {
            let url = settings.url(&request.dialect().status_path(self.job.id()));
            manifest["link"] = json!([{ "relation": "next", "url": format!("{url}?{next}") }]);
        }
        self.extend(&mut manifest, settings, style, manifest_v4);
        manifest
    }

    fn entry(&self, named: &NamedFile, settings: &Settings) -> Value {
        let request = &self.job.header().request;
        let mut url = file_url(settings, self.job, &named.name);
        if let Some((keys, now)) = self.signer {
            let expires = now.saturating_add(SIGNED).unwrap_or(now).as_second();
            let signature = keys.file_signature(self.job.id(), &named.name, expires);
            url = format!("{url}?expires={expires}&signature={signature}");
        }
        // Bulk Data 3.0: with `organizeOutputBy`, an item of the output has no type.
        let mut entry = match request.output.organize_by_patient && named.file.purpose.is_data() {
            true => json!({ "url": url, "count": named.file.count }),
            false => json!({ "type": named.file.resource_type, "url": url, "count": named.file.count }),
        };
        match request.dialect().manifest {
            ManifestStyle::Standard if request.output.manifest_v4 => {
                entry["fileSize"] = json!(named.file.size);
                entry["extension"] = json!([
                    { "url": "https://schema.org/sha256", "valueString": named.file.sha256 },
                ]);
            }
            ManifestStyle::Standard => {
                entry["extension"] = json!({ "sha256": named.file.sha256, "size": named.file.size });
            }
            ManifestStyle::Signed | ManifestStyle::Plain => {}
        }
        entry
    }

    /// Adds the extension. Every dialect gets the ledger and the URL of the format's documentation (45 CFR 170.315(b)(10) requires
    /// it with each export), and the notice of 42 CFR 2.32 if the export needs it; the standard style also gets the URL of the job's
    /// JSON. In Bulk Data 4.0 the extension is an array of FHIR extensions, in earlier versions an object.
    fn extend(&self, manifest: &mut Value, settings: &Settings, style: ManifestStyle, manifest_v4: bool) {
        let is_standard = style == ManifestStyle::Standard;
        let metadata = is_standard.then(|| settings.url(&format!("/jobs/{}/metadata", self.job.id())));
        let documentation = &settings.documentation_url;
        let notice = part_2_notice(self.job, settings);
        let ledger = self.job.summary().and_then(|summary| summary.ledger.as_ref());
        if manifest_v4 && is_standard {
            let mut extensions = vec![
                json!({ "url": "metadata", "valueUrl": metadata }),
                json!({ "url": "ehiDocumentationUrl", "valueUrl": documentation }),
            ];
            extensions.extend(notice.map(|notice| json!({ "url": NOTICE, "valueString": notice })));
            extensions.extend(ledger.map(|ledger| fhir_extension("ledger", &json!(ledger))));
            manifest["extension"] = json!(extensions);
            return;
        }
        let mut extension = Map::new();
        extension.extend(metadata.map(|url| ("metadata".to_owned(), json!(url))));
        extension.insert("ehiDocumentationUrl".to_owned(), json!(documentation));
        extension.extend(notice.map(|notice| (NOTICE.to_owned(), json!(notice))));
        extension.extend(ledger.map(|ledger: &Ledger| ("ledger".to_owned(), json!(ledger))));
        manifest["extension"] = Value::Object(extension);
    }
}

/// The name of the extension with the notice of 42 CFR 2.32.
const NOTICE: &str = "notice";

/// Returns the notice of 42 CFR 2.32 in English; `None` if the export does not need it.
fn part_2_notice(job: &Job, settings: &Settings) -> Option<String> {
    let english = || Words { overrides: settings.pages.words.clone(), ..Words::default() };
    job.header().request.needs_part_2_notice().then(|| english().text("notice-part-2", &[]))
}

/// Renders counters by name as a FHIR extension, nested like the object.
fn fhir_extension(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            // FHIR has no empty extensions.
            let is_filled = |value: &Value| value.as_object().is_none_or(|members| !members.is_empty());
            let filled = members.iter().filter(|(_, value)| is_filled(value));
            let nested: Vec<_> = filled.map(|(name, value)| fhir_extension(name, value)).collect();
            json!({ "url": name, "extension": nested })
        }
        count => json!({ "url": name, "valueUnsignedInt": count }),
    }
}

/// Returns the first page of a job's manifest, without signatures; `None` if the export is not written yet.
pub async fn manifest(job: &Job, files: &dyn Files, settings: &Settings) -> Result<Option<Value>> {
    page(job, Part::default(), files, settings, None).await
}

/// Returns a part of a page of a job's manifest; the first page includes the file with the DocumentReference for the files that staff
/// attached. Returns `None` if the export is not written yet, and if there is no such page. `signer` signs the URLs if the job's client
/// requires it.
pub async fn page(
    job: &Job,
    part: Part,
    files: &dyn Files,
    settings: &Settings,
    signer: Option<(&Keys, Timestamp)>,
) -> Result<Option<Value>> {
    let Some(stored) = stored_page(job, part.page, files).await? else { return Ok(None) };
    Ok(render(job, part, &stored, settings, signer))
}

/// Renders a part of a page from the manifest that the Finish task stored; `None` if the page has no such part.
pub fn render(
    job: &Job,
    part: Part,
    stored: &StoredManifest,
    settings: &Settings,
    signer: Option<(&Keys, Timestamp)>,
) -> Option<Value> {
    let mut listed = Cow::Borrowed(&stored.files);
    if let (Job::Complete(Complete { attached: Some(attached), .. }), 0) = (job, part.page) {
        listed.to_mut().push(attached.clone());
    }
    let has_next = job.summary().is_some_and(|summary| part.page + 1 < summary.pages);
    let signer = signer.filter(|_| is_signed(job, settings));
    let transaction_time = stored.transaction_time;
    let (files, next) = part.of((&listed, has_next), job, settings)?;
    Some(Page { job, transaction_time, files, next, signer }.to_json(settings))
}

/// Returns whether the URLs of the job's files are signed: in the dialect that requires it, and for clients that are registered with
/// `signed_urls` and were at the kick-off, when the attachments got their key.
pub fn is_signed(job: &Job, settings: &Settings) -> bool {
    let header = job.header();
    let registered = client_of(settings, &header.owner).is_some_and(|client| client.signed_urls);
    let request = &header.request;
    request.has_signed_manifest() || (registered && request.output.attachment_key.is_some())
}

/// Returns a page as the Finish task stored it; `None` before that task, and if there is no such page.
pub async fn stored_page(job: &Job, number: u32, files: &dyn Files) -> Result<Option<StoredManifest>> {
    let Some(summary) = job.summary().filter(|summary| number < summary.pages) else { return Ok(None) };
    let bytes = read_all(files, &summary.page_key(number), MAX_PAGE).await?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

#[cfg(test)]
mod tests;
