//! Downloads one file, resumes an interrupted download, and verifies the file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use indicatif::ProgressBar;
use reqwest::{RequestBuilder, Response};
use url::Url;

use super::directory::{part_of, tag_of};
use super::follow::get;
use super::page::page_text;
use super::receive::{Coding, Part, coding};
use super::response::{MAX_ERROR, beginning, error_of, is_gone, is_page};
use super::retry::{self, Patience, Trouble};
use super::signed_urls::SignedUrls;
use super::smart::Session;
use super::verify::{Check, Expected, Kind, verify};
use crate::{Failure, private};

/// The number of files that are downloaded at the same time.
pub(super) const AT_ONCE: usize = 4;
/// The number of complete downloads of a file whose verification fails, or that changes during the download.
const WHOLE_TRIES: u32 = 3;
/// The size of a range that is requested if the server does not send the whole file in one response. AWS Lambda sends up to 6 MB.
const RANGE_BYTES: u64 = 4 * 1024 * 1024;
/// The number of times that a signed URL of a file is renewed without receiving a byte.
const RENEWALS: u32 = 3;

/// The result of a download.
pub(super) enum Fetched {
    Verified,
    /// The export is complete without the file, because the server does not have it or does not permit its download. Contains the reason.
    Missing(Failure),
}

/// The result of one request for a file.
enum Piece {
    /// The last byte was received.
    Complete,
    /// A range was received, and others follow.
    More,
    /// The server does not send so many bytes in one response.
    TooLarge(Failure),
    /// The received bytes and the bytes of the partial file do not belong together.
    Changed(Failure),
    /// The server refuses a URL that is not used with the token. The signature may have expired.
    Expired(Failure),
    Missing(Failure),
}

/// The values that the downloads of several files have in common.
#[derive(Clone, Copy)]
pub(super) struct Downloads<'d> {
    pub(super) session: &'d Session,
    pub(super) progress: &'d ProgressBar,
    /// The URLs of the files, if they can be renewed.
    pub(super) urls: Option<&'d SignedUrls<'d>>,
    /// Whether an earlier run may have downloaded the files.
    pub(super) is_resumed: bool,
    /// Set when a document of a FHIR server did not arrive within the time for retries, and cleared when a file arrives. While it is
    /// set, such documents are requested only once: otherwise thousands of them would wait one after another.
    pub(super) is_failing: &'d AtomicBool,
}

/// The download of one file.
struct Download<'d> {
    downloads: Downloads<'d>,
    expected: &'d Expected,
    url: Url,
    /// The partial file.
    part: PathBuf,
    /// The file with the ETag of the partial file.
    tag: PathBuf,
    /// Whether the file is requested in ranges of [`RANGE_BYTES`].
    in_ranges: bool,
    /// The number of renewals of the URL, and the length of the partial file at the last one.
    renewals: (u32, u64),
    /// The length of the partial file after the last range that was received completely. Others follow it, unless it was the last one.
    range_end: Option<u64>,
}

impl<'d> Downloads<'d> {
    /// Downloads a file until it is complete, and renames it to its final name if the verification succeeds.
    pub(super) async fn download(self, expected: &'d Expected, path: &Path) -> Result<Fetched, Failure> {
        if self.is_resumed && path.exists() && verify(path, expected).is_ok() {
            return Ok(Fetched::Verified);
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.progress.set_message(name.clone());
        let (part, tag, url) = (part_of(path), tag_of(path), expected.url.clone());
        let (in_ranges, renewals, range_end) = (false, (0, 0), None);
        let mut download =
            Download { downloads: self, expected, url, part, tag, in_ranges, renewals, range_end };
        match download.run().await {
            Ok(()) => download.finish(path).map(|()| Fetched::Verified),
            Err(Stopped::Missing(failure)) => {
                download.discard();
                Ok(Fetched::Missing(failure))
            }
            Err(Stopped::Failed(failure)) => Err(Failure::new(format!("{name}: {failure}"))),
        }
    }
}

/// Why a download stopped before the file was complete.
enum Stopped {
    Missing(Failure),
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default()
}

impl Download<'_> {
    /// Downloads and verifies the partial file.
    async fn run(&mut self) -> Result<(), Stopped> {
        let patience = self.patience();
        let mut attempts = patience.attempts();
        let mut whole = 0;
        loop {
            let before = length(&self.part);
            let failure = match self.piece().await {
                Ok(Piece::More) => {
                    self.range_end = Some(length(&self.part));
                    attempts.progressed();
                    continue;
                }
                Ok(Piece::Missing(failure)) => return Err(Stopped::Missing(failure)),
                Ok(Piece::Expired(failure)) => {
                    self.renew(failure).await?;
                    continue;
                }
                Ok(Piece::TooLarge(_)) if !self.in_ranges => {
                    self.use_ranges();
                    continue;
                }
                Ok(Piece::Complete) => match verify(&self.part, self.expected) {
                    Ok(()) => {
                        self.downloads.is_failing.store(false, Ordering::Relaxed);
                        return Ok(());
                    }
                    Err(failure) => failure,
                },
                Ok(Piece::TooLarge(failure) | Piece::Changed(failure)) => failure,
                Err(trouble) => {
                    if length(&self.part) > before {
                        attempts.progressed();
                    }
                    if let Err(trouble) = attempts.pause(trouble).await {
                        self.downloads
                            .is_failing
                            .fetch_or(trouble.kind == retry::Kind::Over, Ordering::Relaxed);
                        return Err(self.given_up(trouble));
                    }
                    continue;
                }
            };
            self.discard();
            whole += 1;
            if whole >= WHOLE_TRIES {
                return Err(self.refused(failure));
            }
        }
    }

    /// Returns how long the next request may be repeated.
    fn patience(&self) -> Patience {
        let patience = &self.downloads.session.patience;
        match self.is_optional() && self.downloads.is_failing.load(Ordering::Relaxed) {
            true => patience.once(),
            false => patience.clone(),
        }
    }

    /// Returns whether the export is complete without the file.
    fn is_optional(&self) -> bool {
        matches!(self.expected.kind, Kind::Attachment { is_of_export: false, .. })
    }

    /// Returns what follows from a failure after which the file is not requested again.
    fn given_up(&self, trouble: Trouble) -> Stopped {
        match trouble.kind {
            retry::Kind::Fatal => Stopped::Failed(trouble.failure),
            _ => self.refused(trouble.failure),
        }
    }

    /// Returns what follows from a file that is not the expected one, or that the server refuses.
    fn refused(&self, failure: Failure) -> Stopped {
        if self.is_optional() { Stopped::Missing(failure) } else { Stopped::Failed(failure) }
    }

    /// Gets another URL of the file after the server has refused the last one.
    async fn renew(&mut self, refused: Failure) -> Result<(), Failure> {
        let (have, (renewals, last)) = (length(&self.part), self.renewals);
        let renewals = if have > last { 1 } else { renewals + 1 };
        let (Some(urls), Some(position), 0..=RENEWALS) =
            (self.downloads.urls, self.expected.position, renewals)
        else {
            return Err(refused);
        };
        self.renewals = (renewals, have);
        self.url = urls.renewed(position, &self.url).await?.ok_or(refused)?;
        Ok(())
    }

    /// Removes the partial file, so that the next request starts at the first byte.
    fn discard(&self) {
        let _ = std::fs::remove_file(&self.part);
        let _ = std::fs::remove_file(&self.tag);
    }

    /// Gives the partial file its final name.
    fn finish(&self, path: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.part, path).map_err(|error| Failure::of_path(path, &error))?;
        let _ = std::fs::remove_file(&self.tag);
        Ok(())
    }

    /// Requests ranges from now on. A partial file without an ETag may be of another version of the file.
    fn use_ranges(&mut self) {
        self.in_ranges = true;
        if !self.tag.exists() {
            self.discard();
        }
    }

    /// Downloads the missing part of a file, or the next range of it.
    async fn piece(&self) -> Result<Piece, Trouble> {
        let have = length(&self.part);
        let tag = std::fs::read_to_string(&self.tag).ok().filter(|_| have > 0);
        let response = self.request(have, tag.as_deref()).await?;
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE && have > 0 {
            return Ok(self.at_end(have, size_of(&response)));
        }
        if !status.is_success() {
            return self.without_content(response).await;
        }
        let response = self.usable(response).await?;
        let resumes = status == StatusCode::PARTIAL_CONTENT;
        let coding = coding(&response).map_err(Trouble::of_server)?;
        if coding == Coding::Gzip && resumes {
            let failure = Failure::new("the server sent a range of a compressed form of it");
            return Err(Trouble::of_server(failure));
        }
        let sent = content_range(&response);
        // Compressed responses cannot be continued, so that the file has no ETag.
        let new_tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let new_tag = new_tag.filter(|_| coding == Coding::Identity).map(str::to_owned);
        if resumes && have > 0 {
            let is_other = tag.is_some() && new_tag.is_some() && tag != new_tag;
            if is_other || sent.is_some_and(|(start, _)| start != have) {
                return Ok(Piece::Changed(Failure::new(
                    "the file changed on the server during the download",
                )));
            }
        }
        if !resumes {
            // The ETag of another version of the file must not remain.
            self.discard();
        }
        if let Some(tag) = new_tag {
            private::replace(&self.tag, tag.as_bytes())?;
        }
        let part = Part { path: &self.part, is_continued: resumes, size: self.expected.size };
        if let Some(failure) = part.receive(response, coding, self.downloads.progress).await? {
            return Ok(Piece::Changed(failure));
        }
        if !resumes || !self.in_ranges {
            return Ok(Piece::Complete);
        }
        let now = length(&self.part);
        Ok(match sent.and_then(|(_, size)| size) {
            Some(size) if now >= size => Piece::Complete,
            None if now - have < RANGE_BYTES => Piece::Complete,
            _ if now == have => Piece::Changed(Failure::new("the server sent an empty range")),
            _ => Piece::More,
        })
    }

    /// Returns the result of a request for the bytes after `have`, if the server has none there. An earlier response may have been
    /// interrupted after the last byte. The file on the server may also have become shorter.
    fn at_end(&self, have: u64, size: Option<u64>) -> Piece {
        let is_verifiable = self.expected.check() <= Check::Size;
        let is_complete = match size {
            Some(size) => size == have,
            None => is_verifiable || self.range_end == Some(have),
        };
        match is_complete {
            true => Piece::Complete,
            false => Piece::Changed(Failure::new(format!(
                "the server has no bytes after the first {have}, but it does not say that these are the whole file"
            ))),
        }
    }

    /// Returns the result of a request whose response has no content of the file.
    async fn without_content(&self, response: Response) -> Result<Piece, Trouble> {
        let status = response.status();
        // Another server, to which the request was redirected, did not get the token.
        let had_token = response.url().origin() == self.expected.url.origin();
        let error = error_of(response).await.0;
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Piece::TooLarge(error)),
            _ if is_gone(status) => Ok(Piece::Missing(error)),
            // Amazon S3 returns 400 if the credentials that signed the URL have expired.
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                if !self.expected.with_token =>
            {
                Ok(Piece::Expired(error))
            }
            StatusCode::UNAUTHORIZED if had_token => Err(error.into()),
            _ => match self.refused(error) {
                Stopped::Missing(failure) => Ok(Piece::Missing(failure)),
                Stopped::Failed(failure) => Err(failure.into()),
            },
        }
    }

    /// Returns the response, unless its content type says that it is something else than the file.
    async fn usable(&self, response: Response) -> Result<Response, Failure> {
        if matches!(self.expected.kind, Kind::Attachment { .. }) || !is_page(&response) {
            return Ok(response);
        }
        let bytes = beginning(response, MAX_ERROR).await.unwrap_or_default();
        let text = page_text(&String::from_utf8_lossy(&bytes));
        Err(Failure::new(format!("the server sent a page instead of it: {text}")))
    }

    /// Requests the bytes after those of the partial file.
    async fn request(&self, have: u64, tag: Option<&str>) -> Result<Response, Trouble> {
        let range = match (self.in_ranges, tag) {
            (true, _) => Some(format!("bytes={have}-{}", have + RANGE_BYTES - 1)),
            (false, Some(_)) => Some(format!("bytes={have}-")),
            (false, None) => None,
        };
        // A weak ETag never permits a range (RFC 9110, section 13.1.5). With ranges only, the ETags of the responses are compared.
        let condition = tag.filter(|tag| !self.in_ranges || !tag.starts_with("W/"));
        let accept = self.expected.kind.accept();
        let with_headers = |mut request: RequestBuilder| {
            request = request.header(ACCEPT, &accept).header(ACCEPT_ENCODING, "identity");
            if let Some(range) = &range {
                request = request.header(RANGE, range);
            }
            match condition {
                Some(tag) => request.header(IF_RANGE, tag),
                None => request,
            }
        };
        get(self.downloads.session, &self.patience(), &self.url, self.expected.with_token, &with_headers)
            .await
    }
}

/// Returns the size of the file according to a response with status 416 (RFC 9110, section 15.5.17).
fn size_of(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes */")?.trim().parse().ok()
}

/// Returns the first byte of the sent range, and the size of the whole file if the server knows it.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()))
}
