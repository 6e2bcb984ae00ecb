use std::collections::BTreeSet;

use fhir::head::Plain;
use serde_json::json;

use super::*;
use crate::choices::{Authorization, Choice, RecordGroup};
use crate::selection::{Element, Selection};
use crate::sensitive::Sensitive;

fn judge(filter: &Filter<'_>, resource: &serde_json::Value, origin: Origin) -> Judgement {
    let (line, mut plain) = (resource.to_string(), Plain::default());
    filter.judge(&filter.read(line.as_bytes(), &mut plain).expect("a resource"), origin)
}

fn selection(selection: &Selection) -> Filter<'_> {
    Filter::Selection(Selector::new(selection, "2026-01-01T00:00:00Z".parse().expect("a time")))
}

const PATIENT: Origin = Origin::Patient { ignore_since: false };
const NEW_MEMBER: Origin = Origin::Patient { ignore_since: true };
const BY_EXPORTED: Origin = Origin::Shared(ReferredBy::Exported);
const BY_LEFT_OUT: Origin = Origin::Shared(ReferredBy::LeftOut);

#[test]
fn the_filter_everything_keeps_sensitive_resources() {
    let sensitive =
        json!({ "resourceType": "Condition", "id": "a", "meta": { "security": [{ "code": "PSY" }] } });
    for origin in [PATIENT, NEW_MEMBER, Origin::System, BY_EXPORTED, BY_LEFT_OUT] {
        assert_eq!(judge(&Filter::Everything, &sensitive, origin), Verdict::Keep.into());
    }
}

#[test]
fn since_passes_over_resources_unless_exported_resources_refer_to_them() {
    let asked = Selection {
        since: Some("2025-01-01T00:00:00Z".parse().expect("a time")),
        types: Some(BTreeSet::from(["Location".to_owned()])),
        ..Selection::default()
    };
    let filter = selection(&asked);
    let at = |year: u32, resource_type: &str| {
        let updated = format!("{year}-06-01T00:00:00Z");
        json!({ "resourceType": resource_type, "id": "a", "meta": { "lastUpdated": updated } })
    };
    let passed_over: Judgement = Verdict::PassOver(Reason::Since).into();
    for (origin, of_old) in [
        (PATIENT, passed_over.clone()),
        (Origin::System, passed_over.clone()),
        (BY_LEFT_OUT, passed_over),
        (NEW_MEMBER, Verdict::Keep.into()),
        (BY_EXPORTED, Verdict::Keep.into()),
    ] {
        assert_eq!(judge(&filter, &at(2024, "Location"), origin), of_old, "{origin:?}");
        assert_eq!(judge(&filter, &at(2025, "Location"), origin), Verdict::Keep.into(), "{origin:?}");
        let until = judge(&filter, &at(2026, "Location"), origin);
        assert_eq!(until, Verdict::LeaveOut(Reason::Until).into(), "{origin:?}: later than the export");
        let other = judge(&filter, &at(2025, "Device"), origin);
        assert_eq!(other, Verdict::LeaveOut(Reason::Type).into(), "{origin:?}");
    }
}

#[test]
fn a_token_with_tags_refuses_untagged_resources_and_shared_binaries() {
    let asked = Selection { tags: Some(BTreeSet::from(["open".to_owned()])), ..Selection::default() };
    let filter = selection(&asked);
    let resource = |resource_type: &str, tag: &str| {
        json!({ "resourceType": resource_type, "id": "a", "meta": { "security": [{ "code": tag }] },
            "securityContext": { "reference": "Patient/p" } })
    };
    assert_eq!(judge(&filter, &resource("Condition", "open"), PATIENT), Verdict::Keep.into());
    let refused = judge(&filter, &resource("Condition", "closed"), PATIENT);
    assert_eq!(refused.verdict, Verdict::LeaveOut(Reason::Tag));
    assert_eq!(refused.refusal, Some(Refusal { category: None }));
    // A Binary of a record is exported with the resources that refer to it. For a shared one, access cannot be checked.
    assert_eq!(judge(&filter, &resource("Binary", "open"), PATIENT), Verdict::Keep.into());
    for (tag, origin) in [("closed", PATIENT), ("open", Origin::System), ("open", BY_EXPORTED)] {
        let judged = judge(&filter, &resource("Binary", tag), origin);
        assert_eq!(judged, Verdict::LeaveOut(Reason::Tag).into(), "{tag} {origin:?}");
    }
    let (line, mut plain) = (resource("Condition", "closed").to_string(), Plain::default());
    let deleted =
        filter.leave_out(&filter.read(line.as_bytes(), &mut plain).expect("a resource"), Reason::Deleted);
    assert_eq!(deleted.verdict, Verdict::LeaveOut(Reason::Deleted));
    assert_eq!(deleted.refusal, Some(Refusal { category: None }), "a deleted resource is refused as well");
}

#[test]
fn elements_apply_to_kept_resources() {
    let element = Element { resource_type: None, name: "status".to_owned() };
    let asked = Selection { elements: vec![element], ..Selection::default() };
    let line =
        json!({ "resourceType": "Observation", "id": "a", "status": "final", "note": [{ "text": "x" }] });
    let judged = judge(&selection(&asked), &line, PATIENT);
    let Verdict::Subset(subset) = judged.verdict else { panic!("{judged:?}") };
    let subset: serde_json::Value = serde_json::from_slice(&subset).expect("JSON");
    assert_eq!((&subset["status"], &subset["note"]), (&json!("final"), &serde_json::Value::Null));
}

/// Returns choices with visits only, and genetic tests authorized.
fn visits() -> Choices {
    let given = Authorization { given: true, ..Authorization::default() };
    let choice = Choice { enabled: true, ..Choice::default() };
    Choices {
        parameters: [(RecordGroup::Visits, choice)].into(),
        authorizations: [(Sensitive::Genetic, given)].into(),
    }
}

#[test]
fn choices_pass_over_unchosen_resources_and_refuse_sensitive_ones() {
    let choices = visits();
    let filter = Filter::Choices(&choices);
    let resource = |resource_type: &str, label: Option<&str>| json!({ "resourceType": resource_type, "id": "a", "meta": { "security": [label.map(|code| json!({ "code": code }))] } });
    let group = Reason::FormGroup;
    let refusal = Some(Refusal { category: Some(Sensitive::MentalHealth) });
    for (resource_type, label, verdict, refusal) in [
        ("Encounter", None, Verdict::Keep, None),
        ("Encounter", Some("GDIS"), Verdict::Keep, None),
        ("Encounter", Some("PSY"), Verdict::Withhold(Sensitive::MentalHealth), refusal),
        ("Condition", None, Verdict::PassOver(group), None),
        ("Condition", Some("GDIS"), Verdict::PassOver(group), None),
        // Not chosen, and withheld if it were: its references are not followed.
        ("Condition", Some("PSY"), Verdict::LeaveOut(group), refusal),
        ("Organization", Some("PSY"), Verdict::Keep, None),
        // A Binary is exported with the resources that refer to it.
        ("Binary", None, Verdict::Keep, None),
    ] {
        let judged = judge(&filter, &resource(resource_type, label), PATIENT);
        assert_eq!(judged, Judgement { verdict, refusal }, "{resource_type} {label:?}");
    }
    let unreadable = json!({ "resourceType": "Encounter", "id": "a", "meta": { "security": ["PSY"] } });
    let judged = judge(&filter, &unreadable, PATIENT);
    assert_eq!(judged.verdict, Verdict::Unreadable);
    assert_eq!(judged.refusal, Some(Refusal { category: None }));
}

/// An export with the token of a patient, who has ticked no private topic.
#[test]
fn a_selection_without_topics_withholds_them() {
    let (since, of) = ("2024-01-01T00:00:00Z".parse().ok(), |year: u32| format!("{year}-06-01"));
    let asked = Selection { since, withholds_topics: true, ..Selection::default() };
    let filter = selection(&asked);
    assert!(filter.withholds_documents() && filter.limits_access() && filter.refuses_by_label());
    let private = Some(Refusal { category: Some(Sensitive::Hiv) });
    let unreadable = Some(Refusal { category: None });
    let label = |code: &str| json!([{ "code": code }]);
    for (resource_type, security, year, verdict, refusal) in [
        ("Condition", label("N"), 2025, Verdict::Keep, None),
        ("Condition", label("N"), 2020, Verdict::PassOver(Reason::Since), None),
        ("Condition", label("hiv"), 2025, Verdict::Withhold(Sensitive::Hiv), private),
        ("Condition", label("HIV"), 2020, Verdict::LeaveOut(Reason::Since), private),
        ("Binary", label("HIV"), 2025, Verdict::Withhold(Sensitive::Hiv), private),
        ("Organization", label("HIV"), 2025, Verdict::Keep, None),
        ("Condition", json!(["HIV"]), 2025, Verdict::Unreadable, unreadable),
    ] {
        let meta = json!({ "security": security, "lastUpdated": of(year) });
        let resource = json!({ "resourceType": resource_type, "id": "a", "meta": meta });
        assert_eq!(judge(&filter, &resource, PATIENT), Judgement { verdict, refusal }, "{resource}");
        let (line, mut plain) = (resource.to_string(), Plain::default());
        let read = filter.read(line.as_bytes(), &mut plain).expect("a resource");
        assert_eq!(filter.refusal_of_version(&read), refusal, "{resource}");
        assert_eq!(filter.leave_out(&read, Reason::Deleted).refusal, refusal, "{resource}");
    }
    // The label of a resource inside, of a document, and of an earlier version count as well.
    let inside = json!({ "resourceType": "Observation", "meta": { "security": label("HIV") } });
    let contained = json!({ "resourceType": "Condition", "id": "a", "contained": [inside] });
    let document = json!({ "resourceType": "DocumentReference", "id": "a", "securityLabel": [{ "coding": label("HIV") }] });
    for resource in [contained, document] {
        assert_eq!(
            judge(&filter, &resource, PATIENT).verdict,
            Verdict::Withhold(Sensitive::Hiv),
            "{resource}"
        );
    }
    let earlier = filter.refuse_versions(Verdict::Keep.into(), Refusal { category: Some(Sensitive::Hiv) });
    assert_eq!(earlier.verdict, Verdict::Withhold(Sensitive::Hiv));
    let earlier = filter.refuse_versions(Verdict::Keep.into(), Refusal { category: None });
    assert_eq!(earlier.verdict, Verdict::Unreadable);
}

#[test]
fn only_people_and_organizations_are_exported_for_left_out_resources() {
    let choices = visits();
    let filter = Filter::Choices(&choices);
    for (resource_type, verdict) in [
        ("Practitioner", Verdict::Keep),
        ("Organization", Verdict::Keep),
        ("Location", Verdict::PassOver(Reason::Unreferenced)),
    ] {
        let resource = json!({ "resourceType": resource_type, "id": "a" });
        assert_eq!(judge(&filter, &resource, BY_LEFT_OUT).verdict, verdict, "{resource_type}");
    }
}

#[test]
fn a_resource_that_another_filter_has_read_is_not_exported() {
    let (line, mut plain) = (json!({ "resourceType": "Condition", "id": "a" }).to_string(), Plain::default());
    let resource = Filter::Everything.read(line.as_bytes(), &mut plain).expect("a resource");
    assert_eq!(Filter::Choices(&visits()).judge(&resource, PATIENT).verdict, Verdict::Unreadable);
}
