//! The pieces of the page in the ZIP of a copy. They contain all their texts, because they are rendered while the response is sent, when
//! the context of the request is no longer available.

use askama::Template;

/// The beginning of the page: the contents of the copy.
#[derive(Template)]
#[template(path = "zip_head.html")]
pub struct ZipHead {
    pub language: &'static str,
    pub direction: &'static str,
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
    /// Whether no other type has this title.
    pub is_named: bool,
    pub count: String,
    pub days: String,
}

/// The beginning of a type's table, up to its first row.
#[derive(Template)]
#[template(path = "zip_section.html")]
pub struct ZipSection {
    pub kind: String,
    pub title: String,
    /// Whether no other type has this title.
    pub is_named: bool,
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

/// The end of the page: the attachments.
#[derive(Template)]
#[template(path = "zip_tail.html")]
pub struct ZipTail {
    pub title: String,
    pub attachments: Vec<String>,
    pub more: Option<String>,
}
