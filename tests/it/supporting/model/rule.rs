//! The slow model of the rule. It evaluates all resources repeatedly until no decision changes.

use domain::selection::Provenance;

use super::lake::{RandomLake, Target, patient_of};
use super::*;

/// The decision of the rule about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Exported,
    /// Only `_since` excludes it.
    TooOld,
    /// Only a choice of the form excludes it.
    NotChosen,
    Out,
}

/// The decisions of an export about single resources.
pub(super) struct Rule<R, S> {
    /// Returns the decision about the resource with this number in the records.
    pub(super) of_record: R,
    /// Returns the decision about the resource with this number in `shared/`. The second argument is true if an exported resource refers
    /// to it, and false if only resources refer to it that are too old or not chosen.
    pub(super) of_shared: S,
    pub(super) provenance: Provenance,
    /// The numbers of the resources in `shared/` that are withheld because of a private topic.
    pub(super) withheld_of_shared: BTreeSet<usize>,
}

impl<R: Fn(usize) -> Decision, S: Fn(usize, bool) -> Decision> Rule<R, S> {
    /// Returns the `Type/id` of the exported resources, without the Patients.
    pub(super) fn exported(&self, lake: &RandomLake) -> BTreeSet<String> {
        let records = self.records(lake);
        let mut shared = vec![Decision::Out; lake.shared.len()];
        loop {
            let before = shared.clone();
            for (number, node) in lake.shared.iter().enumerate() {
                let decision = match node.is_provenance() {
                    true => self.shared_provenance(lake, &before, number),
                    false => self.referred_to(lake, &records, &before, number),
                };
                shared[number] = decision;
            }
            if shared == before {
                break;
            }
        }
        let named = |decisions: &[Decision], target: fn(usize) -> Target| -> Vec<String> {
            let exported =
                decisions.iter().enumerate().filter(|(_, decision)| **decision == Decision::Exported);
            exported.map(|(number, _)| lake.name(target(number))).collect()
        };
        let records = named(&records, Target::Record);
        records.into_iter().chain(named(&shared, Target::Shared)).collect()
    }

    /// Returns the decisions about the resources in the records. With `includeAssociatedData`, Provenance is exported with its target
    /// resources in the same record.
    fn records(&self, lake: &RandomLake) -> Vec<Decision> {
        let mut decisions: Vec<_> = (0..lake.records.len()).map(&self.of_record).collect();
        if self.provenance == Provenance::All {
            return decisions;
        }
        let is_candidate = |number: &usize| {
            lake.records[*number].is_provenance() && decisions[*number] == Decision::Exported
        };
        let candidates: Vec<_> = (0..decisions.len()).filter(is_candidate).collect();
        let is_exported = |number: usize, target: Target| match target {
            Target::Patient(patient) => patient == patient_of(number),
            Target::Record(other) => {
                patient_of(other) == patient_of(number)
                    && !lake.records[other].is_provenance()
                    && decisions[other] == Decision::Exported
            }
            Target::Shared(_) => false,
        };
        let about = |number: usize| {
            let targets = lake.records[number].about.iter().copied();
            targets.filter(move |target| is_exported(number, *target))
        };
        // Of two that were recorded at the same time, the first one is the latest.
        let order = |number: usize| (lake.records[number].recorded, std::cmp::Reverse(number));
        let is_latest = |number: usize, target: Target| {
            let others = candidates.iter().filter(|other| about(**other).any(|about| about == target));
            others.max_by_key(|other| order(**other)) == Some(&number)
        };
        let kept: Vec<_> = candidates
            .iter()
            .copied()
            .filter(|number| match self.provenance {
                Provenance::Latest => about(*number).any(|target| is_latest(*number, target)),
                Provenance::All | Provenance::Relevant => about(*number).next().is_some(),
            })
            .collect();
        for number in candidates.into_iter().filter(|number| !kept.contains(number)) {
            decisions[number] = Decision::Out;
        }
        decisions
    }

    /// Returns the decision about a resource of `shared/`, which depends on the resources that refer to it.
    fn referred_to(
        &self,
        lake: &RandomLake,
        records: &[Decision],
        shared: &[Decision],
        number: usize,
    ) -> Decision {
        if lake.shared[number].misplaced_patient().is_some() {
            return Decision::Out;
        }
        // The target of a patient's Provenance is exported because of it; the target of a Provenance in `shared/` is not.
        let in_records = lake.records.iter().zip(records).filter(|(node, _)| {
            let is_target = node.is_provenance() && node.about.contains(&Target::Shared(number));
            is_target || node.refers_to.contains(&number)
        });
        let in_shared = lake.shared.iter().zip(shared).filter(|(node, _)| node.refers_to.contains(&number));
        let referrers: Vec<_> = in_records.chain(in_shared).map(|(_, decision)| *decision).collect();
        if referrers.contains(&Decision::Exported) {
            (self.of_shared)(number, true)
        } else if referrers.contains(&Decision::TooOld) || referrers.contains(&Decision::NotChosen) {
            (self.of_shared)(number, false)
        } else {
            Decision::Out
        }
    }

    /// Returns the decision about a Provenance of `shared/`, which depends on its targets and not on the resources that refer to it.
    fn shared_provenance(&self, lake: &RandomLake, shared: &[Decision], number: usize) -> Decision {
        if names_patients_resource(lake, number)
            || targets(lake, number).any(|target| self.withheld_of_shared.contains(&target))
        {
            return Decision::Out;
        }
        let is_about = |number: usize, decision: Decision| {
            targets(lake, number).filter(move |target| shared[*target] == decision).collect::<Vec<_>>()
        };
        let exported = is_about(number, Decision::Exported);
        match self.provenance {
            Provenance::All if exported.is_empty() => match is_about(number, Decision::TooOld).is_empty() {
                true => Decision::Out,
                false => (self.of_shared)(number, false),
            },
            Provenance::Relevant if exported.is_empty() => Decision::Out,
            Provenance::All | Provenance::Relevant => (self.of_shared)(number, true),
            Provenance::Latest => {
                let order = |number: usize| {
                    (lake.shared[number].recorded, std::cmp::Reverse(lake.name(Target::Shared(number))))
                };
                let is_latest = |target: &usize| {
                    let others = (0..lake.shared.len()).filter(|other| {
                        lake.shared[*other].is_provenance()
                            && !names_patients_resource(lake, *other)
                            && targets(lake, *other).any(|about| about == *target)
                            && (self.of_shared)(*other, true) == Decision::Exported
                    });
                    others.max_by_key(|other| order(*other)) == Some(number)
                };
                if exported.iter().any(is_latest) { Decision::Exported } else { Decision::Out }
            }
        }
    }
}

/// Returns the numbers of the resources in `shared/` that are targets of a Provenance there.
fn targets(lake: &RandomLake, number: usize) -> impl Iterator<Item = usize> {
    lake.shared[number].about.iter().filter_map(|target| match target {
        Target::Shared(number) => Some(*number),
        Target::Patient(_) | Target::Record(_) => None,
    })
}

/// Returns whether a target of a Provenance in `shared/` belongs to a patient, as every Provenance in a record does.
pub(super) fn names_patients_resource(lake: &RandomLake, number: usize) -> bool {
    lake.shared[number].about.iter().any(|target| match target {
        Target::Patient(_) | Target::Record(_) => true,
        Target::Shared(number) => {
            lake.shared[*number].is_provenance() || lake.shared[*number].misplaced_patient().is_some()
        }
    })
}
