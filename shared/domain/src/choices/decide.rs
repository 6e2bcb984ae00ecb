//! Decides by the form's choices on one resource: keep it, leave it out, or withhold it as sensitive.

use fhir::facts::{Days, Facts};

use super::{Choice, Choices, RecordGroup};
use crate::decision::Decision;
use crate::ledger::Reason;
use crate::sensitive::Sensitive;

impl Choices {
    /// Decides on one resource (contract, section 1, what the choices do).
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let Some(group) = group_of(facts) else { return self.unless_sensitive(facts) };
        match self.choice(group) {
            Some(choice) if choice.enabled && overlaps(choice, facts.days) => self.unless_sensitive(facts),
            Some(choice) if choice.enabled => Decision::LeaveOut(Reason::DateRange),
            _ => Decision::LeaveOut(Reason::FormGroup),
        }
    }

    /// Returns whether files that are not FHIR resources are exported. They have no kind and no date, so they are other
    /// documents.
    pub fn keeps_files(&self) -> bool {
        self.choice(RecordGroup::Other).is_some_and(|choice| choice.enabled)
    }

    /// Returns whether everything else in the medical record was chosen.
    pub fn keeps_medical_record(&self) -> bool {
        self.choice(RecordGroup::MedicalRecord).is_some_and(|choice| choice.enabled)
    }

    /// Returns whether the choices never leave a type out: Patient, Practitioner and Organization
    /// (contract, section 1).
    pub fn always_keep(resource_type: &str) -> bool {
        ALWAYS.contains(&resource_type)
    }

    /// Withholds a resource of a sensitive category that was not authorized. Keeps all others, whatever their group.
    pub fn unless_sensitive(&self, facts: &Facts<'_>) -> Decision {
        if ALWAYS.contains(&facts.resource_type) {
            return Decision::Keep;
        }
        let unauthorized = |category: &Sensitive| {
            let is_of =
                |label: &str| category.labels().iter().any(|known| known.eq_ignore_ascii_case(label.trim()));
            !self.authorizes(*category) && facts.labels.iter().any(|label| is_of(label))
        };
        if let Some(category) = Sensitive::ALL.into_iter().find(unauthorized) {
            return Decision::Withhold(category);
        }
        // If every category is authorized, an unreadable label cannot name an unauthorized one.
        let may_be_unauthorized = || Sensitive::ALL.into_iter().any(|category| !self.authorizes(category));
        if facts.has_unreadable_label && may_be_unauthorized() {
            Decision::Unreadable
        } else {
            Decision::Keep
        }
    }
}

/// The types that every export includes, whatever was chosen.
const ALWAYS: [&str; 3] = ["Patient", "Practitioner", "Organization"];

/// Returns the group of a resource; `None` for a resource that is always exported.
fn group_of(facts: &Facts<'_>) -> Option<RecordGroup> {
    match facts.resource_type {
        resource_type if ALWAYS.contains(&resource_type) => None,
        resource_type if VISITS.contains(&resource_type) => Some(RecordGroup::Visits),
        resource_type if BILLING.contains(&resource_type) => Some(RecordGroup::Billing),
        resource_type if TESTS.contains(&resource_type) => {
            let is_laboratory =
                |code: &str| LABORATORY.iter().any(|known| known.eq_ignore_ascii_case(code.trim()));
            facts.categories.iter().any(|code| is_laboratory(code)).then_some(RecordGroup::Labs)
        }
        resource_type if PAPERS.contains(&resource_type) => Some(document_group(facts)),
        _ => Some(RecordGroup::MedicalRecord),
    }
}

/// The types whose group does not depend on their codes.
const VISITS: [&str; 2] = ["Encounter", "Procedure"];
const BILLING: [&str; 2] = ["Claim", "ExplanationOfBenefit"];
/// The types that are laboratory results if their category has a code of [`LABORATORY`], and otherwise always exported.
const TESTS: [&str; 2] = ["DiagnosticReport", "Observation"];
/// The category of an Observation, and the sections of a laboratory (HL7 table 0074) of a DiagnosticReport.
const LABORATORY: [&str; 18] = [
    "laboratory",
    "LAB",
    "BG",
    "BLB",
    "CG",
    "CH",
    "CP",
    "GE",
    "HM",
    "IMM",
    "MB",
    "MCB",
    "MYC",
    "OSL",
    "PAR",
    "SR",
    "TX",
    "VR",
];
/// The types whose group is decided by the codes of [`DOCUMENTS`].
const PAPERS: [&str; 2] = ["DocumentReference", "Media"];

/// The rule for one group of the record, for the documentation of exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRule {
    /// `None` for resources that are exported with all choices.
    pub group: Option<RecordGroup>,
    /// The types of its resources; an empty list means every type that no other rule names.
    pub types: &'static [&'static str],
    /// The codes of the group. A resource must have one of them in `category`, a document in `type` or `category`. An
    /// empty list means that codes do not matter.
    pub codes: &'static [&'static str],
}

/// Returns the rules of all groups in order: a resource is in the group of the first rule that matches.
pub fn rules() -> Vec<GroupRule> {
    let rule = |group, types: &'static [&'static str], codes| GroupRule { group, types, codes };
    let mut rules = vec![
        rule(None, &ALWAYS, &[]),
        rule(Some(RecordGroup::Visits), &VISITS, &[]),
        rule(Some(RecordGroup::Labs), &TESTS, &LABORATORY),
        rule(None, &TESTS, &[]),
        rule(Some(RecordGroup::Billing), &BILLING, &[]),
    ];
    rules.extend(DOCUMENTS.iter().map(|(group, codes)| rule(Some(*group), &PAPERS, codes)));
    rules.push(rule(Some(RecordGroup::Other), &PAPERS, &[]));
    rules.push(rule(Some(RecordGroup::MedicalRecord), &[], &[]));
    rules
}

fn document_group(facts: &Facts<'_>) -> RecordGroup {
    let codes = || facts.types.iter().chain(&facts.categories);
    DOCUMENTS
        .iter()
        .find(|(_, loinc)| codes().any(|code| loinc.contains(&code.as_ref())))
        .map_or(RecordGroup::Other, |(group, _)| *group)
}

/// LOINC document types by group; `image` is the type of a Media that is a photograph.
const DOCUMENTS: &[(RecordGroup, &[&str])] = &[
    (
        RecordGroup::DischargeSummary,
        &["18842-5", "11490-0", "28655-9", "29761-4", "34105-7", "34106-5", "34745-0"],
    ),
    (
        RecordGroup::Operative,
        &["11504-8", "28570-0", "34137-0", "34818-5", "34868-0", "34870-6", "34877-1", "8724-7"],
    ),
    (
        RecordGroup::Pathology,
        &["11526-1", "11529-5", "22634-0", "22637-3", "27898-6", "60567-5", "60568-3", "60571-7"],
    ),
    (
        RecordGroup::Radiology,
        &[
            "18726-0",
            "18748-4",
            "18782-3",
            "24590-2",
            "24627-2",
            "25045-6",
            "30746-2",
            "30954-2",
            "36643-5",
            "68604-8",
            "LP29684-5",
        ],
    ),
    (RecordGroup::Photographs, &["72170-4", "55112-7", "image"]),
];

fn overlaps(choice: &Choice, days: Option<Days>) -> bool {
    let Some(days) = days else { return true };
    let ends_before =
        choice.from.as_ref().is_some_and(|from| days.last.as_slice() < from.as_str().as_bytes());
    let starts_after = choice.to.as_ref().is_some_and(|to| days.first.as_slice() > to.as_str().as_bytes());
    !ends_before && !starts_after
}

#[cfg(test)]
mod tests;
