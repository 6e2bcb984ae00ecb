//! Downloads one file, resumes an interrupted download, and verifies the file.

use std::path::{Path, PathBuf};

use futures_util::stream::StreamExt;
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LOCATION, RANGE};
use http::{Method, StatusCode};
use indicatif::ProgressBar;
use reqwest::Response;
use tokio::io::AsyncWriteExt;

use super::directory::{part_of, tag_of};
use super::job::is_gone;
use super::response::{error_of, unreachable};
use super::retry::{Repeat, Trouble};
use super::smart::Session;
use super::verify::{Expected, verify};
use crate::{Failure, private};

/// The number of files that are downloaded at the same time.
pub(super) const AT_ONCE: usize = 4;
/// The number of complete downloads of a file whose verification fails, or that changes during the download.
const WHOLE_TRIES: u32 = 3;
/// The size of a range that is requested if the server does not send the whole file in one response. AWS Lambda sends up to 6 MB.
const RANGE_BYTES: u64 = 4 * 1024 * 1024;

/// The result of a download.
pub(super) enum Fetched {
    Verified,
    /// The server does not have the file. Contains its error.
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
    Missing(Failure),
}

/// The download of one file.
struct Download<'d> {
    session: &'d Session,
    expected: &'d Expected,
    progress: &'d ProgressBar,
    /// The partial file.
    part: PathBuf,
    /// The file with the ETag of the partial file.
    tag: PathBuf,
    /// Whether the file is requested in ranges of [`RANGE_BYTES`].
    in_ranges: bool,
}

/// Downloads a file until it is complete, and renames it to its final name if the verification succeeds.
pub(super) async fn download(
    session: &Session,
    expected: &Expected,
    path: &Path,
    resumed: bool,
    progress: &ProgressBar,
) -> Result<Fetched, Failure> {
    if resumed && path.exists() && verify(path, expected).is_ok() {
        return Ok(Fetched::Verified);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    progress.set_message(name.clone());
    let (part, tag) = (part_of(path), tag_of(path));
    let mut download = Download { session, expected, progress, part, tag, in_ranges: false };
    let mut attempts = session.patience.attempts();
    let mut whole = 0;
    let failed = |failure: Failure| Failure::new(format!("{name}: {failure}"));
    loop {
        let before = length(&download.part);
        let failure = match download.piece().await {
            Ok(Piece::More) => {
                attempts.progressed();
                continue;
            }
            Ok(Piece::Missing(failure)) => {
                download.discard();
                return Ok(Fetched::Missing(failure));
            }
            Ok(Piece::TooLarge(_)) if !download.in_ranges => {
                download.use_ranges();
                continue;
            }
            Ok(Piece::Complete) => match verify(&download.part, expected) {
                Ok(()) => return download.finish(path).map(|()| Fetched::Verified),
                Err(failure) => failure,
            },
            Ok(Piece::TooLarge(failure) | Piece::Changed(failure)) => failure,
            Err(trouble) => {
                if length(&download.part) > before {
                    attempts.progressed();
                }
                attempts.pause(trouble).await.map_err(failed)?;
                continue;
            }
        };
        download.discard();
        whole += 1;
        if whole >= WHOLE_TRIES {
            return Err(failed(failure));
        }
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default()
}

impl Download<'_> {
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
        match status {
            // An earlier response was interrupted after its last byte, so the file is complete.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(Piece::Complete),
            StatusCode::PAYLOAD_TOO_LARGE => return Ok(Piece::TooLarge(error_of(response).await.0)),
            _ if is_gone(status) => return Ok(Piece::Missing(error_of(response).await.0)),
            _ if !status.is_success() => return Err(error_of(response).await.0.into()),
            _ => {}
        }
        let resumes = status == StatusCode::PARTIAL_CONTENT;
        let sent = content_range(&response);
        let new_tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        if resumes && have > 0 {
            let is_other = tag.is_some() && new_tag.is_some() && tag != new_tag;
            if is_other || sent.is_some_and(|(start, _)| start != have) {
                return Ok(Piece::Changed(Failure::new(
                    "the file changed on the server during the download",
                )));
            }
        }
        if let Some(tag) = new_tag {
            private::replace(&self.tag, tag.as_bytes())?;
        }
        self.receive(response, resumes).await?;
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

    /// Requests the bytes after those of the partial file.
    async fn request(&self, have: u64, tag: Option<&str>) -> Result<Response, Trouble> {
        let range = match (self.in_ranges, tag) {
            (true, _) => Some(format!("bytes={have}-{}", have + RANGE_BYTES - 1)),
            (false, Some(_)) => Some(format!("bytes={have}-")),
            (false, None) => None,
        };
        // A weak ETag never permits a range (RFC 9110, section 13.1.5). With ranges only, the ETags of the responses are compared.
        let condition = tag.filter(|tag| !self.in_ranges || !tag.starts_with("W/"));
        let with_range = |mut request: reqwest::RequestBuilder| {
            if let Some(range) = &range {
                request = request.header(RANGE, range);
            }
            match condition {
                Some(tag) => request.header(IF_RANGE, tag),
                None => request,
            }
        };
        let session = self.session;
        // Object stores refuse a signed URL if the request also has a token.
        let signed = async |url: url::Url| {
            let request = async || {
                with_range(session.client.get(url.clone())).send().await.map_err(Trouble::of_transport)
            };
            session.patience.send(Repeat::Safe, request).await
        };
        let url = &self.expected.url;
        let response = match self.expected.with_token {
            true => session.send(Method::GET, url, with_range).await?,
            false => signed(url.parse().map_err(|_| Failure::new("its URL is invalid"))?).await?,
        };
        match response.headers().get(LOCATION).and_then(|location| location.to_str().ok()) {
            Some(location) if response.status().is_redirection() => {
                let location = response.url().join(location);
                let location =
                    location.map_err(|_| Failure::new("the server redirects to an invalid URL"))?;
                Ok(signed(location).await?)
            }
            _ => Ok(response),
        }
    }

    /// Writes the body of a response to the partial file, or to its end.
    async fn receive(&self, response: Response, appends: bool) -> Result<(), Trouble> {
        let broken = |error: std::io::Error| Failure::of_path(&self.part, &error);
        let mut options = tokio::fs::OpenOptions::new();
        options.create(true).write(true).append(appends).truncate(!appends).mode(private::FILE_MODE);
        let mut file = options.open(&self.part).await.map_err(broken)?;
        let mut stream = response.bytes_stream();
        let mut received = Ok(());
        while let Some(bytes) = stream.next().await {
            match bytes {
                Ok(bytes) => {
                    file.write_all(&bytes).await.map_err(broken)?;
                    self.progress.inc(bytes.len() as u64);
                }
                Err(error) => {
                    received = Err(Trouble::broken(unreachable(error)));
                    break;
                }
            }
        }
        file.flush().await.map_err(broken)?;
        received
    }
}

/// Returns the first byte of the sent range, and the size of the whole file if the server knows it.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()))
}
