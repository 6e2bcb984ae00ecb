//! One group: its text, its elements without the members, and whether a token may read it.

use domain::access::Coverage;
use domain::error::{Error, Result};
use domain::group::{self, Described};
use domain::ids::GroupId;
use fhir::head::{Plain, object};
use serde_json::{Map, Value, json};

use crate::KickOff;
use crate::visible::labels;

/// Returns whether the token may read a group: it has no `access/` scopes, or the group has one of their tags.
pub(super) fn is_visible(group: &Map<String, Value>, coverage: &Coverage) -> bool {
    let Some(tags) = coverage.tags() else { return true };
    labels(group).is_some_and(|labels| !tags.is_disjoint(&labels.own))
}

/// A Group as its text describes it.
pub(super) enum Parsed {
    Group(Described),
    /// The text is not that of a Group.
    Unreadable,
    /// The Group has so many bytes without its members.
    TooLarge(u64),
}

/// Parses the text of a Group, which may have at most `limit` bytes without its members.
pub(super) fn parsed(id: &GroupId, text: &[u8], limit: u64) -> Parsed {
    let mut plain = Plain::default();
    if let Ok((text, members)) = object(text, &mut plain) {
        let bytes = text.len() - members.get(b"member").map_or(0, |range| range.len());
        if bytes as u64 > limit {
            return Parsed::TooLarge(bytes as u64);
        }
    }
    match serde_json::from_slice(text) {
        Ok(group) => Parsed::Group(group),
        Err(error) => {
            tracing::warn!(group.id = %id, line = error.line(), column = error.column(), "a Group cannot be parsed");
            Parsed::Unreadable
        }
    }
}

pub(super) fn without_members(group: Described) -> Value {
    let mut resource = group.resource;
    if let Some(members) = group.members {
        resource.entry("quantity").or_insert(json!(members));
    }
    Value::Object(resource)
}

impl KickOff {
    /// Returns a group's text; `None` if the group does not exist or cannot be read.
    pub(super) async fn group_text(&self, id: &GroupId) -> Result<Option<Vec<u8>>> {
        undamaged(id, group::text(&*self.records, id).await)
    }

    /// Does the same for a group that was listed. Also returns the maximum number of bytes that were read for it.
    pub(super) async fn listed_group_text(&self, id: &GroupId) -> Result<(Option<Vec<u8>>, u64)> {
        let read = group::listed_text(&*self.records, id).await;
        let is_damaged = matches!(read, Err(Error::Damaged(_)));
        let text = undamaged(id, read)?;
        // A group that is damaged or too large was read up to the limit.
        let bytes = if is_damaged { group::MAX_GROUP } else { text.as_ref().map_or(0, Vec::len) };
        Ok((text, bytes as u64))
    }
}

/// Logs the damage of a group that cannot be read.
fn undamaged(id: &GroupId, read: Result<Option<Vec<u8>>>) -> Result<Option<Vec<u8>>> {
    match read {
        Err(Error::Damaged(damage)) => {
            tracing::warn!(group.id = %id, damage = %damage, "a Group cannot be read");
            Ok(None)
        }
        read => read,
    }
}
