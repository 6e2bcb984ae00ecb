use super::*;
use crate::moves::tests::in_review;
use crate::retention::Retention;
use crate::states::AwaitingInput;

#[test]
fn a_patient_ends_the_time_to_undo_a_deletion() {
    let (now, day) = (Timestamp::UNIX_EPOCH, SignedDuration::from_hours(24));
    let gone = || Job::InReview(in_review()).delete("admin", now, day).expect("it is there");
    assert_eq!(gone().undo_end(), None);
    let taken_back = Job::Cancelled(gone()).take_back("the patient", now).expect("it can be restored");
    let deleted = Job::Cancelled(gone()).delete_for_good("the patient", now).expect("it can be restored");
    for (gone, expected) in [(taken_back, UndoEnd::TookBackPermission), (deleted, UndoEnd::DeletedForGood)] {
        let (end, event) = gone.undo_end().expect("the patient ended it");
        assert_eq!((end, event.actor.as_str()), (expected, "the patient"));
        assert!(gone.clone().restore("admin", now).is_none());
        assert!(Job::Cancelled(gone.clone()).take_back("the patient", now).is_err(), "once");
        assert!(Job::Cancelled(gone).delete_for_good("the patient", now).is_err(), "once");
    }
    let late = now + day;
    assert!(Job::Cancelled(gone()).take_back("the patient", late).is_err(), "there is nothing left");
    let review = Job::InReview(in_review());
    assert!(review.clone().delete_for_good("the patient", now).is_err(), "staff did not delete it");
    let taken_back = review.take_back("the patient", now).expect("it is there");
    assert_eq!(taken_back.undo_end(), None, "there was no deletion");
}

#[test]
fn a_deletion_is_undone_within_its_time_and_never_while_workers_use_the_job() {
    let (now, day) = (Timestamp::UNIX_EPOCH, SignedDuration::from_hours(24));
    let review = in_review();
    let gone = Job::InReview(review.clone()).delete("admin", now, day).expect("deleted");
    let late = now + day;
    assert!(gone.restorable(late).is_none() && gone.clone().restore("admin", late).is_none());
    let restored = gone.clone().restore("other", now).expect("in time");
    let Job::InReview(again) = &restored else { panic!("another state") };
    assert_eq!((&again.summary, again.header.restorations()), (&review.summary, 1));
    assert!(gone.for_good().restore("admin", now).is_none());
    let deleted = Job::Cancelled(restored.delete("admin", now, SignedDuration::ZERO).expect("deleted"));
    assert!(deleted.clone().delete("admin", now, day).is_err(), "already deleted");
    // A job that expires within the time to undo cannot be restored after that.
    let retention = Retention { finished: SignedDuration::from_hours(1), ..Retention::default() };
    let complete = Job::Complete(review.approve(None, "admin", now, &retention));
    let hour = now + SignedDuration::from_hours(1);
    let minutes = SignedDuration::from_mins;
    assert_eq!(complete.undo_until(now, minutes(30)), Some(now + minutes(30)));
    assert_eq!(complete.undo_until(now, day), Some(hour));
    assert_eq!(complete.undo_until(hour, day), None, "it has expired");
    let gone = complete.delete("admin", now, day).expect("deleted");
    assert_eq!(gone.undo.as_ref().map(|undo| undo.until), Some(hour));
    assert!(gone.restorable(now + minutes(59)).is_some());
    assert!(gone.restorable(hour).is_none());
    // An earlier version stored the time of the settings.
    let mut former = gone;
    former.undo.as_mut().expect("it can be undone").until = now + day;
    let former = Job::Cancelled(former);
    assert_eq!(former.restorable_until(now), Some(hour));
    assert_eq!(former.restorable_until(hour), None);
}

#[test]
fn an_export_has_ended_in_one_way_by_one_actor_at_one_time() {
    let (now, retention) = (Timestamp::UNIX_EPOCH, Retention::default());
    let (later, expiry) = (now + SignedDuration::from_mins(1), retention.expires_at(now));
    let review = || Job::InReview(in_review());
    assert_eq!(review().ended(later), None);
    let complete = Job::Complete(in_review().approve(None, "admin", now, &retention));
    assert_eq!(complete.ended(later), None);
    let expired = Ended { end: End::Expired, actor: "server", at: expiry };
    assert_eq!(complete.ended(expiry), Some(expired));
    let day = SignedDuration::from_hours(24);
    let waiting = AwaitingInput { header: in_review().header };
    for (job, end, actor) in [
        (Job::Cancelled(review().cancel("app", later).expect("it is there")), End::Cancelled, "app"),
        (Job::Cancelled(review().delete("admin", later, day).expect("it is there")), End::Deleted, "admin"),
        (
            Job::Cancelled(review().take_back(HistoryEntry::PATIENT, later).expect("it is there")),
            End::TookBackPermission,
            "the patient",
        ),
        (Job::Expired(complete.clone().expire(later)), End::Expired, "server"),
        (Job::Cancelled(waiting.give_way(later)), End::GaveWay, "server"),
    ] {
        assert_eq!(job.ended(expiry), Some(Ended { end, actor, at: later }));
    }
}
