//! Provenance that goes along with what is exported (Bulk Data 3.0, `includeAssociatedData`). That of a patient is held
//! back until the patient was read, because what it is about may stand behind it. That of `shared/` is looked up by what
//! it is about, as [`supporting`](crate::supporting) says.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use domain::error::Result;
use domain::ledger::Reason;
use domain::lines::Lines;
use domain::ports::files::Files;
use domain::ports::records::{ProvenanceCounts, Records, SharedLine};
use domain::selection::Provenance;
use fhir::compartments::has_compartment;
use fhir::json;
use fhir::references::{parse, target_values};
use fhir::spelling::plainly;

use crate::references::ReferredBy;
use crate::spool::Spool;
use crate::supporting::{Filter, Outcome};
use crate::walk::Walk;

/// What was exported of one patient, and the Provenance lines that wait. Nothing is kept where nobody asks.
#[derive(Default)]
pub(crate) struct Associated {
    wanted: bool,
    /// `Type/id`, about 80 bytes a resource.
    exported: HashSet<String>,
    held: Spool,
}

impl Associated {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn exported(&mut self, reference: &str) {
        if self.wanted {
            self.exported.insert(reference.to_owned());
        }
    }

    pub(crate) async fn hold(&mut self, line: &[u8], key: String, files: &dyn Files) -> Result<()> {
        self.held.push(line, || key, files).await
    }

    /// What was exported and the lines that wait, once; and the key of a file to remove when they were read.
    pub(crate) async fn replay(
        &mut self,
        files: &dyn Files,
    ) -> Result<(HashSet<String>, Lines, Option<String>)> {
        let exported = std::mem::take(&mut self.exported);
        let (lines, spilled) = std::mem::take(&mut self.held).replay(files).await?;
        Ok((exported, lines, spilled))
    }
}

/// Provenance of `shared/`, in an export of patients.
pub(crate) struct OfShared {
    /// Whether it may be exported at all; otherwise nothing is looked up.
    is_wanted: bool,
    kind: Provenance,
    /// Whether it is looked up for what `_since` alone left out.
    follows_left_out: bool,
    /// What `shared/` has; `None` before it was asked.
    there: Option<ProvenanceCounts>,
    /// Resources whose Provenance is looked up next.
    exported: BTreeSet<String>,
    left_out: BTreeSet<String>,
    /// Where the latest is wanted: of each exported resource the time of that, and its reference.
    latest: HashMap<String, (i64, Reverse<String>)>,
    /// Those that are the latest of a resource, when all of that were looked at.
    chosen: HashSet<String>,
}

impl OfShared {
    pub(crate) fn new(filter: &Filter<'_>) -> Self {
        let (kind, all_shared, follows_left_out) = match filter {
            Filter::Selection(selector) => {
                let selection = selector.selection();
                (selection.provenance, selection.all_shared, selection.provenance == Provenance::All)
            }
            Filter::Everything | Filter::Choices(_) => (Provenance::All, false, false),
        };
        Self {
            is_wanted: filter.wants("Provenance") && !all_shared,
            kind,
            follows_left_out,
            there: None,
            exported: BTreeSet::new(),
            left_out: BTreeSet::new(),
            latest: HashMap::new(),
            chosen: HashSet::new(),
        }
    }

    pub(crate) fn see(&mut self, there: ProvenanceCounts) {
        self.there = Some(there);
    }

    fn is_looked_up(&self) -> bool {
        self.is_wanted && self.there.is_some_and(|there| there.of_shared > 0)
    }

    /// What becomes of a resource that the filter decided on: Provenance only goes along with what it is about.
    pub(crate) fn narrow<'l>(
        &mut self,
        outcome: Outcome<'l>,
        found: &SharedLine,
        by: ReferredBy,
        walk: &Walk,
    ) -> Outcome<'l> {
        let is_candidate = matches!(outcome, Outcome::Export { .. } | Outcome::PassOver(_));
        if !is_candidate || !found.reference.starts_with("Provenance/") {
            return outcome;
        }
        let plain = plainly(&found.line);
        let (mut about, mut is_of_patient) = (Vec::new(), false);
        target_values(&plain, |target| {
            let Some(named) = parse(target) else { return };
            is_of_patient |= has_compartment(named.resource_type);
            if walk.is_followed(named.text, by) {
                about.push(named.text.to_owned());
            }
        });
        if is_of_patient || about.is_empty() {
            return Outcome::NotAskedFor;
        }
        if self.kind != Provenance::Latest || self.chosen.contains(&found.reference) {
            return outcome;
        }
        let candidate = (recorded(&plain), Reverse(found.reference.clone()));
        for target in about {
            let latest = self.latest.entry(target).or_insert_with(|| candidate.clone());
            if *latest < candidate {
                latest.clone_from(&candidate);
            }
        }
        Outcome::NotAskedFor
    }

    /// Notes a resource whose Provenance goes along.
    pub(crate) fn follow(&mut self, reference: &str, outcome: &Outcome<'_>) {
        if !self.is_looked_up() {
            return;
        }
        match outcome {
            Outcome::Export { .. } => self.exported.insert(reference.to_owned()),
            Outcome::PassOver(Reason::Since) if self.follows_left_out => {
                self.left_out.insert(reference.to_owned())
            }
            _ => false,
        };
    }

    /// Looks up the Provenance of the noted resources.
    pub(crate) async fn want(&mut self, records: &dyn Records, walk: &mut Walk) -> Result<()> {
        let noted = [
            (ReferredBy::Exported, std::mem::take(&mut self.exported)),
            (ReferredBy::LeftOut, std::mem::take(&mut self.left_out)),
        ];
        for (by, targets) in noted {
            if !targets.is_empty() {
                for provenance in records.provenance(&targets).await? {
                    walk.want_provenance(&provenance, by);
                }
            }
        }
        Ok(())
    }

    /// Wants the latest of each exported resource, when everything else was fetched. Returns whether there are some.
    pub(crate) fn choose(&mut self, walk: &mut Walk) -> bool {
        let before = self.chosen.len();
        for (_, Reverse(reference)) in self.latest.values() {
            if self.chosen.insert(reference.clone()) {
                walk.want_provenance(reference, ReferredBy::Exported);
            }
        }
        self.chosen.len() > before
    }

    /// What is said of Provenance that nobody can export from where it is.
    pub(crate) async fn misplaced(&self, records: &dyn Records) -> Result<Option<String>> {
        if !self.is_wanted {
            return Ok(None);
        }
        let there = match self.there {
            Some(there) => there,
            // Nothing is referred to, so nothing was asked.
            None => records.supporting(&BTreeSet::new()).await?.provenance,
        };
        Ok((there.of_patients > 0).then(|| {
            format!(
                "Provenance resources in shared/ that are about resources of patients: {}. They are not exported; put them into the directories of those patients, as `ehi load` does",
                there.of_patients
            )
        }))
    }
}

/// What a Provenance is about.
pub(crate) fn targets(text: &[u8]) -> Vec<String> {
    let mut targets = Vec::new();
    target_values(text, |target| targets.extend(parse(target).map(|reference| reference.text.to_owned())));
    targets
}

/// When a Provenance was recorded, in microseconds.
pub(crate) fn recorded(line: &[u8]) -> i64 {
    json::member(line, 0..line.len(), b"recorded")
        .and_then(|value| json::string(line, value))
        .and_then(|text| fhir::date::Span::of(text.as_bytes()))
        .map_or(i64::MIN, |span| span.from)
}
