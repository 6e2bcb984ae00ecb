//! The resources of a file, 50 a page, and one of them.

use axum::response::Response;
use domain::error::{NO_FILE, Result};
use domain::job::{Job, JobState};
use domain::manifest::{NamedFile, Names};
use domain::ports::jobs::StoredJob;
use http::StatusCode;
use serde_json::Value;
use web::describe::{Kind, Parameter};
use web::extract::{FilePath, Query};
use web::manifest::stored_page;
use web::pages::job::{ResourcePage, ResourceRow, RowsPage};
use web::respond::{PageError, html};

use super::export_page::ExportPage;
use super::fields::{self, Main};
use super::lines::{self, Line};
use super::refusal;
use crate::Admin;

pub(crate) const PLACE: [Parameter; 3] = [
    Parameter::query("at", "The offset of the page or the resource in the file, in bytes").of(Kind::Integer),
    Parameter::query("row", "The number of the first resource of the page").of(Kind::Integer),
    Parameter::query("one", "1: the page shows only the resource at the offset"),
];

/// The longest resource, in bytes, whose fields are shown. Of a longer one the page shows the beginning of the JSON.
pub(super) const ONE: usize = 1024 * 1024;
/// The maximum number of characters of JSON on a page.
const MAX_JSON: usize = 200_000;

pub(crate) async fn show(
    page: ExportPage,
    FilePath(file): FilePath,
    query: Query,
) -> Result<Response, PageError> {
    let stored = page.stored().await?;
    let ExportPage { state, username, .. } = page;
    let named = state.named(&stored.job, &file).await?;
    let [at, row, one] = PLACE.map(|parameter| query.get(parameter.name));
    let number = |text: Option<&str>| text.map_or(Ok(0), |text| text.parse::<u64>().map_err(|_| NO_FILE));
    let at = number(at)?;
    state.viewed_part(&stored.job, &named.name, &username).await?;
    if one.is_some() {
        return Ok(state.resource(username, &stored, &named, at).await?);
    }
    let first = number(row)?.max(1);
    let page = lines::page(&*state.files, &named.file, at).await?;
    let before = lines::page_before(&*state.files, &named.file, at).await?;
    let rows: Vec<_> = page.lines.iter().map(row_of).collect();
    let next = page.next.map(|next| (next, first.saturating_add(rows.len() as u64)));
    let previous = before.map(|(at, lines)| (at, first.saturating_sub(lines).max(1)));
    let page = RowsPage::new(username, (&stored.job, &named), first, rows, (previous, next));
    Ok(html(StatusCode::OK, &page))
}

/// Returns the row of a line in a list.
fn row_of(line: &Line) -> ResourceRow {
    let resource = line.text.as_ref().and_then(|text| serde_json::from_slice::<Value>(text).ok());
    let large = resource.is_none().then_some(line.bytes);
    let Main { date, text, value, status } = Main::of(resource.as_ref().unwrap_or(&Value::Null));
    let id = resource.as_ref().and_then(|resource| resource.get("id")?.as_str());
    let id = fields::shorten(id.unwrap_or_default(), 64).0;
    ResourceRow { at: line.at, id, date, text, value, status, large }
}

impl Admin {
    /// Returns a file of an export, by its name in the manifest.
    pub(super) async fn named(&self, job: &Job, name: &str) -> Result<NamedFile> {
        let manifest = stored_page(job, Names::page_of(name), &*self.files).await?.ok_or(NO_FILE)?;
        manifest.files.into_iter().find(|named| named.name == name).ok_or(NO_FILE)
    }

    /// Returns the line that begins at an offset of a file.
    pub(super) async fn line_at(&self, named: &NamedFile, at: u64) -> Result<Line> {
        let reader = lines::Reader::begin(&*self.files, &named.file, at, ONE).await?;
        reader.ok_or(NO_FILE)?.next().await?.ok_or(NO_FILE)
    }

    async fn resource(
        &self,
        username: String,
        stored: &StoredJob,
        named: &NamedFile,
        at: u64,
    ) -> Result<Response> {
        let line = self.line_at(named, at).await?;
        // An exported line may be text that this JSON library refuses, such as half of an emoji. The page then shows its text.
        let resource: Option<Value> = line.text.as_ref().and_then(|text| serde_json::from_slice(text).ok());
        let text = match (&resource, &line.text) {
            (Some(resource), _) => serde_json::to_string_pretty(resource)?,
            (None, Some(text)) => String::from_utf8_lossy(text).into_owned(),
            (None, None) => String::from_utf8_lossy(&line.head).into_owned(),
        };
        let (json, is_json_cut) = fields::shorten(&text, MAX_JSON);
        let (all, is_cut) = resource.as_ref().map(fields::all).unwrap_or_default();
        let job = format!("/staff/jobs/{}", stored.job.id());
        let refusal = refusal::of_line(&stored.job, named, &line);
        let can_leave_out = stored.job.state() == JobState::InReview && refusal.is_none();
        let page = ResourcePage {
            username,
            title: name_of(resource.as_ref(), named),
            file: format!("{job}/files/{}?at={at}", named.name),
            leave_out: can_leave_out
                .then(|| format!("{job}/leave-out?file={}&at={at}&hash={}", named.name, named.file.sha256)),
            not_left_out: refusal.map(refusal::in_words),
            job,
            main: resource.as_ref().map(|resource| Main::of(resource).rows()).unwrap_or_default(),
            all,
            is_cut,
            json,
            is_json_cut: is_json_cut || resource.is_none(),
        };
        Ok(html(StatusCode::OK, &page))
    }
}

/// Returns `Type/id`, or only the type if the resource has no id.
pub(super) fn name_of(resource: Option<&Value>, named: &NamedFile) -> String {
    let id = resource.and_then(|resource| resource.get("id")?.as_str());
    let resource_type = &named.file.resource_type;
    id.map_or_else(|| resource_type.clone(), |id| format!("{resource_type}/{}", fields::shorten(id, 64).0))
}
