//! Applies a [`Selection`] to the lines of a bulk export.

use std::collections::HashMap;
use std::ops::Range;

use fhir::date::Span;
use fhir::elements::subset;
use fhir::head::{Members, Plain, head_and_members};
use fhir::json;
use fhir::search::evaluate::passes;
use fhir::type_filter::TypeFilter;
use jiff::Timestamp;

use crate::decision::Decision;
use crate::ledger::Reason;
use crate::selection::Selection;

/// A selection, prepared for many lines.
pub struct Selector<'s> {
    selection: &'s Selection,
    /// In microseconds. `until` is also limited by the start of the export.
    since: Option<i64>,
    until: i64,
    rules: HashMap<&'s str, Rules<'s>>,
    /// Elements that are requested for all types.
    of_all: Vec<&'s str>,
}

/// The requested rules of one type.
#[derive(Default)]
struct Rules<'s> {
    filters: Vec<&'s TypeFilter>,
    constraints: Vec<&'s TypeFilter>,
    elements: Vec<&'s str>,
}

impl<'s> Selector<'s> {
    /// Prepares the selection. `began_at` is the start of the export: later changes are left out.
    pub fn new(selection: &'s Selection, began_at: Timestamp) -> Self {
        let mut rules: HashMap<&str, Rules<'_>> = HashMap::new();
        for filter in &selection.filters {
            rules.entry(&filter.resource_type).or_default().filters.push(filter);
        }
        for filter in &selection.constraint_filters {
            rules.entry(&filter.resource_type).or_default().constraints.push(filter);
        }
        let mut of_all = Vec::new();
        for element in &selection.elements {
            match &element.resource_type {
                Some(resource_type) => {
                    rules.entry(resource_type).or_default().elements.push(&element.name);
                }
                None => of_all.push(element.name.as_str()),
            }
        }
        // `_until` is excluded, but the start of the export is included (Bulk Data 3.0, `_until` and `transactionTime`).
        let end = began_at.as_microsecond().saturating_add(1);
        let until = selection.until.map_or(end, |until| until.as_microsecond().min(end));
        Self { selection, since: selection.since.map(Timestamp::as_microsecond), until, rules, of_all }
    }

    pub fn selection(&self) -> &'s Selection {
        self.selection
    }

    /// Decides on one resource. `ignore_since` keeps it however long ago it changed.
    pub fn judge(
        &self,
        line: &[u8],
        resource_type: &str,
        members: &Members<'_>,
        ignore_since: bool,
    ) -> Decision {
        if !self.selection.wants(resource_type) {
            return Decision::LeaveOut(Reason::Type);
        }
        let changed = Self::changed(line, members);
        if changed.is_some_and(|changed| changed >= self.until) {
            return Decision::LeaveOut(Reason::Until);
        }
        if !self.has_tag(line, members) {
            return Decision::LeaveOut(Reason::Tag);
        }
        if let Some(rules) = self.rules.get(resource_type) {
            if !passes_any(line, members, &rules.constraints) {
                return Decision::LeaveOut(Reason::Scope);
            }
            if !passes_any(line, members, &rules.filters) {
                return Decision::LeaveOut(Reason::Filter);
            }
        }
        // This is the last check, so that `Since` is the only reason.
        match changed.filter(|_| !ignore_since) {
            Some(changed) if !self.is_within(changed) => Decision::LeaveOut(Reason::Since),
            _ => Decision::Keep,
        }
    }

    /// Returns the requested elements of a type; `None` if all are exported.
    fn elements(&self, resource_type: &str) -> Option<Vec<&'s str>> {
        let own = self.rules.get(resource_type).map_or(&[][..], |rules| &rules.elements);
        (!own.is_empty() || !self.of_all.is_empty())
            .then(|| own.iter().chain(&self.of_all).copied().collect())
    }

    /// Returns the line with only the requested elements (`_elements`); `None` if all are exported.
    pub fn cut(&self, line: &[u8], resource_type: &str, members: &Members<'_>) -> Option<Vec<u8>> {
        let asked = self.elements(resource_type)?;
        let mut written = Vec::with_capacity(line.len() + 128);
        subset(line, resource_type, members, &asked, &mut written);
        Some(written)
    }

    /// Decides on a resource that the export creates. It has no labels, and matches no filter. `changed` is in
    /// microseconds; `None` if it is not known, and then the resource counts as changed. It is a time of the record
    /// store, so it is not compared with the time of the export.
    pub fn judge_made(&self, resource_type: &str, changed: Option<i64>, ignore_since: bool) -> Decision {
        let rules = self.rules.get(resource_type);
        let until = self.selection.until.map(Timestamp::as_microsecond);
        let since = self.since.filter(|_| !ignore_since);
        Decision::LeaveOut(if !self.selection.wants(resource_type) {
            Reason::Type
        } else if changed.is_some_and(|changed| until.is_some_and(|until| changed >= until)) {
            Reason::Until
        } else if self.selection.tags.is_some() {
            Reason::Tag
        } else if rules.is_some_and(|rules| !rules.constraints.is_empty()) {
            Reason::Scope
        } else if rules.is_some_and(|rules| !rules.filters.is_empty()) {
            Reason::Filter
        } else if changed.is_some_and(|changed| since.is_some_and(|since| changed <= since)) {
            Reason::Since
        } else {
            return Decision::Keep;
        })
    }

    /// Returns whether a change at this time is after `_since`.
    pub fn is_new(&self, changed: i64) -> bool {
        self.since.is_none_or(|since| changed > since)
    }

    /// Returns whether the token refuses access to a resource by its type, a tag or a constraint, even if another rule
    /// leaves it out.
    pub fn refuses(&self, line: &[u8], resource_type: &str, members: &Members<'_>) -> bool {
        let rules = self.rules.get(resource_type);
        !self.selection.grants(resource_type)
            || !self.has_tag(line, members)
            || rules.is_some_and(|rules| !passes_any(line, members, &rules.constraints))
    }

    /// Returns whether the token gives access to the members of a Group: the Group has one of the token's tags and meets
    /// one of the token's constraints on Group, if there are any. A token without a scope for Group has none.
    pub fn reaches_group(&self, text: &[u8]) -> bool {
        if self.covers_all_of("Group") {
            return true;
        }
        let constraints = self.rules.get("Group").map_or(&[][..], |rules| &rules.constraints);
        head_and_members(text, &mut Plain::default()).is_ok_and(|(head, members)| {
            self.has_tag(head.text, &members) && passes_any(head.text, &members, constraints)
        })
    }

    /// Returns whether the token covers all resources of a type.
    pub fn covers_all_of(&self, resource_type: &str) -> bool {
        let unconstrained = self.rules.get(resource_type).is_none_or(|rules| rules.constraints.is_empty());
        self.selection.tags.is_none() && unconstrained
    }

    /// Returns when the resource changed, in microseconds; `None` if it has no time.
    fn changed(line: &[u8], members: &Members<'_>) -> Option<i64> {
        Self::last_updated(line, members.get(b"meta")?)
    }

    /// Returns `lastUpdated` of this `meta`, in microseconds.
    pub fn last_updated(line: &[u8], meta: Range<usize>) -> Option<i64> {
        let value = json::member(line, meta, b"lastUpdated")?;
        Span::of(json::string(line, value)?.as_bytes()).map(|span| span.from)
    }

    /// Returns whether a change at this time is within `_since` and `_until`.
    pub fn is_within(&self, changed: i64) -> bool {
        self.since.is_none_or(|since| changed > since) && changed < self.until
    }

    /// Returns whether the resource has a tag to which the token gives access. If the token has no tags, this is always
    /// true.
    pub fn has_tag(&self, line: &[u8], members: &Members<'_>) -> bool {
        let Some(tags) = &self.selection.tags else { return true };
        let labels = members.get(b"meta").and_then(|meta| json::member(line, meta, b"security"));
        let mut found = false;
        if let Some(labels) = labels {
            json::elements(line, labels, |label| {
                let code = json::member(line, label, b"code").and_then(|code| json::string(line, code));
                found = found || code.is_some_and(|code| tags.contains(code.as_ref()));
            });
        }
        found
    }
}

/// Returns whether a resource matches one of these filters, or there are none.
fn passes_any(line: &[u8], members: &Members<'_>, filters: &[&TypeFilter]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| passes(line, members, filter))
}
