//! The documents inside the resources of an export.

use askama::Template;
use domain::job::Job;

use super::{path, size};
use crate::pages::filters;
use crate::request_context;

/// A document inside a resource.
pub struct InsideRow {
    /// The file of the export that has the resource, and where the resource begins in it, in bytes.
    pub file: String,
    pub at: u64,
    /// Which of the documents inside the resource, from 0.
    pub number: usize,
    pub title: String,
    /// `Type/id`.
    pub resource: String,
    /// About, in bytes.
    pub size: u64,
    pub opened: bool,
}

/// A part of the list of documents.
#[derive(Template)]
#[template(path = "staff_inside.html")]
pub struct InsidePage {
    username: String,
    path: String,
    rows: Vec<(InsideRow, String)>,
    /// Where the search goes on: the file, and the offset in bytes.
    next: Option<(String, u64)>,
}

impl InsidePage {
    pub fn new(username: String, job: &Job, rows: Vec<InsideRow>, next: Option<(String, u64)>) -> Self {
        let words = request_context::words();
        let sized = |row: InsideRow| {
            let size = size(&words, row.size);
            (row, size)
        };
        Self { username, path: path(job), rows: rows.into_iter().map(sized).collect(), next }
    }
}
