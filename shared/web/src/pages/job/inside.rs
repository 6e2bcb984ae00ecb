//! The documents inside the resources of an export.

use askama::Template;
use domain::job::Job;

use super::{path, size};
use crate::pages::filters;
use crate::request_context;

/// A document inside a resource.
pub struct InsideRow {
    /// The file of the export that contains the resource.
    pub file: String,
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

/// One page of the list of documents.
#[derive(Template)]
#[template(path = "staff_inside.html")]
pub struct InsidePage {
    username: String,
    path: String,
    rows: Vec<(InsideRow, String)>,
    /// The position at which the next page continues: the file, and the offset in bytes.
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
