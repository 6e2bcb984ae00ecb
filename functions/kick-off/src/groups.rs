//! `GET {base}/Group` and `GET {base}/Group/{group}`: the groups that can be exported (Bulk Data 3.0, Group export).
//!
//! A group may have hundreds of thousands of members. Therefore its text is in memory only once, its members are not parsed into values,
//! and a group that is too large for a response is an error. The list has pages ([`page`]), and reads a limited number of bytes for each.

mod one;
mod page;
mod position;

use axum::extract::State;
use axum::response::Response;
use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::error::{Error, NO_GROUP, Result};
use domain::request::Base;
use fhir::FHIR_JSON;
use fhir::search::compile::compile;
use fhir::search::table;
use fhir::type_filter::TypeFilter;
use http::StatusCode;
use security::verify::Caller;
use web::ApiError;
use web::caller::Bearer;
use web::describe::Parameter;
use web::extract::{GroupPath, Query};
use web::respond::{fhir, ready};

use self::one::{Parsed, is_visible, parsed, without_members};
use self::page::{Shown, Wanted};
use self::position::Positions;
use crate::KickOff;

/// The maximum length of a search value in bytes.
const MAX_VALUE: usize = 1_000;

/// `_summary=true` omits the members of a group.
pub(crate) const SUMMARY: Parameter = Parameter::query("_summary", "true: the response omits the members");

/// Returns the parameters of the search.
pub(crate) fn searched() -> Vec<Parameter> {
    let searched = table::of_type("Group").map(|parameter| {
        Parameter::query(parameter.name, "A search parameter of FHIR, with its modifiers").repeated()
    });
    searched.chain(page::PARAMETERS).collect()
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
    let search = search(&query)?;
    let positions = Positions::of(&state, base, &search, &caller);
    let wanted = Wanted::of(&query, &positions)?;
    let filter = filter_of(&search, &state)?;
    let here = state.settings.url(&format!("{}/Group", base.path()));
    let shown = Shown { coverage: &coverage, filter: filter.as_ref(), here: &here };
    let page = state.page(&wanted, &shown).await?;
    let next = page.next().map(|id| positions.seal(id)).transpose()?;
    Ok(fhir(StatusCode::OK, &page.bundle(&wanted, (&here, &search), next.as_deref())))
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

/// Returns one group with its members, or without them if `_summary=true`. A group that is too large for a response is 413.
pub(crate) async fn read(
    State(state): State<KickOff>,
    Bearer(caller): Bearer,
    group: Result<GroupPath, ApiError>,
    query: Query,
) -> Result<Response, ApiError> {
    let coverage = check(&caller)?;
    let GroupPath(id) = group?;
    let text = state.group_text(&id).await?.ok_or(NO_GROUP)?;
    let limit = state.settings.max_direct_bytes;
    let group = match parsed(&id, &text, limit) {
        Parsed::Group(group) => group,
        // The tags of this group are not known.
        Parsed::TooLarge(bytes) if coverage.tags().is_none() => {
            let text = format!(
                "the group has {bytes} bytes without its members, too many for one response; export it"
            );
            return Err(Error::TooLarge(text).into());
        }
        Parsed::TooLarge(_) | Parsed::Unreadable => return Err(NO_GROUP.into()),
    };
    if !is_visible(&group.resource, &coverage) {
        return Err(NO_GROUP.into());
    }
    if query.get("_summary") == Some("true") {
        return Ok(fhir(StatusCode::OK, &without_members(group)));
    }
    if text.len() as u64 > limit {
        return Err(Error::TooLarge(format!(
            "the group has {} members, too many for one response; read it with _summary=true, which omits them, or export it",
            group.members.unwrap_or_default(),
        )).into());
    }
    Ok(ready(StatusCode::OK, FHIR_JSON, text.into()))
}
