//! Writes the body of a response to a partial file.

use std::io::{ErrorKind, Write};
use std::path::Path;

use flate2::write::MultiGzDecoder;
use futures_util::stream::StreamExt;
use http::header::CONTENT_ENCODING;
use indicatif::ProgressBar;
use reqwest::Response;

use super::response::unreachable;
use super::retry::Trouble;
use crate::{Failure, private};

/// The content coding of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    /// The client does not request it, but some stores send a compressed object as it is.
    Gzip,
}

/// Returns the content coding of a response.
///
/// # Errors
///
/// The client cannot decode it.
pub(super) fn coding(response: &Response) -> Result<Coding, Failure> {
    let codings = response.headers().get_all(CONTENT_ENCODING).iter();
    let codings: Vec<_> = codings.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let codings = codings.join(",").to_ascii_lowercase();
    let mut codings = codings.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Ok(Coding::Identity),
        (Some("gzip" | "x-gzip"), None) => Ok(Coding::Gzip),
        (Some(coding), _) => Err(Failure::new(format!(
            "the server sent it with the Content-Encoding '{coding}', which the client did not request and cannot decode"
        ))),
    }
}

/// The partial file to which a body is written.
pub(super) struct Part<'p> {
    pub(super) path: &'p Path,
    /// Whether the body continues the file. Otherwise it replaces the file.
    pub(super) is_continued: bool,
    /// The size of the whole file, if it is known.
    pub(super) size: Option<u64>,
}

impl Part<'_> {
    /// Writes the body of a response to the file. Returns why the file cannot be the expected one, if that is already known.
    pub(super) async fn receive(
        &self,
        response: Response,
        coding: Coding,
        progress: &ProgressBar,
    ) -> Result<Option<Failure>, Trouble> {
        let mut file = self.open()?;
        match coding {
            Coding::Identity => self.copy(response, &mut file, progress).await,
            Coding::Gzip => {
                let mut decoder = MultiGzDecoder::new(file);
                match self.copy(response, &mut decoder, progress).await? {
                    None => self.failed(decoder.try_finish()),
                    Some(failure) => Ok(Some(failure)),
                }
            }
        }
    }

    fn open(&self) -> Result<Limited, Failure> {
        let file = private::open(self.path, self.is_continued)?;
        let have = file.metadata().map_err(|error| Failure::of_path(self.path, &error))?.len();
        Ok(Limited { file, left: self.size.map(|size| size.saturating_sub(have)) })
    }

    async fn copy(
        &self,
        response: Response,
        out: &mut impl Write,
        progress: &ProgressBar,
    ) -> Result<Option<Failure>, Trouble> {
        let mut stream = response.bytes_stream();
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(|error| Trouble::broken(unreachable(error)))?;
            if let Some(failure) = self.failed(out.write_all(&bytes))? {
                return Ok(Some(failure));
            }
            progress.inc(bytes.len() as u64);
        }
        Ok(None)
    }

    /// Returns the failure of a write that the body causes.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    fn failed(&self, written: std::io::Result<()>) -> Result<Option<Failure>, Trouble> {
        let Err(error) = written else { return Ok(None) };
        match (error.kind(), self.size) {
            (ErrorKind::FileTooLarge, Some(size)) => Ok(Some(Failure::new(format!(
                "more bytes were received than the size according to the server, which is {size}"
            )))),
            (ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof, _) => {
                Ok(Some(Failure::new("the compressed response of the server is damaged")))
            }
            _ => Err(Failure::of_path(self.path, &error).into()),
        }
    }
}

/// A file that grows to its expected size at most.
struct Limited {
    file: std::fs::File,
    /// The number of bytes that may follow.
    left: Option<u64>,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.left.is_some_and(|left| bytes.len() as u64 > left) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(bytes)?;
        self.left = self.left.map(|left| left - written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
