//! The documents inside the resources of an export: a list, which is searched for a piece at a time, and one of them.
//!
//! They are shown like the other documents: their content decides the type, and they open in a tab, in which no script runs.

use std::ops::Range;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use domain::chunk::job_prefix;
use domain::clock::hex;
use domain::error::{Error, NO_FILE, Result};
use domain::ids::{FileName, JobId};
use domain::job::Job;
use domain::manifest::NamedFile;
use domain::ports::files::{Linked, write_all};
use domain::ports::jobs::StoredJob;
use fhir::MAX_LINE;
use fhir::head::{Plain, head};
use fhir::inside::{Inside, documents_inside};
use fhir::media_types;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use jiff::SignedDuration;
use web::describe::{Kind, Parameter};
use web::download::FileRequest;
use web::extract::{FilePath, Query};
use web::manifest::stored_page;
use web::pages::job::{InsidePage, InsidePlace, InsideRow};
use web::respond::{PageError, html};

use super::documents::{DOCUMENT, policy};
use super::export_page::ExportPage;
use super::lines::{Line, Reader};
use super::opened::{Opened, Place};
use super::sniff::{self, shown_as};
use crate::Admin;
use crate::seen::STALE;

/// The place where the search continues.
pub(crate) const PLACE: [Parameter; 4] = [
    Parameter::query("file", "The file in which the search continues"),
    Parameter::query("hash", "The SHA-256 of the file that was searched"),
    Parameter::query("at", "The offset at which the search continues, in bytes").of(Kind::Integer),
    Parameter::query(
        "number",
        "The number of documents in the resource at this offset that were already searched",
    )
    .of(Kind::Integer),
];
/// The place of a document in a file.
pub(crate) const ONE: [Parameter; 3] = [
    Parameter::query("hash", "The SHA-256 of the file in which the document was found"),
    Parameter::query("at", "The offset of the resource in the file, in bytes").of(Kind::Integer),
    Parameter::query("number", "The number of the document inside the resource, counted from 0")
        .of(Kind::Integer),
];

/// The number of bytes after which a search stops. A link of the page continues it.
const SEARCHED: u64 = 16 * 1024 * 1024;
/// The maximum number of documents on a page.
const ROWS: usize = 100;
/// The time for which the link to a document is valid. Only a document that is too large for a response of this host has a link.
const LINK: SignedDuration = SignedDuration::from_mins(5);

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the digest by which a document inside a resource is remembered when it is opened.
fn identity(document: &Inside<'_>) -> String {
    hex(digest::digest(&digest::SHA256, document.data.as_bytes()).as_ref())
}

/// Calls `read` with the id of the resource in a line, and the resource. Returns `None` if the line is no resource.
fn resource_of<T>(line: &[u8], read: impl FnOnce(Option<&str>, &[u8]) -> T) -> Option<T> {
    let mut plain = Plain::default();
    let head = head(line.trim_ascii_end(), &mut plain).ok()?;
    Some(read(head.id, head.text))
}

pub(crate) async fn list(page: ExportPage, query: Query) -> Result<Response, PageError> {
    let stored = page.stored().await?;
    let ExportPage { state, username, .. } = page;
    state.viewed_part(&stored.job, "documents inside resources", &username).await?;
    let [file, hash, at, number] = PLACE.map(|parameter| query.get(parameter.name));
    let integer = |text: Option<&str>| text.map_or(Ok(0), |text| text.parse::<u64>().map_err(|_| NO_FILE));
    let (at, number) = (integer(at)?, usize::try_from(integer(number)?).map_err(|_| NO_FILE)?);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let from = InsidePlace { file: text(file), sha256: text(hash), at, number };
    let opened = state.opened(stored.job.id(), Place::Resources).await?;
    let (rows, next) = state.documents_inside(&stored, &from, &opened).await?;
    let page = InsidePage::new(username, &stored.job, rows, next, opened.full_at());
    Ok(html(StatusCode::OK, &page))
}

pub(crate) async fn show(
    page: ExportPage,
    FilePath(file): FilePath,
    request: FileRequest,
    query: Query,
) -> Result<Response, PageError> {
    let stored = page.stored().await?;
    let ExportPage { state, id, username } = page;
    let named = state.named(&stored.job, &file).await?;
    let number = |parameter: Parameter| query.get(parameter.name).and_then(|text| text.parse::<u64>().ok());
    let [hash, at, which] = ONE;
    // Another resource can begin at this place since something before it was left out.
    if query.get(hash.name) != Some(named.file.sha256.as_str()) {
        return Err(Error::conflict(STALE).into());
    }
    let [at, which] = [at, which].map(number);
    let (at, which) = (at.ok_or(NO_FILE)?, usize::try_from(which.unwrap_or(0)).map_err(|_| NO_FILE)?);
    let reader = Reader::begin(&*state.files, &named.file, at, MAX_LINE + 1).await?;
    let line = reader.ok_or(NO_FILE)?.next().await?.and_then(|line| line.text).ok_or(NO_FILE)?;
    let read = |id: Option<&str>, text: &[u8]| {
        let document = documents_inside(text).nth(which)?;
        Some((name_of(&document, id, &named), identity(&document), decoded(document)))
    };
    let (name, identity, bytes) = resource_of(&line, read).flatten().ok_or(NO_FILE)?;
    drop(line);
    let bytes = bytes?;
    state.viewed_part(&stored.job, DOCUMENT, &username).await?;
    if bytes.len() as u64 > state.settings.max_direct_bytes
        && let Some(link) = state.link_inside(&id, &identity, &bytes, &name).await?
    {
        if !request.is_head() {
            state.mark_logged(&id, Place::Resources, &identity).await;
        }
        let headers = [(LOCATION, link), (CACHE_CONTROL, "private, no-store".to_owned())];
        return Ok((StatusCode::TEMPORARY_REDIRECT, headers).into_response());
    }
    let response = sent(bytes, &name)?;
    Ok(match request.is_head() {
        true => response,
        false => state.marked_when_sent(response, &id, Place::Resources, identity),
    })
}

/// Returns the bytes of a document, whose base64 may have the alphabet of URLs, line ends, and no padding.
fn decoded(document: Inside<'_>) -> Result<Vec<u8>> {
    let mut text = document.data.into_owned().into_bytes();
    text.retain(|byte| !byte.is_ascii_whitespace());
    for byte in &mut text {
        match *byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    BASE64
        .decode(text)
        .map_err(|_| Error::invalid("the document is not base64; look at the resource that it is in"))
}

/// Returns the media type with which a browser shows the document; `None` if it saves the document.
fn shown_type(bytes: &[u8]) -> Option<&'static str> {
    shown_as(&bytes[..bytes.len().min(usize::try_from(sniff::HEAD).unwrap_or(usize::MAX))])
}

/// Returns the document as a response in which a browser runs no script.
fn sent(bytes: Vec<u8>, name: &FileName) -> Result<Response> {
    let shown = shown_type(&bytes);
    let disposition = Linked { name: name.as_str(), shown_as: shown }.disposition();
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or(media_types::UNKNOWN))),
        (CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?),
        (CONTENT_SECURITY_POLICY, policy(shown)),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

/// Returns the name under which a browser saves the document.
fn name_of(document: &Inside<'_>, id: Option<&str>, named: &NamedFile) -> FileName {
    let title = match (&*document.title, id) {
        ("", Some(id)) => id,
        ("", None) => &named.file.resource_type,
        (title, _) => title,
    };
    let extension = media_types::extension_of(media_types::safe(&document.content_type));
    match title.to_ascii_lowercase().ends_with(&format!(".{extension}")) {
        true => FileName::sanitize(title),
        false => FileName::sanitize(&format!("{title}.{extension}")),
    }
}

/// Returns where a search begins in a list of files: the index of the file, the offset in it, and the number of the document. If the file
/// was changed since, it is unknown how much of it was searched, so it is searched again; if it is gone, all files are searched again.
fn beginning(files: &[NamedFile], from: &InsidePlace) -> (usize, u64, usize) {
    let index = files.iter().position(|named| named.name == from.file).unwrap_or(0);
    match files.get(index) {
        Some(named) if named.name == from.file && named.file.sha256 == from.sha256 => {
            (index, from.at, from.number)
        }
        _ => (index, 0, 0),
    }
}

impl Admin {
    /// Returns the documents from a place on, and the place where the search continues.
    async fn documents_inside(
        &self,
        stored: &StoredJob,
        from: &InsidePlace,
        opened: &Opened,
    ) -> Result<(Vec<InsideRow>, Option<InsidePlace>)> {
        let files = self.searched_files(&stored.job).await?;
        let (first, mut at, mut number) = beginning(&files, from);
        let (mut rows, mut left) = (Vec::new(), SEARCHED);
        for named in files.iter().skip(first) {
            let begun = Reader::begin(&*self.files, &named.file, at, MAX_LINE + 1).await?;
            let begun = match begun {
                // No line begins there, because the address was made up.
                None if at > 0 => {
                    number = 0;
                    Reader::begin(&*self.files, &named.file, 0, MAX_LINE + 1).await?
                }
                begun => begun,
            };
            at = 0;
            let Some(mut reader) = begun else { continue };
            while let Some(line) = reader.next().await? {
                let place = |number: usize| InsidePlace {
                    file: named.name.clone(),
                    sha256: named.file.sha256.clone(),
                    at: line.at,
                    number,
                };
                if left == 0 || rows.len() >= ROWS {
                    return Ok((rows, Some(place(0))));
                }
                left = left.saturating_sub(line.bytes);
                let (found, more) = rows_of(&line, named, number..number + ROWS - rows.len(), opened);
                rows.extend(found);
                if let Some(number) = more {
                    return Ok((rows, Some(place(number))));
                }
                number = 0;
            }
        }
        Ok((rows, None))
    }

    /// Returns the files whose lines are resources.
    async fn searched_files(&self, job: &Job) -> Result<Vec<NamedFile>> {
        let pages = job.summary().map_or(0, |summary| summary.pages);
        let mut files = Vec::new();
        for page in 0..pages {
            let page = stored_page(job, page, &*self.files).await?;
            let files_of_page = page.into_iter().flat_map(|page| page.files.clone());
            files.extend(files_of_page.filter(|named| named.file.purpose.is_data()));
        }
        Ok(files)
    }

    /// Stores a document that is too large for a response, and returns a link to it; `None` if this host sends everything itself.
    async fn link_inside(
        &self,
        job: &JobId,
        identity: &str,
        bytes: &[u8],
        name: &FileName,
    ) -> Result<Option<String>> {
        let key = format!("{}{identity}", copies_prefix(job));
        if self.files.size(&key).await? != Some(bytes.len() as u64) {
            write_all(&*self.files, &key, bytes.to_vec()).await?;
        }
        self.files.link(&key, LINK, Linked { name: name.as_str(), shown_as: shown_type(bytes) }).await
    }
}

/// Returns the prefix of the documents that were copied out of resources, so that the store can send them.
pub(super) fn copies_prefix(job: &JobId) -> String {
    format!("{}inside/", job_prefix(job))
}

/// Returns the documents of a line with these numbers, and the number of the next one, if there is one.
fn rows_of(
    line: &Line,
    named: &NamedFile,
    numbers: Range<usize>,
    opened: &Opened,
) -> (Vec<InsideRow>, Option<usize>) {
    let rows = |id: Option<&str>, text: &[u8]| {
        let row = |(number, document): (usize, Inside<'_>)| InsideRow {
            file: named.name.clone(),
            sha256: named.file.sha256.clone(),
            at: line.at,
            number,
            title: name_of(&document, id, named).to_string(),
            resource: id.map_or_else(
                || named.file.resource_type.clone(),
                |id| format!("{}/{id}", named.file.resource_type),
            ),
            size: document.data.len() as u64 / 4 * 3,
            opened: opened.contains(&identity(&document)),
        };
        let mut documents = documents_inside(text).enumerate().skip(numbers.start);
        let rows: Vec<_> = documents.by_ref().take(numbers.len()).map(row).collect();
        (rows, documents.next().map(|(number, _)| number))
    };
    line.text.as_ref().and_then(|text| resource_of(text, rows)).unwrap_or_default()
}
