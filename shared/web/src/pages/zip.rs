//! The pieces of the page in the ZIP of a copy. They have all their words with them: they are drawn while the response is sent,
//! when nothing is known of its reader any more.

use askama::Template;

/// The beginning: what is in the copy.
#[derive(Template)]
#[template(path = "zip_head.html")]
pub struct ZipHead {
    pub language: &'static str,
    pub title: String,
    pub patient: String,
    pub lead: String,
    pub notice: Option<String>,
    pub contents: String,
    pub columns: [String; 3],
    pub kinds: Vec<ZipKind>,
}

/// The resources of one type.
pub struct ZipKind {
    /// The FHIR type.
    pub kind: String,
    pub title: String,
    pub count: String,
    pub days: String,
}

/// The head of a type's table, until its first row.
#[derive(Template)]
#[template(path = "zip_section.html")]
pub struct ZipSection {
    pub kind: String,
    pub title: String,
    pub lead: String,
    pub files: Vec<String>,
    pub columns: [String; 4],
}

/// Rows of the table.
#[derive(Template)]
#[template(path = "zip_rows.html")]
pub struct ZipRows {
    pub rows: Vec<ZipRow>,
}

pub struct ZipRow {
    pub date: String,
    pub what: String,
    pub value: String,
    pub id: String,
}

/// The end: the attachments.
#[derive(Template)]
#[template(path = "zip_tail.html")]
pub struct ZipTail {
    pub title: String,
    pub attachments: Vec<String>,
    pub more: Option<String>,
}
