use crate::ids::ClientId;
use crate::moves::tests::in_review;
use crate::owner::Owner;
use crate::patient_summary::PatientSummary;
use crate::selection::Selection;

use super::*;

#[test]
fn only_exports_that_the_patient_or_staff_started_are_the_patients() {
    let id = |id: &str| PatientId::parse(id).expect("an id");
    let header = |client: &str, issuer: Option<&str>, subject: &str| JobHeader {
        owner: Owner::new(
            ClientId::parse(client).expect("an id"),
            issuer.map(str::to_owned),
            Some(id("p1")),
            subject,
        ),
        patient: Some(PatientSummary::new(id("p1"), "A Name")),
        ..in_review().header
    };
    let issuer = Some("https://login.example.org");
    let chosen = |header: JobHeader| {
        let mut header = header;
        header.request.choices = Some(crate::choices::Choices::default());
        header
    };
    let theirs = chosen(header("ehr", issuer, "dr-who"));
    assert!(theirs.may_be_ended_by(&id("p1")) && !theirs.is_own_copy_of(&id("p1")));
    assert!(!theirs.may_be_ended_by(&id("p2")));
    let mut bulk = theirs.clone();
    bulk.request.selection = Some(Selection::default());
    assert!(!bulk.may_be_ended_by(&id("p1")));
    let service = chosen(JobHeader {
        owner: Owner::new(ClientId::parse("ehr").expect("an id"), None, None, "ehr"),
        ..theirs
    });
    assert!(!service.may_be_ended_by(&id("p1")), "no patient is in the token");
    for (header, expected) in [
        (header("app", None, "Patient/p1"), true),
        (header(Owner::STAFF, None, "admin"), true),
        (header("ehr", issuer, "dr-who"), false),
        (JobHeader { by_patient: true, ..header("app", issuer, "u1") }, true),
    ] {
        let unchosen = JobHeader {
            request: crate::request::ExportRequest { choices: None, ..header.request.clone() },
            ..header.clone()
        };
        assert_eq!(header.is_own_copy_of(&id("p1")), expected, "{:?}", header.owner);
        assert_eq!(unchosen.may_be_ended_by(&id("p1")), expected, "{:?}", header.owner);
        assert!(!header.is_own_copy_of(&id("p2")));
        let mut bulk = header.clone();
        bulk.request.selection = Some(Selection::default());
        assert!(!bulk.is_own_copy_of(&id("p1")));
        assert!(!JobHeader { patient: None, ..header }.is_own_copy_of(&id("p1")));
    }
}
