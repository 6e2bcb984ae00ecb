//! Random bulk requests, and the decision of each of them about a resource.

use domain::selection::Provenance;

use super::lake::{IN_RECORDS, IN_SHARED, Node, RandomLake, patient_of};
use super::rule::{Decision, Rule, names_patients_resource};
use super::*;

/// A bulk request, and the settings that it depends on.
#[derive(Debug, Clone)]
pub(super) struct BulkRequest {
    of_group: bool,
    whole_record_of_new_members: bool,
    since: Option<&'static str>,
    until: Option<&'static str>,
    types: Vec<&'static str>,
    active_only: Option<&'static str>,
    elements: bool,
    provenance: Provenance,
    open_only: bool,
    /// The types that the token's scopes name; empty means all types.
    granted: Vec<&'static str>,
    /// The type of which the token's scopes cover only active resources.
    granted_active: Option<&'static str>,
    chunk_bytes: u64,
    at_once: usize,
}

impl BulkRequest {
    pub(super) fn settings(&self) -> String {
        format!(
            "sandbox = true\nchunk_bytes = {}\nwhole_record_of_new_members = {}",
            self.chunk_bytes, self.whole_record_of_new_members
        )
    }

    pub(super) fn scopes(&self) -> String {
        let of_all = self.granted.is_empty().then(|| "system/*.rs".to_owned());
        let of_types = self.granted.iter().map(|name| match self.granted_active == Some(*name) {
            true => format!("system/{name}.rs?_tag=active"),
            false => format!("system/{name}.rs"),
        });
        let of_tags = self.open_only.then(|| "access/open.read".to_owned());
        let scopes: Vec<_> = of_all.into_iter().chain(of_types).chain(of_tags).collect();
        scopes.join(" ")
    }

    pub(super) fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("fetchResourceBatchSize", &self.at_once.to_string());
        query.extend_pairs(self.since.map(|at| ("_since", at)));
        query.extend_pairs(self.until.map(|at| ("_until", at)));
        if !self.types.is_empty() {
            query.append_pair("_type", &self.types.join(","));
        }
        query.extend_pairs(self.active_only.map(|name| ("_typeFilter", format!("{name}?_tag=active"))));
        query.extend_pairs(self.elements.then_some(("_elements", "status")));
        let associated = match self.provenance {
            Provenance::All => None,
            Provenance::Relevant => Some("RelevantProvenanceResources"),
            Provenance::Latest => Some("LatestProvenanceResources"),
        };
        query.extend_pairs(associated.map(|kind| ("includeAssociatedData", kind)));
        let cohort = if self.of_group { "Group/all" } else { "Patient" };
        format!("/fhir/{cohort}/$export?{}", query.finish())
    }

    /// Returns the `Type/id` of the resources that the rule exports, without the Patients.
    pub(super) fn expected(&self, lake: &RandomLake) -> BTreeSet<String> {
        let rule = Rule {
            of_record: |number: usize| {
                self.decision(&lake.records[number], self.is_whole(lake, patient_of(number)))
            },
            of_shared: |number: usize, by_exported| self.decision(&lake.shared[number], by_exported),
            provenance: self.provenance,
            // Tags of a token do not withhold the Provenance of a resource.
            withheld_of_shared: BTreeSet::new(),
        };
        rule.exported(lake)
    }

    /// Returns how many lines with Provenance are reported because of their place in `shared/`.
    pub(super) fn misplaced(&self, lake: &RandomLake) -> usize {
        if !self.includes("Provenance") {
            return 0;
        }
        let is_misplaced =
            |number: &usize| lake.shared[*number].is_provenance() && names_patients_resource(lake, *number);
        (0..lake.shared.len()).filter(is_misplaced).map(|number| lake.shared[number].lines()).sum()
    }

    /// Returns whether all data of the patient are exported, because the patient, or the Group of the patients, joined the Group after
    /// `_since`. If there are several entries, the last one counts.
    fn is_whole(&self, lake: &RandomLake, patient: &str) -> bool {
        let joined = PATIENTS.iter().position(|name| *name == patient).map(|number| &lake.joined[number]);
        let joined = joined.into_iter().flatten().chain(&lake.inner_joined);
        let is_new = |since: &str| joined.flatten().any(|day| *day > since);
        self.of_group && self.whole_record_of_new_members && self.since.is_some_and(is_new)
    }

    fn includes(&self, resource_type: &str) -> bool {
        let granted = self.granted.is_empty() || self.granted.contains(&resource_type);
        let is_associated = resource_type == "Provenance" && self.provenance != Provenance::All;
        granted && (is_associated || self.types.is_empty() || self.types.contains(&resource_type))
    }

    fn decision(&self, node: &Node, ignore_since: bool) -> Decision {
        let constrained = self.granted_active == Some(node.resource_type) && !node.is_active;
        let wanted = self.includes(node.resource_type) && !constrained;
        let early = node.updated.is_none_or(|at| self.until.is_none_or(|until| at < until));
        let filtered = self.active_only.is_none_or(|name| name != node.resource_type || node.is_active);
        let recent = node.updated.is_none_or(|at| self.since.is_none_or(|since| at > since));
        match wanted && early && filtered && (node.is_open || !self.open_only) {
            true if recent || ignore_since => Decision::Exported,
            true => Decision::TooOld,
            false => Decision::Out,
        }
    }
}

pub(super) fn any_request() -> impl Strategy<Value = BulkRequest> {
    let since = prop::option::weighted(0.7, Just("2023-01-01T00:00:00Z"));
    let until = prop::option::weighted(0.3, Just("2025-01-01T00:00:00Z"));
    let all = IN_RECORDS.iter().chain(&IN_SHARED).copied().collect::<Vec<_>>();
    let types = prop_oneof![Just(Vec::new()), prop::sample::subsequence(all.clone(), 5..9)];
    let people = &["Organization", "Practitioner"][..];
    let active_only = prop::option::weighted(0.3, prop::sample::select(people));
    let granted = prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(all, 5..9)];
    let granted_active = prop::option::weighted(0.5, prop::sample::select(people));
    let tokens = (prop::bool::weighted(0.3), granted, granted_active);
    let chunks = prop_oneof![Just(1), Just(100_000_000)];
    let at_once = prop_oneof![Just(1_usize), Just(2), Just(200)];
    let cohort = (any::<bool>(), prop::bool::weighted(0.7));
    let provenance = prop_oneof![
        3 => Just(Provenance::All),
        2 => Just(Provenance::Relevant),
        4 => Just(Provenance::Latest),
    ];
    (cohort, since, until, types, active_only, (any::<bool>(), provenance), tokens, chunks, at_once).prop_map(
        |(cohort, since, until, mut types, active_only, content, tokens, chunk_bytes, at_once)| {
            let (of_group, whole_record_of_new_members) = cohort;
            let (elements, provenance) = content;
            let (open_only, mut granted, granted_active) = tokens;
            for types in [&mut types, &mut granted] {
                if !types.is_empty() && !types.contains(&"Patient") {
                    types.push("Patient");
                }
            }
            if !granted.is_empty() {
                // A type that the token does not cover cannot be requested by name.
                types.retain(|name| granted.contains(name));
            }
            let covers_provenance = granted.is_empty() || granted.contains(&"Provenance");
            let provenance = if covers_provenance { provenance } else { Provenance::All };
            let granted_active = granted_active.filter(|name| granted.contains(name));
            let is_covered = |name: &&str| {
                (types.is_empty() || types.contains(name)) && (granted.is_empty() || granted.contains(name))
            };
            let active_only = active_only.filter(is_covered);
            BulkRequest {
                of_group,
                whole_record_of_new_members,
                since,
                until,
                types,
                active_only,
                elements,
                provenance,
                open_only,
                granted,
                granted_active,
                chunk_bytes,
                at_once,
            }
        },
    )
}
