//! The attachments of the resources of an export.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt};
use indicatif::ProgressBar;
use serde_json::Value;

use super::directory::OutputDirectory;
use super::download::{AT_ONCE, Fetched, download};
use super::exported::{Exported, bytes_of, file_name, unique};
use super::job::{is_gone, poll};
use super::smart::Session;
use super::verify::Expected;
use crate::{Failure, private};

/// The name of the directory of the attachments.
pub(super) const ATTACHMENTS: &str = "attachments";

/// Downloads the attachments that the resources refer to. An attachment that the server does not have is reported, and the others are
/// downloaded.
pub(super) async fn fetch_attachments(
    session: &Session,
    attachments: BTreeMap<String, Expected>,
    directory: &mut OutputDirectory,
    progress: &ProgressBar,
    exported: &mut Exported,
) -> Result<(), Failure> {
    if attachments.is_empty() {
        return Ok(());
    }
    let mut names = HashSet::new();
    let mut wanted = Vec::new();
    for expected in attachments.into_values() {
        let name = unique(file_name(&expected.url)?, &mut names);
        wanted.push((expected, format!("{ATTACHMENTS}/{name}")));
    }
    directory.expect_files(wanted.iter().map(|(_, name)| name.clone()))?;
    let (out, resumed) = (directory.path().to_owned(), directory.is_resumed());
    private::create_directory(&out.join(ATTACHMENTS))?;
    let mut fetched = stream::iter(wanted)
        .map(|(expected, name)| {
            let path = out.join(&name);
            async move {
                let fetched = download(session, &expected, &path, resumed, progress).await?;
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
    check_job(session, exported.missing.len(), directory).await?;
    directory.set_missing(exported.missing.keys().cloned().collect())
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

/// Collects the attachments of a resource that the export contains.
pub(super) fn collect_attachments(line: &[u8], found: &mut BTreeMap<String, Expected>) {
    if memchr::memmem::find(line, b"/download/attachments/").is_none() {
        return;
    }
    let Ok(resource) = serde_json::from_slice::<Value>(line) else { return };
    collect_from(&resource, found);
}

fn collect_from(value: &Value, found: &mut BTreeMap<String, Expected>) {
    match value {
        Value::Object(object) => {
            if let Some(url) = object.get("url").and_then(Value::as_str)
                && url.contains("/download/attachments/")
            {
                let expected = Expected {
                    url: url.to_owned(),
                    size: object.get("size").and_then(Value::as_u64),
                    sha1: object.get("hash").and_then(Value::as_str).map(str::to_owned),
                    with_token: true,
                    ..Expected::default()
                };
                found.insert(url.to_owned(), expected);
            }
            object.values().for_each(|value| collect_from(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_from(value, found)),
        _ => {}
    }
}
