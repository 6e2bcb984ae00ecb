//! `GET {base}/Group` and `GET {base}/Group/{group}`: which groups there are to export (Bulk Data 3.0, Group export).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use shared::domain::ids::GroupId;
use shared::error::{Error, Result};
use shared::fhir::group::{self, NO_GROUP};
use shared::http::caller::Bearer;
use shared::http::extract::{GroupPath, Query};
use shared::http::respond::fhir;
use shared::ports::records::Area;
use shared::security::verify::Caller;

use crate::KickOff;

/// Groups of a page.
const PAGE: usize = 100;

/// Reading a group is reading a resource: the token must cover the type.
fn check(caller: &Caller) -> Result<()> {
    match caller.patient.is_none() && caller.coverage().covers("Group") {
        true => Ok(()),
        false => {
            Err(Error::Forbidden("the token does not cover Group, such as by system/Group.rs".to_owned()))
        }
    }
}

/// A page of groups without their members, who may be many.
pub(crate) async fn list(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    query: Query,
    uri: http::Uri,
) -> Result<Response> {
    check(&caller)?;
    let page = match query.get("page") {
        None => 0,
        Some(page) => {
            page.parse::<usize>().map_err(|_| Error::invalid("'page' must be the number of a page"))?
        }
    };
    let all = state.records.area(Area::Groups).await?;
    let mut entries = Vec::new();
    for part in all.iter().skip(page.saturating_mul(PAGE)).take(PAGE) {
        let Some(id) = part.name.strip_suffix(".json").and_then(|id| GroupId::parse(id).ok()) else {
            continue;
        };
        let Some(text) = group::text(&*state.records, &id).await? else { continue };
        let Ok(Value::Object(mut resource)) = serde_json::from_slice(&text) else {
            tracing::warn!(group.id = %id, "a Group that is no JSON object");
            continue;
        };
        let members = resource.remove("member").and_then(|members| members.as_array().map(Vec::len));
        if let Some(members) = members {
            resource.entry("quantity").or_insert(json!(members));
        }
        let url = state.settings.url(&format!("{}/{id}", uri.path()));
        entries.push(json!({ "fullUrl": url, "resource": resource, "search": { "mode": "match" } }));
    }
    let mut links = vec![json!({ "relation": "self", "url": state.settings.url(uri.path()) })];
    if all.len() > page.saturating_add(1).saturating_mul(PAGE) {
        let next = state.settings.url(&format!("{}?page={}", uri.path(), page + 1));
        links.push(json!({ "relation": "next", "url": next }));
    }
    let bundle = json!({
        "resourceType": "Bundle", "type": "searchset", "total": all.len(), "link": links, "entry": entries,
    });
    Ok(fhir(StatusCode::OK, &bundle))
}

/// One group, with its members.
pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    GroupPath(id): GroupPath,
) -> Result<Response> {
    check(&caller)?;
    let text = group::text(&*state.records, &id).await?.ok_or(NO_GROUP)?;
    let resource: Value = serde_json::from_slice(&text)?;
    Ok(fhir(StatusCode::OK, &resource))
}
