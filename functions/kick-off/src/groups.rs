//! `GET {base}/Group` and `GET {base}/Group/{group}`: the groups that can be exported (Bulk Data 3.0, Group export).
//!
//! A group may have hundreds of thousands of members. Therefore its text is in memory only once, its members are not parsed into values,
//! and a group that is too large for a response is an error.

use axum::extract::State;
use axum::response::Response;
use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::error::{Error, NO_GROUP, Result};
use domain::group::{self, Described};
use domain::ids::GroupId;
use domain::ports::records::{Area, Part};
use domain::request::Base;
use fhir::FHIR_JSON;
use fhir::head::{Plain, head_and_members};
use fhir::search::compile::compile;
use fhir::search::evaluate::passes;
use fhir::search::table;
use fhir::type_filter::TypeFilter;
use http::StatusCode;
use security::verify::Caller;
use serde_json::{Map, Value, json};
use web::ApiError;
use web::caller::Bearer;
use web::describe::{Kind, Parameter};
use web::extract::{GroupPath, Query};
use web::respond::{fhir, ready};

use crate::KickOff;
use crate::visible::labels;

/// The number of groups on a page.
const PAGE: usize = 100;
/// The maximum length of a search value in bytes.
const MAX_VALUE: usize = 1_000;

/// `_summary=true` omits the members of a group.
pub(crate) const SUMMARY: Parameter = Parameter::query("_summary", "true: the response omits the members");

/// Returns the parameters of the search.
pub(crate) fn searched() -> Vec<Parameter> {
    let page = Parameter::query("page", "The number of a page").of(Kind::Integer);
    let searched = table::of_type("Group").map(|parameter| {
        Parameter::query(parameter.name, "A search parameter of FHIR, with its modifiers").repeated()
    });
    searched.chain([page]).collect()
}

/// Checks that the token covers all groups. A token whose scope limits Group by a search is refused, because the search is not evaluated
/// here.
fn check(caller: &Caller) -> Result<Coverage> {
    let coverage = caller.coverage(Dialect::of(Base::Fhir));
    let is_covered = coverage.covers("Group") && !coverage.constraints().contains_key("Group");
    match caller.patient.is_none() && is_covered {
        true => Ok(coverage),
        false => {
            Err(Error::Forbidden("the token does not cover Group, such as by system/Group.rs".to_owned()))
        }
    }
}

/// Returns whether the token may read a group: it has no `access/` scopes, or the group has one of their tags.
fn is_visible(group: &Map<String, Value>, coverage: &Coverage) -> bool {
    let Some(tags) = coverage.tags() else { return true };
    labels(group).is_some_and(|labels| !tags.is_disjoint(&labels.own))
}

fn page_number(query: &Query) -> Result<usize> {
    let page = query.get("page").unwrap_or("0");
    page.parse().map_err(|_| Error::invalid("'page' must be the number of a page"))
}

/// Returns the filter of a search; `None` if it has no parameters.
fn filter_of(search: &str, state: &KickOff) -> Result<Option<TypeFilter>> {
    if search.is_empty() {
        return Ok(None);
    }
    let filter = compile(&format!("Group?{search}"), state.clock.now()).map_err(Error::invalid)?;
    Ok(Some(filter.with_own_references(&state.settings.own_bases())))
}

/// Returns a page of groups without their members. The query can have search parameters, such as `name=diabetes`. Unknown parameters are
/// ignored, as FHIR requires, and are not part of the `self` link.
pub(crate) async fn list(
    base: Base,
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    query: Query,
) -> Result<Response, ApiError> {
    let coverage = check(&caller)?;
    let here = state.settings.url(&format!("{}/Group", base.path()));
    let page = page_number(&query)?;
    let search = search(&query)?;
    let filter = filter_of(&search, &state)?;
    let files = state.records.area(Area::Groups).await?;
    let id = |part: &Part| part.name.strip_suffix(".json").and_then(|id| GroupId::parse(id).ok());
    let all: Vec<GroupId> = files.iter().filter_map(id).collect();
    let wanted = page.saturating_mul(PAGE)..page.saturating_add(1).saturating_mul(PAGE);
    let mut entries = Vec::new();
    let (mut total, mut bytes) = (0, 0);
    for id in &all {
        // Without a search and without tags, every group matches, so only the groups of this page are read.
        let is_wanted = wanted.contains(&total);
        if filter.is_none() && coverage.tags().is_none() && !is_wanted {
            total += 1;
            continue;
        }
        let Some((text, group)) = state.group(id).await? else { continue };
        let is_found = filter.as_ref().is_none_or(|filter| is_found(&text, filter));
        if !is_found || !is_visible(&group.resource, &coverage) {
            continue;
        }
        total += 1;
        if is_wanted {
            let url = format!("{here}/{id}");
            let resource = without_members(group);
            bytes += resource.to_string().len() as u64;
            if bytes > state.settings.max_direct_bytes {
                let text = format!(
                    "the groups of page {page} are too large for one response; search for one by name"
                );
                return Err(Error::TooLarge(text).into());
            }
            entries.push(json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } }));
        }
    }
    let url = |page: Option<usize>| {
        let page = page.map(|page| format!("page={page}"));
        let query: Vec<_> =
            [Some(search.clone()).filter(|search| !search.is_empty()), page].into_iter().flatten().collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{here}{mark}{}", query.join("&"))
    };
    let mut links = vec![json!({ "relation": "self", "url": url((page > 0).then_some(page)) })];
    if total > wanted.end {
        links.push(json!({ "relation": "next", "url": url(Some(page + 1)) }));
    }
    let bundle = json!({
        "resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries,
    });
    Ok(fhir(StatusCode::OK, &bundle))
}

/// Returns the query's search parameters for groups, urlencoded.
fn search(query: &Query) -> Result<String> {
    let known = query.fields().pairs().iter().filter(|(name, value)| {
        let name = name.split(':').next().unwrap_or_default();
        !value.is_empty() && table::find("Group", name).is_some()
    });
    let pairs: Vec<(&str, &str)> = known.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if pairs.iter().any(|(_, value)| value.len() > MAX_VALUE) {
        return Err(Error::invalid(format!("a search parameter has more than {MAX_VALUE} bytes")));
    }
    // A space is encoded as %20, because the search compiler reads a plus as a plus.
    Ok(serde_urlencoded::to_string(pairs).map_err(Error::internal)?.replace('+', "%20"))
}

fn is_found(text: &[u8], filter: &TypeFilter) -> bool {
    head_and_members(text, &mut Plain::default())
        .is_ok_and(|(head, members)| passes(head.text, &members, filter))
}

fn without_members(group: Described) -> Value {
    let mut resource = group.resource;
    if let Some(members) = group.members {
        resource.entry("quantity").or_insert(json!(members));
    }
    Value::Object(resource)
}

impl KickOff {
    /// Returns a group's text and its elements without the members; `None` if the group does not exist or cannot be read.
    async fn group(&self, id: &GroupId) -> Result<Option<(Vec<u8>, Described)>> {
        let text = match group::text(&*self.records, id).await {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(Error::Damaged(damage)) => {
                tracing::warn!(group.id = %id, damage = %damage, "a Group cannot be read");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice(&text) {
            Ok(group) => Ok(Some((text, group))),
            Err(error) => {
                tracing::warn!(group.id = %id, line = error.line(), column = error.column(), "a Group cannot be parsed");
                Ok(None)
            }
        }
    }
}

/// Returns one group with its members, or without them if `_summary=true`. A group that is too large for a response is 413.
pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    group: Result<GroupPath, ApiError>,
    query: Query,
) -> Result<Response, ApiError> {
    let coverage = check(&caller)?;
    let GroupPath(id) = group?;
    let (text, group) = state.group(&id).await?.ok_or(NO_GROUP)?;
    if !is_visible(&group.resource, &coverage) {
        return Err(NO_GROUP.into());
    }
    if query.get("_summary") == Some("true") {
        return Ok(fhir(StatusCode::OK, &without_members(group)));
    }
    if text.len() as u64 > state.settings.max_direct_bytes {
        return Err(Error::TooLarge(format!(
            "the group has {} members, too many for one response; read it with _summary=true, which omits them, or export it",
            group.members.unwrap_or_default(),
        )).into());
    }
    Ok(ready(StatusCode::OK, FHIR_JSON, text.into()))
}
