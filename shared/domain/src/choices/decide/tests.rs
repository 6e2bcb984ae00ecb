use std::borrow::Cow;

use super::super::{Authorization, Day};
use super::*;

fn facts<'a>(
    resource_type: &'a str,
    categories: &[&'a str],
    labels: &[&'a str],
    date: Option<&str>,
) -> Facts<'a> {
    Facts {
        resource_type,
        categories: categories.iter().copied().map(Cow::Borrowed).collect(),
        labels: labels.iter().copied().map(Cow::Borrowed).collect(),
        has_unreadable_label: false,
        types: Vec::new(),
        days: date.and_then(|date| Days::of(date.as_bytes())),
    }
}

fn only(group: RecordGroup, from: Option<&str>, to: Option<&str>) -> Choices {
    let choice = Choice {
        enabled: true,
        from: from.and_then(Day::first),
        to: to.and_then(Day::last),
        notes: String::new(),
    };
    Choices { parameters: [(group, choice)].into(), ..Choices::default() }
}

#[test]
fn without_a_choice_people_and_other_observations_are_exported() {
    let none = Choices::default();
    for resource_type in ["Patient", "Practitioner", "Organization", "Observation", "DiagnosticReport"] {
        assert_eq!(none.decide(&facts(resource_type, &[], &[], None)), Decision::Keep, "{resource_type}");
    }
    for resource_type in ["Encounter", "Procedure", "Claim", "Condition", "DocumentReference", "Media"] {
        assert_eq!(
            none.decide(&facts(resource_type, &[], &[], None)),
            Decision::LeaveOut(Reason::FormGroup),
            "{resource_type}"
        );
    }
    let laboratory = facts("Observation", &["laboratory"], &[], None);
    assert_eq!(none.decide(&laboratory), Decision::LeaveOut(Reason::FormGroup));
}

#[test]
fn a_date_range_includes_its_last_day_and_partial_dates_that_touch_it() {
    let visits = only(RecordGroup::Visits, Some("2020-03-01"), Some("2020-03-31"));
    for (date, kept) in [
        ("2020-03-31T23:59:59Z", true),
        ("2020-04-01", false),
        ("2020-02-29", false),
        ("2020-03", true),
        ("2020", true),
        ("2019", false),
    ] {
        let decision = visits.decide(&facts("Encounter", &[], &[], Some(date)));
        let expected = if kept { Decision::Keep } else { Decision::LeaveOut(Reason::DateRange) };
        assert_eq!(decision, expected, "{date}");
    }
    assert_eq!(
        visits.decide(&facts("Encounter", &[], &[], None)),
        Decision::Keep,
        "a resource without a date is kept"
    );
}

#[test]
fn sensitive_resources_are_withheld_until_they_are_authorized() {
    let mut choices = only(RecordGroup::MedicalRecord, None, None);
    for category in Sensitive::ALL {
        let label = category.labels()[0];
        let resource = facts("Condition", &[], &[label], None);
        assert_eq!(choices.decide(&resource), Decision::Withhold(category));
        let described = Authorization { given: false, description: "yes, all of it".to_owned() };
        choices.authorizations.insert(category, described);
        assert_eq!(choices.decide(&resource), Decision::Withhold(category));
        let given = Authorization { given: true, ..Authorization::default() };
        choices.authorizations.insert(category, given);
        assert_eq!(choices.decide(&resource), Decision::Keep);
    }
}

#[test]
fn the_documented_rules_are_those_that_decide() {
    let documented = |resource_type: &str, code: &str| {
        let fits = |rule: &GroupRule| {
            (rule.types.is_empty() || rule.types.contains(&resource_type))
                && (rule.codes.is_empty() || rule.codes.contains(&code))
        };
        rules().into_iter().find(fits).map(|rule| rule.group)
    };
    let codes: Vec<_> =
        rules().iter().flat_map(|rule| rule.codes).copied().chain(["", "99999-9", "vital-signs"]).collect();
    for resource_type in fhir::types::TYPES {
        for code in &codes {
            let decided = group_of(&facts(resource_type, &[code], &[], None));
            assert_eq!(documented(resource_type, code), Some(decided), "{resource_type} {code}");
        }
    }
}

#[test]
fn documents_follow_their_loinc_type() {
    let mut document = facts("DocumentReference", &[], &[], None);
    document.types = vec![Cow::Borrowed("18842-5")];
    assert_eq!(group_of(&document), Some(RecordGroup::DischargeSummary));
    document.types = vec![Cow::Borrowed("99999-9")];
    assert_eq!(group_of(&document), Some(RecordGroup::Other));
}
