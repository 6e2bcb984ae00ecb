//! Groups (FHIR R4, Group; Bulk Data 3.0, Group export).
//!
//! - [`Outline`] reads a Group without its members, and finds those that cannot be exported.
//! - [`Described`] reads it for a response, without its members.
//! - [`Reader`] reads its members, and those of the groups inside it.

mod described;
mod members;
mod outline;

pub use described::Described;
pub use members::{Limits, Members, Reader};
pub use outline::Outline;

use crate::error::{Error, Result};
use crate::ids::GroupId;
use crate::ports::records::{Area, Records, read_up_to, read_whole};
use fhir::json::without_mark;

/// The maximum size of a Group that is read, in bytes.
pub const MAX_GROUP: usize = 64 * 1024 * 1024;

/// Returns the path of a group's file below the root of the record store.
fn file(group: &GroupId) -> String {
    format!("{}/{group}.json", Area::Groups.directory())
}

/// Returns the text of a Group resource, without a byte order mark; `None` if there is no such group.
pub async fn text(records: &dyn Records, group: &GroupId) -> Result<Option<Vec<u8>>> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(reader) => read_whole(&file(group), reader, MAX_GROUP).await.map(unmarked).map(Some),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns at most the first `bytes` bytes of a Group that was listed, without a byte order mark, and whether more may follow; `None` if
/// the Group was removed since.
pub async fn head(records: &dyn Records, group: &GroupId, bytes: usize) -> Result<Option<(Vec<u8>, bool)>> {
    match records.area_head(Area::Groups, &format!("{group}.json"), bytes).await {
        Ok(text) => {
            let is_cut = text.len() == bytes;
            Ok(Some((unmarked(text), is_cut)))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Does the same as [`text`] for a Group that was listed, with fewer requests; `None` if the Group was removed since.
pub async fn listed_text(records: &dyn Records, group: &GroupId) -> Result<Option<Vec<u8>>> {
    match head(records, group, MAX_GROUP + 1).await? {
        Some((_, true)) => Err(Error::damaged(file(group), format!("it has more than {MAX_GROUP} bytes"))),
        read => Ok(read.map(|(text, _)| text)),
    }
}

/// Does the same as [`text`]. Returns [`Error::TooLarge`] if the text has more than `limit` bytes.
async fn text_up_to(records: &dyn Records, group: &GroupId, limit: usize) -> Result<Option<Vec<u8>>> {
    match records.open_area(Area::Groups, &format!("{group}.json")).await {
        Ok(reader) => {
            let text = read_up_to(reader, limit).await?.ok_or_else(members::too_large)?;
            Ok(Some(unmarked(text)))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unmarked(mut text: Vec<u8>) -> Vec<u8> {
    let mark = text.len() - without_mark(&text).len();
    text.drain(..mark);
    text
}

#[cfg(test)]
mod tests;
