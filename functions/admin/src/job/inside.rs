//! The documents inside the resources of an export: a list, which is searched for a piece at a time, and one of them.
//!
//! They are shown as the other documents are: by their content, in a tab, with nothing that runs.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::hex;
use domain::error::{Error, NO_FILE, Result};
use domain::ids::FileName;
use domain::job::Job;
use domain::manifest::NamedFile;
use domain::ports::jobs::StoredJob;
use fhir::MAX_LINE;
use fhir::head::{Plain, head};
use fhir::inside::{Inside, documents_inside, may_have_documents};
use fhir::media_types;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use web::describe::{Kind, Parameter};
use web::download::FileRequest;
use web::extract::{FilePath, Query};
use web::manifest::stored_page;
use web::pages::job::{InsidePage, InsideRow};
use web::respond::{PageError, html};

use super::ExportPage;
use super::documents::{DOCUMENT, POLICY};
use super::lines::{Line, Reader};
use super::sniff::{self, shown_as};
use crate::Admin;

/// Where the search goes on.
pub(crate) const PLACE: [Parameter; 2] = [
    Parameter::query("file", "The file in which the search goes on"),
    Parameter::query("at", "Where it goes on in the file, in bytes").of(Kind::Integer),
];
/// Which document of a file.
pub(crate) const ONE: [Parameter; 2] = [
    Parameter::query("at", "Where the resource begins in the file, in bytes").of(Kind::Integer),
    Parameter::query("number", "Which of the documents inside the resource, from 0").of(Kind::Integer),
];

/// The bytes after which a search stops until somebody goes on.
const SEARCHED: u64 = 4 * 1024 * 1024;
/// The most documents of a page.
const ROWS: usize = 100;

/// A document inside a resource, with what it is remembered by when it is opened.
fn identity(document: &Inside<'_>) -> String {
    hex(digest::digest(&digest::SHA256, document.data.as_bytes()).as_ref())
}

/// The documents of a line.
fn documents_of<T>(line: &[u8], read: impl FnOnce(Option<&str>, Vec<Inside<'_>>) -> T) -> Option<T> {
    let mut plain = Plain::default();
    let head = head(line.trim_ascii_end(), &mut plain).ok()?;
    Some(read(head.id, documents_inside(head.text, head.resource_type)))
}

pub(crate) async fn list(page: ExportPage, query: Query) -> Result<Response, PageError> {
    let stored = page.stored().await?;
    let ExportPage { state, username, .. } = page;
    state.viewed_part(&stored.job, "documents inside resources", &username).await?;
    let [file, at] = PLACE.map(|parameter| query.get(parameter.name));
    let at = at.map_or(Ok(0), |at| at.parse::<u64>().map_err(|_| NO_FILE))?;
    let (rows, next) = state.documents_inside(&stored, file, at).await?;
    Ok(html(StatusCode::OK, &InsidePage::new(username, &stored.job, rows, next)))
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
    let [at, which] = ONE.map(number);
    let (at, which) = (at.ok_or(NO_FILE)?, usize::try_from(which.unwrap_or(0)).map_err(|_| NO_FILE)?);
    let reader = Reader::begin(&*state.files, &named.file, at, MAX_LINE + 1).await?;
    let line = reader.ok_or(NO_FILE)?.next().await?.and_then(|line| line.text).ok_or(NO_FILE)?;
    let read = |id: Option<&str>, documents: Vec<Inside<'_>>| {
        let document = documents.get(which)?;
        Some((name_of(document, id, &named), identity(document), decoded(document)))
    };
    let (name, identity, bytes) = documents_of(&line, read).flatten().ok_or(NO_FILE)?;
    drop(line);
    let bytes = bytes?;
    let limit = state.settings.max_direct_bytes;
    if bytes.len() as u64 > limit {
        let text = format!(
            "the document has more than {limit} bytes; download the file of the export that it is in"
        );
        return Err(Error::TooLarge(text).into());
    }
    state.viewed_part(&stored.job, DOCUMENT, &username).await?;
    let response = sent(bytes, &name)?;
    Ok(if request.is_head() { response } else { state.marked_when_sent(response, &id, identity) })
}

/// The bytes of a document.
fn decoded(document: &Inside<'_>) -> Result<Vec<u8>> {
    let mut text = document.data.clone().into_owned().into_bytes();
    text.retain(|byte| !byte.is_ascii_whitespace());
    STANDARD
        .decode(text)
        .map_err(|_| Error::invalid("the document is not base64; look at the resource that it is in"))
}

/// The document as a response that runs nothing.
fn sent(bytes: Vec<u8>, name: &FileName) -> Result<Response> {
    let head = &bytes[..bytes.len().min(usize::try_from(sniff::HEAD).unwrap_or(usize::MAX))];
    let shown = shown_as(head);
    let how = if shown.is_some() { "inline" } else { "attachment" };
    let disposition = format!("{how}; filename=\"{name}\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(shown.unwrap_or(media_types::UNKNOWN))),
        (CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

/// The name under which a browser saves the document.
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

/// Whether a file can have documents inside its resources.
fn is_searched(named: &NamedFile) -> bool {
    named.file.purpose.is_data() && may_have_documents(&named.file.resource_type)
}

impl Admin {
    /// The documents from a place on, and where the search goes on.
    async fn documents_inside(
        &self,
        stored: &StoredJob,
        file: Option<&str>,
        mut at: u64,
    ) -> Result<(Vec<InsideRow>, Option<(String, u64)>)> {
        let opened = self.opened(stored.job.id()).await?;
        let files = self.searched_files(&stored.job).await?;
        let first = match file {
            Some(file) => files.iter().position(|named| named.name == file).ok_or(NO_FILE)?,
            None => 0,
        };
        let (mut rows, mut left) = (Vec::new(), SEARCHED);
        for named in &files[first..] {
            let Some(mut reader) = Reader::begin(&*self.files, &named.file, at, MAX_LINE + 1).await? else {
                at = 0;
                continue;
            };
            at = 0;
            while let Some(line) = reader.next().await? {
                if left == 0 || rows.len() >= ROWS {
                    return Ok((rows, Some((named.name.clone(), line.at))));
                }
                left = left.saturating_sub(line.bytes);
                rows.extend(rows_of(&line, named, &opened));
            }
        }
        Ok((rows, None))
    }

    /// The files that can have documents inside their resources.
    async fn searched_files(&self, job: &Job) -> Result<Vec<NamedFile>> {
        let pages = job.summary().map_or(0, |summary| summary.pages);
        let mut files = Vec::new();
        for page in 0..pages {
            let page = stored_page(job, page, &*self.files).await?;
            files.extend(page.into_iter().flat_map(|page| page.files.clone()).filter(is_searched));
        }
        Ok(files)
    }
}

fn rows_of(line: &Line, named: &NamedFile, opened: &BTreeSet<String>) -> Vec<InsideRow> {
    let rows = |id: Option<&str>, documents: Vec<Inside<'_>>| -> Vec<InsideRow> {
        let row = |(number, document): (usize, &Inside<'_>)| InsideRow {
            file: named.name.clone(),
            at: line.at,
            number,
            title: name_of(document, id, named).to_string(),
            resource: id.map_or_else(
                || named.file.resource_type.clone(),
                |id| format!("{}/{id}", named.file.resource_type),
            ),
            size: document.data.len() as u64 / 4 * 3,
            opened: opened.contains(&identity(document)),
        };
        documents.iter().enumerate().map(row).collect()
    };
    line.text.as_ref().and_then(|text| documents_of(text, rows)).unwrap_or_default()
}
