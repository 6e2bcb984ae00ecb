//! The documents inside the resources of an export.

use askama::Template;
use domain::job::Job;

use super::{full, path};
use crate::pages::filters;
use crate::request_context;

/// A document inside a resource.
pub struct InsideRow {
    /// The file of the export that contains the resource.
    pub file: String,
    /// The SHA-256 of the file: if it is another one now, the resource may have moved.
    pub sha256: String,
    /// The offset of the resource in the file, in bytes.
    pub at: u64,
    /// The index of the document in the resource, from 0.
    pub number: usize,
    pub title: String,
    /// `Type/id`.
    pub resource: String,
    /// The approximate size in bytes.
    pub size: u64,
    pub opened: bool,
}

/// The place where a search for documents continues.
pub struct InsidePlace {
    /// The file of the export, and its SHA-256: if it is another one now, the resource may have moved.
    pub file: String,
    pub sha256: String,
    /// Where the resource begins in the file, in bytes.
    pub at: u64,
    /// The number of its documents that were searched already.
    pub number: usize,
}

/// One page of the list of documents.
#[derive(Template)]
#[template(path = "staff_inside.html")]
pub struct InsidePage {
    username: String,
    path: String,
    rows: Vec<(InsideRow, String)>,
    next: Option<InsidePlace>,
    /// The message if no more documents are marked.
    full: Option<String>,
}

impl InsidePage {
    /// Creates the page. `full_at` is the number of documents that are marked as opened, if no more are marked.
    pub fn new(
        username: String,
        job: &Job,
        rows: Vec<InsideRow>,
        next: Option<InsidePlace>,
        full_at: Option<u64>,
    ) -> Self {
        let words = request_context::words();
        let sized = |row: InsideRow| {
            let size = words.size(row.size);
            (row, size)
        };
        let rows = rows.into_iter().map(sized).collect();
        Self { username, path: path(job), rows, next, full: full(full_at, &words) }
    }
}
