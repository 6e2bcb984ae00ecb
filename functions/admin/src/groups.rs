//! The groups of the record store, and the export of a group that staff start. It has the parts that staff tick, like the
//! export of one patient, and leaves private topics out that are not ticked.

use std::fmt::Display;

use axum::extract::State;
use axum::response::Response;
use crypto::digest_of_lines;
use domain::audit::{Action, Actor, Event};
use domain::error::{Error, NO_GROUP, Result};
use domain::group::{Limits, Outline, Reader, head, text};
use domain::ids::GroupId;
use domain::ports::records::{Area, Part};
use domain::request::Cohort;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use web::describe::Parameter;
use web::extract::{GroupPath, Query};
use web::pages::{GroupRow, GroupsPage, StartOf};
use web::respond::{PageError, html};

use crate::Admin;
use crate::caller::PageStaff;
use crate::kept::StaffForm;
use crate::start::Target;

/// The query parameters of the list.
pub(crate) const LISTED: [Parameter; 1] =
    [Parameter::query("from", "The id with which the list of groups begins")];

/// The number of groups on a page.
const PAGE: usize = 25;
/// The number of bytes that the list reads of each group: enough for the name, and for about a thousand members.
const HEAD: usize = 64 * 1024;
/// A group and the groups in it are read up to these limits. Then they take less than 200 MB of memory: the text, about 150 bytes for
/// each member, and about as much for each different patient.
const LIMITS: Limits = Limits { bytes: 32 * 1024 * 1024, members: 400_000 };

/// `GET /staff/groups`: the groups, in the order of their ids.
pub(crate) async fn list(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    query: Query,
) -> Result<Response, PageError> {
    let from = query.get("from").map(GroupId::parse).transpose();
    let from = from.map_err(|_| Error::invalid("'from' is not the id of a group"))?;
    let event = Event::new(Actor::staff(&username), Action::RecordViewed).about("list of groups");
    state.audit.record(event).await?;
    let first = from.as_ref().map(|id| format!("{id}.json")).unwrap_or_default();
    let files = state.records.area_from(Area::Groups, &first, PAGE + 1).await?;
    let id = |part: &Part| part.name.strip_suffix(".json").and_then(|id| GroupId::parse(id).ok());
    let next = files.get(PAGE).and_then(id).map(|id| format!("/staff/groups?from={id}"));
    let groups: Vec<_> = files.iter().take(PAGE).filter_map(|part| Some((id(part)?, part.bytes))).collect();
    let row = |(id, bytes): (GroupId, u64)| {
        let state = &state;
        async move { state.listed(&id, bytes).await }
    };
    let rows: Vec<_> = stream::iter(groups).map(row).buffered(PAGE).try_collect().await?;
    let first = from.map(|_| "/staff/groups".to_owned());
    Ok(html(StatusCode::OK, &GroupsPage { username, rows, first, next }))
}

/// `GET /staff/groups/{group}/export`: the form, with the name of the group and the number of its members.
pub(crate) async fn ask(
    State(state): State<Admin>,
    PageStaff(username): PageStaff,
    GroupPath(id): GroupPath,
    query: Query,
) -> Result<Response, PageError> {
    match state.group_target(&id).await {
        Ok(target) => state.ask_for(username, target, &query).await,
        Err(error) => state.refuse(username, &id, error).await,
    }
}

/// `POST /staff/groups/{group}/export`: starts the export and redirects to its page.
pub(crate) async fn begin(
    State(state): State<Admin>,
    StaffForm((PageStaff(username), GroupPath(id)), form): StaffForm<(PageStaff, GroupPath)>,
) -> Result<Response, PageError> {
    match state.group_target(&id).await {
        Ok(target) => state.begin_for(username, target, form).await,
        Err(error) => state.refuse(username, &id, error).await,
    }
}

impl Admin {
    /// Says why a group cannot be exported here, and what to do.
    async fn refuse(&self, username: String, id: &GroupId, error: Error) -> Result<Response, PageError> {
        let (row, status) = match error {
            Error::TooLarge(_) => (GroupRow::too_large(id), StatusCode::PAYLOAD_TOO_LARGE),
            Error::NotSupported(_) => {
                (self.group_row(id).await?.without_list(), StatusCode::UNPROCESSABLE_ENTITY)
            }
            error => return Err(error.into()),
        };
        let event = Event::new(Actor::staff(&username), Action::RecordViewed).about("list of groups");
        self.audit.record(event).await?;
        let (rows, first) = (vec![row], Some("/staff/groups".to_owned()));
        Ok(html(status, &GroupsPage { username, rows, first, next: None }))
    }

    /// Returns the row of a group in the list, from the beginning of its file.
    async fn listed(&self, id: &GroupId, bytes: u64) -> Result<GroupRow> {
        let (head, is_cut) = match head(&*self.records, id, HEAD).await {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(GroupRow::unread(id)),
            Err(Error::Damaged(damage)) => return Ok(unreadable(id, &damage)),
            Err(error) => return Err(error),
        };
        let row = match Outline::of_head(&head) {
            Ok((group, true)) => row_of(id, &group),
            Ok((group, false)) if is_cut => {
                let row = GroupRow::beginning(id, group.name.as_deref(), group.members() as u64);
                if group.is_refused() { row.without_list() } else { row }
            }
            Ok(_) => return Ok(unreadable(id, &"it ends too early")),
            Err(error) => return Ok(unparsed(id, &error)),
        };
        Ok(if bytes > LIMITS.bytes as u64 { row.with_too_many() } else { row })
    }

    async fn group_target(&self, id: &GroupId) -> Result<Target> {
        let (now, own) = (self.clock.now(), self.settings.own_bases());
        let reader = Reader { records: &*self.records, now, own: &own, access: None, limits: LIMITS };
        let members = reader.members(id).await?.ok_or(NO_GROUP)?;
        let name = self.group_row(id).await?.name;
        let version = digest_of_lines([name.as_str()].into_iter().chain(members.lines()));
        Ok(Target {
            path: format!("/staff/groups/{id}/export"),
            patient: None,
            about: format!("form of a new export of Group/{id}"),
            cohort: Cohort::Group(id.clone()),
            confirmed_members: Some(digest_of_lines(members.lines())),
            shown: StartOf::Group {
                id: id.to_string(),
                name,
                members: members.patients.len() as u64,
                others: members.unknown.len() as u64,
                unread: members.problems.len() as u64,
                version,
            },
        })
    }

    /// Returns the name of a group and the number of its members, as the Group states them.
    async fn group_row(&self, id: &GroupId) -> Result<GroupRow> {
        let text = match text(&*self.records, id).await {
            Ok(Some(text)) => text,
            // The group was removed after it was listed.
            Ok(None) => return Ok(GroupRow::unread(id)),
            Err(Error::Damaged(damage)) => return Ok(unreadable(id, &damage)),
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice::<Outline>(&text) {
            Ok(group) => row_of(id, &group),
            Err(error) => unparsed(id, &error),
        })
    }
}

/// Returns the row of a group that was read to its end.
fn row_of(id: &GroupId, group: &Outline) -> GroupRow {
    let row = GroupRow::new(id, group.name.as_deref(), group.members() as u64);
    match group.refusal(id) {
        Some(_) => row.without_list(),
        None if group.members() > LIMITS.members => row.with_too_many(),
        None => row,
    }
}

/// Logs why a group cannot be read, without its contents, and returns its row.
fn unreadable(id: &GroupId, why: &dyn Display) -> GroupRow {
    tracing::warn!(group.id = %id, %why, "a Group cannot be read");
    GroupRow::unread(id)
}

/// Returns the row of a group that is not valid JSON. The text of the parser's error may repeat contents of the group, so the log has only
/// the position.
fn unparsed(id: &GroupId, error: &serde_json::Error) -> GroupRow {
    unreadable(id, &format_args!("line {}, column {}", error.line(), error.column()))
}
