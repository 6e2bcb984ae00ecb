//! The URLs of the files of a manifest that need no token. They are signed and expire, and the server signs them again for each status
//! request.

use http::{Method, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::exported::Names;
use super::manifest::{ManifestPage, Wanted, all_pages, listed};
use super::response::succeeded;
use super::smart::Session;
use crate::Failure;

/// The current URLs of all files of a manifest. Several downloads may use them at once.
pub(super) struct SignedUrls<'s> {
    session: &'s Session,
    /// The URL of the manifest.
    manifest: Url,
    current: Mutex<Vec<Url>>,
}

impl<'s> SignedUrls<'s> {
    pub(super) fn new(session: &'s Session, manifest: Url, files: &[Wanted]) -> Self {
        let current = files.iter().map(|file| file.expected.url.clone()).collect();
        Self { session, manifest, current: Mutex::new(current) }
    }

    /// Returns another URL of the file at a position, in place of the one that the server refuses. Reads the manifest again, unless
    /// another download has done so. Returns `None` if the manifest has no other URL for the file, or has other files.
    pub(super) async fn renewed(&self, position: usize, refused: &Url) -> Result<Option<Url>, Failure> {
        let mut current = self.current.lock().await;
        let is_other = |url: &&Url| *url != refused;
        if let Some(url) = current.get(position).filter(is_other) {
            return Ok(Some(url.clone()));
        }
        let response = self.session.send(Method::GET, self.manifest.as_str(), |request| request).await?;
        let response = succeeded(response).await?;
        if response.status() != StatusCode::OK {
            return Ok(None);
        }
        let pages = all_pages(self.session, ManifestPage::read(response).await?).await?;
        let urls: Vec<_> = listed(&pages, self.session.base(), Names::default())?
            .into_iter()
            .map(|file| file.expected.url)
            .collect();
        let is_same = urls.len() == current.len()
            && urls.iter().zip(&*current).all(|(new, old)| new.path() == old.path());
        if !is_same {
            return Ok(None);
        }
        *current = urls;
        Ok(current.get(position).filter(is_other).cloned())
    }
}
