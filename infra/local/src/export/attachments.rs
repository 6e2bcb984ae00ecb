//! The attachments of the resources of an export.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use futures_util::stream::{self, StreamExt};
use memchr::memmem::Finder;
use serde_json::{Map, Value};
use url::{Origin, Url};

use super::directory::OutputDirectory;
use super::download::{AT_ONCE, Downloads, Fetched};
use super::exported::{Exported, Names, attachment_name, bytes_of};
use super::job::poll;
use super::response::is_gone;
use super::smart::Session;
use super::verify::{Expected, Kind};
use crate::{Failure, private};

/// The name of the directory of the attachments.
pub(super) const ATTACHMENTS: &str = "attachments";
/// The path of the attachments of exports of this program's server.
const OF_EXPORT: &str = "/download/attachments/";
/// The names of the elements of the type Attachment that do not end in `Attachment` (FHIR R4 and R5).
const NAMES: [&str; 7] = ["attachment", "content", "document", "form", "image", "photo", "presentedForm"];

static URL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"url\""));
/// Finds the ends of the names of elements that can be attachments.
static ENDS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    let names = NAMES.iter().map(|name| format!("\"{name}\"")).chain(["Attachment\"".to_owned()]);
    names.map(|name| Finder::new(name.as_bytes()).into_owned()).collect()
});

/// The origins of the files of the manifest, and whether the files of each are requested with the token.
pub(super) type FileServers = HashMap<Origin, bool>;

/// The attachments of resources, by their absolute URLs.
#[derive(Debug)]
pub(super) struct Attachments {
    /// The FHIR base, with a slash at its end.
    base: Url,
    servers: Arc<FileServers>,
    /// Those on the server of the FHIR base, and those that this program's server made for the export.
    pub(super) here: BTreeMap<String, Expected>,
    /// The URLs of the others. The token must not be sent to other servers, and a record may name any address.
    pub(super) elsewhere: BTreeSet<String>,
}

impl Attachments {
    pub(super) fn new(base: &Url, servers: &Arc<FileServers>) -> Self {
        let mut base = base.clone();
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        Self { base, servers: Arc::clone(servers), here: BTreeMap::new(), elsewhere: BTreeSet::new() }
    }

    /// Adds the attachments of a resource.
    pub(super) fn collect(&mut self, line: &[u8]) {
        // Fast path: most resources have no attachment.
        if URL.find(line).is_none() || ENDS.iter().all(|end| end.find(line).is_none()) {
            return;
        }
        if let Ok(resource) = serde_json::from_slice::<Value>(line) {
            self.collect_from("", &resource);
        }
    }

    /// Adds the attachments in the value of the member `name`.
    fn collect_from(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                if name.ends_with("Attachment") || NAMES.contains(&name) {
                    self.add(object);
                }
                object.iter().for_each(|(name, value)| self.collect_from(name, value));
            }
            Value::Array(list) => list.iter().for_each(|value| self.collect_from(name, value)),
            _ => {}
        }
    }

    fn add(&mut self, attachment: &Map<String, Value>) {
        let text = |name: &str| attachment.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(url) = text("url").filter(|url| !has_content(url)) else { return };
        // FHIR R4, Attachment.url: a relative URL refers to the FHIR base.
        let absolute = self.base.join(url.trim()).ok();
        let absolute = absolute.and_then(|absolute| Some((self.with_token(&absolute)?, absolute)));
        let Some((with_token, mut absolute)) = absolute else {
            self.elsewhere.insert(url);
            return;
        };
        absolute.set_fragment(None);
        let is_of_export = absolute.path().contains(OF_EXPORT);
        let expected = Expected {
            kind: Kind::Attachment { content_type: text("contentType"), is_of_export },
            count: None,
            size: attachment.get("size").and_then(Value::as_u64),
            sha256: None,
            sha1: text("hash"),
            with_token,
            position: None,
            url: absolute,
        };
        self.here.insert(expected.url.to_string(), expected);
    }

    /// Returns whether the request for an attachment has the token. Returns `None` if it is not fetched: a user name in the URL would be
    /// sent instead of the token, and the URL may be that of another server. The server of the export may have another origin than the
    /// URL with which the user named it, so the attachments that it made are also fetched from where its files are.
    fn with_token(&self, url: &Url) -> Option<bool> {
        match url.origin() {
            _ if !url.username().is_empty() || url.password().is_some() => None,
            origin if origin == self.base.origin() => Some(true),
            origin if url.path().contains(OF_EXPORT) => self.servers.get(&origin).copied(),
            _ => None,
        }
    }

    /// Adds the attachments of another file.
    pub(super) fn extend(&mut self, others: Self) {
        self.here.extend(others.here);
        self.elsewhere.extend(others.elsewhere);
    }
}

/// Returns whether the content is in the URL itself, or in a resource inside the resource.
fn has_content(url: &str) -> bool {
    let url = url.trim();
    url.is_empty()
        || url.starts_with('#')
        || url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Downloads the attachments that the resources refer to. An attachment that the server does not have is reported, and the others are
/// downloaded.
pub(super) async fn fetch_attachments(
    downloads: Downloads<'_>,
    attachments: Attachments,
    directory: &mut OutputDirectory,
    exported: &mut Exported,
) -> Result<(), Failure> {
    exported.elsewhere = attachments.elsewhere;
    let mut names = Names::default();
    let mut wanted = Vec::new();
    for expected in attachments.here.into_values() {
        let content_type = match &expected.kind {
            Kind::Attachment { content_type, .. } => content_type.as_deref(),
            Kind::Resources { .. } => None,
        };
        let name = names.unique(attachment_name(&expected.url, content_type));
        wanted.push((expected, format!("{ATTACHMENTS}/{name}")));
    }
    directory.expect_files(wanted.iter().map(|(_, name)| name.clone()))?;
    let out = directory.path().to_owned();
    if !wanted.is_empty() {
        private::create_directory(&out.join(ATTACHMENTS))?;
    }
    let mut fetched = stream::iter(wanted)
        .map(|(expected, name)| {
            let path = out.join(&name);
            async move {
                let fetched = downloads.download(&expected, &path).await?;
                Ok::<_, Failure>((name, path, expected.check(), fetched))
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(file) = fetched.next().await {
        let (name, path, check, fetched) = file?;
        if let Fetched::Missing(failure) = fetched {
            exported.missing.insert(name, failure.to_string());
            continue;
        }
        exported.attachments += 1;
        exported.bytes += bytes_of(&path)?;
        exported.attachments_verified.add(check);
    }
    check_job(downloads.session, exported.missing.len(), directory).await?;
    directory.set_missing(exported.missing.keys().cloned().collect(), exported.elsewhere.clone())
}

/// Returns an error if attachments are missing because the server has removed the whole job in the meantime.
async fn check_job(
    session: &Session,
    missing: usize,
    directory: &mut OutputDirectory,
) -> Result<(), Failure> {
    let Some(job) = directory.unfinished_job().filter(|_| missing > 0).map(str::to_owned) else {
        return Ok(());
    };
    if !is_gone(poll(session, &job, directory).await?.status()) {
        return Ok(());
    }
    directory.job_ended()?;
    Err(Failure::new(format!(
        "the server removed the job {job} before all attachments were downloaded: run the same command again to start a new export"
    )))
}

#[cfg(test)]
mod tests;
