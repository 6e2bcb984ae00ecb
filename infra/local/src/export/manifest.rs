//! Reads a manifest with its pages, and lists its files.

use std::collections::HashSet;

use http::Method;
use reqwest::Response;
use serde_json::Value;
use url::Url;

use super::exported::{Names, file_name};
use super::follow::without_token;
use super::response::{json, resolve, succeeded, without_query};
use super::smart::Session;
use super::verify::{Expected, Kind};
use crate::Failure;

/// The maximum number of pages of a manifest.
const MAX_PAGES: usize = 10_000;
/// The lists of files in a manifest.
const LISTS: [&str; 4] = ["output", "deleted", "error", "outcome"];

/// A manifest, or one page of it.
pub(crate) struct ManifestPage {
    /// The URL of the page, to which its relative URLs refer.
    url: Url,
    pub(super) body: Value,
}

/// A file of the manifest.
pub(super) struct Wanted {
    /// The list of the manifest that names the file.
    pub(super) list: &'static str,
    pub(super) expected: Expected,
    pub(super) name: String,
}

impl ManifestPage {
    /// # Errors
    ///
    /// The JSON is not a manifest. It must not be used as one without files, because the export would be complete.
    pub(super) fn new(url: Url, body: Value) -> Result<Self, Failure> {
        match LISTS.iter().any(|list| body[list].is_array()) {
            true => Ok(Self { url, body }),
            false => Err(Failure::new(format!("the server's response for {} is not a manifest", url.path()))),
        }
    }

    pub(super) async fn read(response: Response) -> Result<Self, Failure> {
        let url = response.url().clone();
        Self::new(url, json(response).await?)
    }

    /// Returns the URL at which the manifest is.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns whether the request for another page has the token. Servers that are not among `trusted`, which have the token already,
    /// get it only if the manifest says that they need it.
    fn sends_token_to_page(&self, url: &Url, trusted: [&Url; 2]) -> bool {
        is_of(url, trusted) || self.body["requiresAccessToken"] == true
    }

    /// Returns whether the request for a file of the page has the token. A manifest that does not say that the files need it may mean so,
    /// but the token is then sent only to servers among `trusted`.
    fn sends_token_to_file(&self, url: &Url, trusted: [&Url; 2]) -> bool {
        self.body["requiresAccessToken"].as_bool().unwrap_or_else(|| is_of(url, trusted))
    }

    /// Returns the URL of the next page.
    fn next(&self) -> Result<Option<Url>, Failure> {
        let mut links = self.body["link"].as_array().into_iter().flatten();
        let next = links.find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
        next.map(|next| resolve(&self.url, next)).transpose()
    }
}

/// Returns whether a URL has the origin of one of the servers.
fn is_of(url: &Url, servers: [&Url; 2]) -> bool {
    servers.iter().any(|server| server.origin() == url.origin())
}

/// Returns a manifest with all pages that follow the first one.
pub(super) async fn all_pages(session: &Session, first: ManifestPage) -> Result<Vec<ManifestPage>, Failure> {
    let mut seen = HashSet::new();
    let at = first.url.clone();
    let trusted = [session.base(), &at];
    let mut pages = vec![first];
    while let Some(next) = pages.last().map_or(Ok(None), ManifestPage::next)? {
        if !seen.insert(next.clone()) {
            return Err(Failure::new(format!(
                "the pages of the manifest form a circle: {} is linked twice",
                without_query(next.as_str())
            )));
        }
        if pages.len() >= MAX_PAGES {
            return Err(Failure::new(format!("the manifest has more than {MAX_PAGES} pages")));
        }
        let response = match pages.last().is_some_and(|page| page.sends_token_to_page(&next, trusted)) {
            true => session.send(Method::GET, next.as_str(), |request| request).await?,
            false => without_token(session, &session.patience, &next, &|request| request).await?,
        };
        pages.push(ManifestPage::read(succeeded(response).await?).await?);
    }
    Ok(pages)
}

/// Returns the files of the manifest's lists, each with a unique name. `base` is the URL of the server.
pub(super) fn listed(pages: &[ManifestPage], base: &Url, mut names: Names) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    let trusted = [base, pages.first().map_or(base, ManifestPage::url)];
    for page in pages {
        for list in LISTS {
            for entry in page.body[list].as_array().into_iter().flatten() {
                let url = entry["url"].as_str().ok_or_else(|| {
                    Failure::new(format!("an entry of '{list}' in the manifest has no URL"))
                })?;
                let url = resolve(&page.url, url)?;
                let name = names.unique(file_name(&url));
                let with_token = page.sends_token_to_file(&url, trusted);
                let expected = Expected {
                    url,
                    kind: Kind::Resources { resource_type: entry["type"].as_str().map(str::to_owned) },
                    count: entry["count"].as_u64(),
                    size: entry["extension"]["size"].as_u64().or(entry["fileSize"].as_u64()),
                    sha256: sha256(&entry["extension"]).map(str::to_owned),
                    sha1: None,
                    with_token,
                    position: Some(wanted.len()),
                };
                wanted.push(Wanted { list, expected, name });
            }
        }
    }
    Ok(wanted)
}

/// Returns the hash in an entry of the manifest. Bulk Data 4.0 has an array of FHIR extensions, earlier versions an object.
fn sha256(extension: &Value) -> Option<&str> {
    let mut extensions = extension.as_array().into_iter().flatten();
    let listed = extensions.find(|extension| extension["url"] == "https://schema.org/sha256");
    listed.map_or(&extension["sha256"], |listed| &listed["valueString"]).as_str()
}

/// Returns one manifest with the files of all pages, and everything else of the first page.
pub(super) fn joined(pages: &[ManifestPage]) -> Value {
    let Some((first, others)) = pages.split_first() else { return Value::Null };
    let mut whole = first.body.clone();
    for list in LISTS {
        let entries = others.iter().filter_map(|page| page.body[list].as_array()).flatten().cloned();
        let entries: Vec<_> = entries.collect();
        match whole.get_mut(list).and_then(Value::as_array_mut) {
            Some(all) => all.extend(entries),
            None if entries.is_empty() => {}
            None => whole[list] = entries.into(),
        }
    }
    if let Some(links) = whole.get_mut("link").and_then(Value::as_array_mut) {
        links.retain(|link| link["relation"] != "next");
    }
    whole
}

#[cfg(test)]
mod tests;
