//! The list of a file's resources, 50 on each page, and the page of one resource.

use askama::Template;
use domain::job::Job;
use domain::manifest::NamedFile;

use super::path;
use crate::pages::filters;
use crate::request_context;

/// A resource in the list of a file.
pub struct ResourceRow {
    /// The offset of the resource in the file, in bytes.
    pub at: u64,
    pub id: String,
    pub date: String,
    pub text: String,
    pub value: String,
    pub status: String,
    /// The size in bytes of a resource that is too large to be read for the list.
    pub large: Option<u64>,
}

/// A field of a resource: its path and its value.
pub struct FieldRow {
    pub name: String,
    pub value: String,
}

/// The rows of a page, and the positions of the previous and the next page.
#[derive(Template)]
#[template(path = "staff_rows.html")]
pub struct RowsPage {
    username: String,
    job: String,
    path: String,
    file: String,
    count: Option<String>,
    rows: Vec<ShownRow>,
    previous: Option<(u64, u64)>,
    next: Option<(u64, u64)>,
}

struct ShownRow {
    row: ResourceRow,
    name: String,
    large: Option<String>,
}

/// The position of a page: the offset of its first line in bytes, and the number of its first resource.
type PagePosition = (u64, u64);

impl RowsPage {
    /// Returns the page. `first` is the number of the first row, counted from 1.
    pub fn new(
        username: String,
        (job, named): (&Job, &NamedFile),
        first: u64,
        rows: Vec<ResourceRow>,
        (previous, next): (Option<PagePosition>, Option<PagePosition>),
    ) -> Self {
        let words = request_context::words();
        let last = (first + rows.len() as u64).saturating_sub(1);
        let shown = |row: ResourceRow| ShownRow {
            name: if row.id.is_empty() { words.text("rows-open", &[]) } else { row.id.clone() },
            large: row.large.map(|bytes| words.text("rows-large", &[("size", &words.size(bytes))])),
            row,
        };
        let values = [
            ("from", &*words.number(first)),
            ("to", &*words.number(last)),
            ("count", &*words.number(named.file.count)),
        ];
        Self {
            username,
            job: path(job),
            path: format!("{}/files/{}", path(job), named.name),
            file: named.name.clone(),
            count: (!rows.is_empty()).then(|| words.text("rows-count", &values)),
            rows: rows.into_iter().map(shown).collect(),
            previous,
            next,
        }
    }
}

/// One resource: its main fields, all fields, and the JSON.
#[derive(Template)]
#[template(path = "staff_resource.html")]
pub struct ResourcePage {
    pub username: String,
    /// `Type/id`.
    pub title: String,
    /// The path of the job.
    pub job: String,
    /// The path of the file, with the page from which the resource was opened.
    pub file: String,
    /// The path of the page that asks for confirmation before the resource is left out; `None` if it cannot be left out.
    pub leave_out: Option<String>,
    /// Why the resource cannot be left out of the export, which is in review.
    pub not_left_out: Option<String>,
    pub main: Vec<FieldRow>,
    pub all: Vec<FieldRow>,
    /// Whether fields are missing or shortened.
    pub is_cut: bool,
    pub json: String,
    pub is_json_cut: bool,
}
