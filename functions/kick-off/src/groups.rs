//! `GET {base}/Group` and `GET {base}/Group/{group}`: which groups there are to export (Bulk Data 3.0, Group export).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use shared::domain::access::Coverage;
use shared::domain::dialect::Dialect;
use shared::domain::ids::GroupId;
use shared::domain::request::Base;
use shared::domain::type_filter::TypeFilter;
use shared::error::{Error, Result};
use shared::fhir::group::{self, NO_GROUP};
use shared::fhir::head::{Plain, head_and_members};
use shared::fhir::search::compile::compile;
use shared::fhir::search::evaluate::passes;
use shared::fhir::search::table;
use shared::http::caller::Bearer;
use shared::http::extract::{GroupPath, Query};
use shared::http::respond::fhir;
use shared::ports::records::{Area, Part};
use shared::security::verify::Caller;

use crate::KickOff;
use crate::visible::labels;

/// Groups of a page.
const PAGE: usize = 100;
/// Bytes of a search value.
const MAX_VALUE: usize = 1_000;

/// Reading a group is reading a resource: the token must cover the type, without a search that was not made.
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

/// Whether a group carries a tag that the token gives access to, where it gives access by tags.
fn is_visible(group: &Map<String, Value>, coverage: &Coverage) -> bool {
    let Some(tags) = coverage.tags() else { return true };
    labels(group).is_some_and(|labels| !tags.is_disjoint(&labels.own))
}

/// A page of groups without their members, who may be many; those that the search in the query finds, such as
/// `name=diabetes`. Parameters that are not known are left out, as FHIR has it, and out of the `self` link too.
pub(crate) async fn list(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    query: Query,
    uri: http::Uri,
) -> Result<Response> {
    let coverage = check(&caller)?;
    let page = match query.get("page") {
        None => 0,
        Some(page) => {
            page.parse::<usize>().map_err(|_| Error::invalid("'page' must be the number of a page"))?
        }
    };
    let search = search(&query)?;
    let filter = match search.is_empty() {
        true => None,
        false => Some(compile(&format!("Group?{search}"), state.clock.now()).map_err(Error::invalid)?),
    };
    let files = state.records.area(Area::Groups).await?;
    let id = |part: &Part| part.name.strip_suffix(".json").and_then(|id| GroupId::parse(id).ok());
    let all: Vec<GroupId> = files.iter().filter_map(id).collect();
    let wanted = page.saturating_mul(PAGE)..page.saturating_add(1).saturating_mul(PAGE);
    let mut entries = Vec::new();
    let mut total = 0;
    for id in &all {
        // Where all count, only the groups of the page are read.
        let is_wanted = wanted.contains(&total);
        if filter.is_none() && coverage.tags().is_none() && !is_wanted {
            total += 1;
            continue;
        }
        let Some(resource) = state.group(id).await? else { continue };
        let is_found = filter.as_ref().is_none_or(|filter| is_found(&resource, filter));
        if !is_found || !is_visible(&resource, &coverage) {
            continue;
        }
        total += 1;
        if is_wanted {
            let url = state.settings.url(&format!("{}/{id}", uri.path()));
            let resource = without_members(resource);
            entries.push(json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } }));
        }
    }
    let url = |page: Option<usize>| {
        let page = page.map(|page| format!("page={page}"));
        let query: Vec<_> =
            [Some(search.clone()).filter(|search| !search.is_empty()), page].into_iter().flatten().collect();
        let mark = if query.is_empty() { "" } else { "?" };
        state.settings.url(&format!("{}{mark}{}", uri.path(), query.join("&")))
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

/// The search parameters of the query that groups have, urlencoded.
fn search(query: &Query) -> Result<String> {
    let known = query.0.iter().filter(|(name, value)| {
        let name = name.split(':').next().unwrap_or_default();
        !value.is_empty() && table::find("Group", name).is_some()
    });
    let pairs: Vec<(&str, &str)> = known.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if pairs.iter().any(|(_, value)| value.len() > MAX_VALUE) {
        return Err(Error::invalid(format!("a search parameter has more than {MAX_VALUE} bytes")));
    }
    // A space as %20: in a compiled search a plus stands for itself.
    Ok(serde_urlencoded::to_string(pairs).map_err(Error::internal)?.replace('+', "%20"))
}

fn is_found(resource: &Map<String, Value>, filter: &TypeFilter) -> bool {
    let line = Value::Object(resource.clone()).to_string();
    head_and_members(line.as_bytes(), &mut Plain::default())
        .is_ok_and(|(head, members)| passes(head.text, &members, filter))
}

fn without_members(mut resource: Map<String, Value>) -> Value {
    let members = resource.remove("member").and_then(|members| members.as_array().map(Vec::len));
    if let Some(members) = members {
        resource.entry("quantity").or_insert(json!(members));
    }
    Value::Object(resource)
}

impl KickOff {
    /// A group as JSON; `None` where there is none that can be read.
    async fn group(&self, id: &GroupId) -> Result<Option<Map<String, Value>>> {
        let Some(text) = group::text(&*self.records, id).await? else { return Ok(None) };
        let Ok(Value::Object(resource)) = serde_json::from_slice(&text) else {
            tracing::warn!(group.id = %id, "a Group that is no JSON object");
            return Ok(None);
        };
        Ok(Some(resource))
    }
}

/// One group, with its members.
pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    GroupPath(id): GroupPath,
) -> Result<Response> {
    let coverage = check(&caller)?;
    let text = group::text(&*state.records, &id).await?.ok_or(NO_GROUP)?;
    let resource: Value = serde_json::from_slice(&text)?;
    if !resource.as_object().is_some_and(|group| is_visible(group, &coverage)) {
        return Err(NO_GROUP);
    }
    Ok(fhir(StatusCode::OK, &resource))
}
