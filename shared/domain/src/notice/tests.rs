use super::*;
use crate::choices::Choices;
use crate::ids::ClientId;
use crate::moves::tests::in_review;
use crate::owner::Owner;
use crate::patient_summary::PatientSummary;
use crate::retention::Retention;
use crate::selection::Selection;

fn header(client: &str, issuer: Option<&str>) -> JobHeader {
    let id = PatientId::parse("p1").expect("an id");
    let client = ClientId::parse(client).expect("an id");
    let mut header = in_review().header;
    header.owner = Owner::new(client, issuer.map(str::to_owned), Some(id.clone()), "someone");
    header.patient = Some(PatientSummary {
        email: EmailAddress::parse("a@example.org"),
        ..PatientSummary::new(id, "A Name")
    });
    header.request.choices = Some(Choices::default());
    header
}

/// Returns a job with this header in each of the states that can cause a notice: queued, complete, rejected, failed.
fn jobs(header: &JobHeader) -> [Job; 4] {
    let now = Timestamp::UNIX_EPOCH;
    let retention = Retention::default();
    let review = || crate::states::InReview { header: header.clone(), ..in_review() };
    let queued = Job::Queued(Queued { header: header.clone() });
    let failed = queued.clone().fail("reason", "exception", "task", now, &retention).expect("it can fail");
    [
        queued,
        Job::Complete(review().approve(None, "admin", now, &retention)),
        Job::Rejected(review().reject("reason", "admin", now, &retention)),
        Job::Failed(failed),
    ]
}

fn kinds(header: &JobHeader) -> Vec<NoticeKind> {
    let before = Some(JobState::AwaitingInput);
    jobs(header).iter().filter_map(|job| Notice::of_change(before, job)).map(|notice| notice.kind).collect()
}

#[test]
fn only_a_copy_of_the_patients_own_causes_notices() {
    use NoticeKind::{Message, Ready, Received};

    let issuer = Some("https://login.example.org");
    let all = [Received, Ready, Message, Message];
    assert_eq!(kinds(&header("app", None)), all);
    assert_eq!(kinds(&JobHeader { by_patient: true, ..header("app", issuer) }), all);
    assert_eq!(kinds(&header("ehr", issuer)), [], "a clinician asked for it");
    assert_eq!(kinds(&header(Owner::STAFF, None)), [Ready], "staff asked for it");
    let mut service = header("service", None);
    service.owner.patient = None;
    assert_eq!(kinds(&service), []);
    let mut bulk = header("app", None);
    bulk.request.selection = Some(Selection::default());
    assert_eq!(kinds(&bulk), []);
    let mut group = header(Owner::STAFF, None);
    group.patient = None;
    assert_eq!(kinds(&group), []);
    let mut silent = header("app", None);
    silent.patient.as_mut().expect("a patient").email = None;
    assert_eq!(kinds(&silent), [], "there is no address");
    let mut formless = header("app", None);
    formless.request.choices = None;
    assert_eq!(kinds(&formless), [Ready, Message, Message], "no form was sent");
}

#[test]
fn a_state_that_was_there_before_causes_no_notice() {
    for job in jobs(&header("app", None)) {
        let id = Notice::of_change(None, &job).expect("a notice").id();
        assert_eq!(id, Notice::of_change(Some(JobState::InReview), &job).expect("a notice").id());
        assert_eq!(Notice::of_change(Some(job.state()), &job), None);
        assert_eq!(Notice::of_change(Some(JobState::Cancelled), &job), None, "staff restored it");
    }
}

#[test]
fn a_notice_that_is_no_longer_true_is_not_sent() {
    let [queued, complete, rejected, _] = jobs(&header("app", None));
    let gone =
        Job::Cancelled(complete.clone().cancel("p1", Timestamp::UNIX_EPOCH).expect("it can be cancelled"));
    for kind in NoticeKind::ALL {
        assert_eq!(Notice::of(kind, &gone), None, "{kind:?}");
    }
    assert!(Notice::of(NoticeKind::Received, &complete).is_some(), "the request did arrive");
    assert_eq!(Notice::of(NoticeKind::Ready, &queued), None);
    assert_eq!(Notice::of(NoticeKind::Ready, &rejected), None);
    assert_eq!(Notice::of(NoticeKind::Message, &complete), None);
    let ready = Notice::of(NoticeKind::Ready, &complete).expect("a notice");
    let ends = ready.expires_at.expect("an end");
    assert!(ready.is_outdated(ends) && !ready.is_outdated(Timestamp::UNIX_EPOCH));
}

#[test]
fn the_name_of_a_kind_is_read_back() {
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::named(kind.name()), Some(kind));
    }
    assert_eq!(NoticeKind::named("other"), None);
}
