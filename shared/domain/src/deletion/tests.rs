use super::*;
use crate::moves::tests::in_review;
use crate::retention::Retention;

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
    let gone = complete.delete("admin", now, day).expect("deleted");
    assert!(gone.restorable(now + SignedDuration::from_mins(59)).is_some());
    assert!(gone.restorable(now + SignedDuration::from_mins(60)).is_none());
}
