//! A page of the list of groups.
//!
//! A page ends by the number of its groups, by their size, by the number and the size of the groups that were read for it, and by the
//! time that this took. A search may leave most of these groups out, so a page may have fewer groups than requested, and even none,
//! although more pages follow. The link `next` has the position of the first group that the page did not list ([`super::position`]);
//! each group is therefore on exactly one page.

use domain::access::Coverage;
use domain::error::{Error, Result};
use domain::ids::GroupId;
use domain::ports::records::{Area, Part};
use fhir::head::{Plain, head_and_members};
use fhir::outcome::outcome;
use fhir::search::evaluate::passes;
use fhir::type_filter::TypeFilter;
use serde_json::{Value, json};
use web::describe::{Kind, Parameter};
use web::extract::Query;

use super::one::{Parsed, is_visible, parsed, without_members};
use super::position::Positions;
use crate::KickOff;

/// The maximum number of groups on a page.
const PAGE: usize = 100;
/// The maximum number of groups that are read for a page. They take S3 a few seconds.
const READ: usize = 200;
/// The time after which no further group is read for a page, in milliseconds. A request on Lambda may take twenty seconds.
const READ_MILLISECONDS: u64 = 10_000;
/// The maximum size of the groups that are read for a page, in bytes. A larger group is read alone.
const READ_BYTES: u64 = 32 * 1024 * 1024;
/// The maximum size of the groups on a page, in bytes. A response of a function on AWS has at most 6 MB.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// The parameters of a page.
pub(super) const PARAMETERS: [Parameter; 3] = [
    Parameter::query(
        "_count",
        "The maximum number of groups on a page, up to 100. A page may have fewer, and even none. 0: only the total, if it is known",
    )
    .of(Kind::Integer),
    Parameter::query("from", "Where the page begins, from the link to the next page"),
    Parameter::query("page", "A parameter of earlier versions: 0 is the first page, and others are refused"),
];

/// What the query of a page requests.
pub(super) struct Wanted {
    /// The first group of the page, and how the request has named it.
    from: Option<(GroupId, String)>,
    /// The maximum number of groups. If it is 0, the response has only the total.
    count: Option<usize>,
}

impl Wanted {
    /// Reads the parameters. Those without a value are ignored, as in a search.
    pub(super) fn of(query: &Query, positions: &Positions<'_>) -> Result<Self> {
        let get = |name| query.get(name).filter(|value| !value.is_empty());
        if get("page").is_some_and(|page| page != "0") {
            let text = "'page' was a parameter of an earlier version: start the search again, and follow its links with the relation 'next'";
            return Err(Error::invalid(text));
        }
        let from = match get("from") {
            Some(from) => Some((positions.read(from)?, from.to_owned())),
            None => None,
        };
        let count = get("_count").map(str::parse::<usize>).transpose();
        let count =
            count.map_err(|_| Error::invalid(format!("'_count' must be a number from 0 to {PAGE}")))?;
        Ok(Self { from, count: count.map(|count| count.min(PAGE)) })
    }

    fn has_only_total(&self) -> bool {
        self.count == Some(0)
    }

    /// Returns the maximum number of groups that are collected.
    fn collected(&self) -> usize {
        self.count.filter(|count| *count > 0).unwrap_or(PAGE)
    }
}

/// The groups that a list shows.
pub(super) struct Shown<'s> {
    pub(super) coverage: &'s Coverage,
    pub(super) filter: Option<&'s TypeFilter>,
    /// The URL of the list.
    pub(super) here: &'s str,
}

impl Shown<'_> {
    /// Returns the entry of a group, which may have at most `limit` bytes; `None` if the list does not show the group. If the group is too
    /// large without its members, its entry is an `OperationOutcome` that says so.
    fn entry(&self, id: &GroupId, text: &[u8], limit: u64) -> Option<Entry> {
        if self.filter.is_some_and(|filter| !is_found(text, filter)) {
            return None;
        }
        let bytes = match parsed(id, text, limit) {
            Parsed::Unreadable => return None,
            Parsed::TooLarge(bytes) => bytes,
            Parsed::Group(group) => {
                if !is_visible(&group.resource, self.coverage) {
                    return None;
                }
                let url = format!("{}/{id}", self.here);
                let resource = without_members(group);
                let entry = json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } });
                let bytes = enveloped(&entry);
                if bytes <= limit {
                    return Some(Entry { json: entry, bytes, is_match: true });
                }
                bytes
            }
        };
        // A token with tags does not learn of a group whose tags are not known.
        if self.coverage.tags().is_some() {
            return None;
        }
        let text = format!(
            "Group/{id} is not on this page: it has {bytes} bytes without its members, and a page has at most {limit}; it can be exported"
        );
        let resource = outcome("warning", "too-long", &text);
        let entry = json!({ "resource": resource, "search": { "mode": "outcome" } });
        let bytes = enveloped(&entry);
        Some(Entry { json: entry, bytes, is_match: false })
    }
}

fn is_found(text: &[u8], filter: &TypeFilter) -> bool {
    head_and_members(text, &mut Plain::default())
        .is_ok_and(|(head, members)| passes(head.text, &members, filter))
}

/// An entry of the Bundle.
struct Entry {
    json: Value,
    bytes: u64,
    is_match: bool,
}

/// Returns the size of a value in a response of a function on Lambda, which is the text of a JSON string: quotes and backslashes are
/// escaped.
fn enveloped(value: &Value) -> u64 {
    let text = value.to_string();
    text.bytes().map(|byte| if matches!(byte, b'"' | b'\\') { 2 } else { 1 }).sum()
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Page {
    entries: Vec<Value>,
    /// Whether the page says of a group that it is too large.
    has_too_large: bool,
    next: Option<GroupId>,
}

impl Page {
    /// Returns the group with which the next page begins. The token may not be permitted to see it.
    pub(super) fn next(&self) -> Option<&GroupId> {
        self.next.as_ref()
    }

    /// Returns the page as a Bundle. `next` is the sealed position of the next page.
    pub(super) fn bundle(self, wanted: &Wanted, (here, search): (&str, &str), next: Option<&str>) -> Value {
        let url = |from: Option<&str>| {
            let count = wanted.count.map(|count| format!("_count={count}"));
            let from = from.map(|position| format!("from={position}"));
            let search = Some(search.to_owned()).filter(|search| !search.is_empty());
            let query: Vec<_> = [search, count, from].into_iter().flatten().collect();
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{here}{mark}{}", query.join("&"))
        };
        let from = wanted.from.as_ref().map(|(_, named)| named.as_str());
        let mut links = vec![json!({ "relation": "self", "url": url(from) })];
        if let Some(next) = next.filter(|_| !wanted.has_only_total()) {
            links.push(json!({ "relation": "next", "url": url(Some(next)) }));
        }
        let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset" });
        // The number of all groups is known only if all of them are on this page.
        if wanted.from.is_none() && next.is_none() && !self.has_too_large {
            bundle["total"] = json!(self.entries.len());
        }
        bundle["link"] = json!(links);
        bundle["entry"] = Value::Array(if wanted.has_only_total() { Vec::new() } else { self.entries });
        bundle
    }
}

impl KickOff {
    /// Reads the groups of a page.
    pub(super) async fn page(&self, wanted: &Wanted, shown: &Shown<'_>) -> Result<Page> {
        let begun = self.clock.now();
        let first = wanted.from.as_ref().map(|(id, _)| format!("{id}.json")).unwrap_or_default();
        let files = self.records.area_from(Area::Groups, &first, READ + 1).await?;
        let id = |part: &Part| part.name.strip_suffix(".json").and_then(|id| GroupId::parse(id).ok());
        let listed = files.iter().filter_map(|part| Some((id(part)?, part.bytes)));
        let limit = self.settings.max_direct_bytes.min(PAGE_BYTES);
        let mut page = Page::default();
        let (mut read, mut size) = (0_u64, 0_u64);
        for (number, (id, stored)) in listed.enumerate() {
            let is_full = number == READ || page.entries.len() == wanted.collected();
            let is_next_too_large = number > 0 && read.saturating_add(stored) > READ_BYTES;
            let is_late = number > 0 && self.clock.elapsed(begun) >= READ_MILLISECONDS;
            if is_full || is_next_too_large || is_late {
                page.next = Some(id);
                break;
            }
            // S3 has no range of an object without bytes.
            let (text, bytes) = if stored == 0 { (None, 0) } else { self.listed_group_text(&id).await? };
            // A compressed group has more bytes than are stored.
            read = read.saturating_add(bytes.max(stored));
            let Some(entry) = text.and_then(|text| shown.entry(&id, &text, limit)) else { continue };
            size += entry.bytes;
            if size > limit && !page.entries.is_empty() {
                page.next = Some(id);
                break;
            }
            page.has_too_large |= !entry.is_match;
            page.entries.push(entry.json);
        }
        Ok(page)
    }
}
