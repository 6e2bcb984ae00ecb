use proptest::prelude::*;

use super::*;
use crate::task::Task;

/// Returns the same bytes each time.
struct Same(u64);

impl Random for Same {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, drawn) in bytes.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()) {
            *byte = drawn;
        }
    }
}

const OUTAGE: SignedDuration = SignedDuration::from_hours(6);

fn decided(error: &Error, tries: Tries) -> Decision {
    decide(kind(error, tries.deliveries), tries, OUTAGE, Timestamp::UNIX_EPOCH + OUTAGE, &Same(1))
}

fn is_again(decision: Decision) -> bool {
    matches!(decision, Decision::Again(_))
}

#[test]
fn a_task_is_delivered_often_enough_for_the_longest_outage() {
    // A wait is drawn evenly between its shortest and twice that.
    let shortest: SignedDuration = (1..1_000).map(|deliveries| pause(deliveries, &Same(0))).sum();
    let average = shortest * 3 / 2;
    assert!(average > SignedDuration::from_hours(73), "{average:?}");
}

#[test]
fn an_outage_ends_by_time_and_a_defect_by_count() {
    let tries = Tries { deliveries: 900, defects: 0, waiting_since: None };
    let since = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
    let down = Error::unavailable("no route to the store");
    assert!(is_again(decided(&down, Tries { waiting_since: Some(since(1)), ..tries })));
    assert_eq!(decided(&down, Tries { waiting_since: Some(since(0)), ..tries }), Decision::Fail);
    assert!(is_again(decided(&down, tries)), "the start of the outage is not known");
    let defect = Error::internal("a defect");
    assert!(is_again(decided(&defect, Tries { defects: MAX_DEFECTS - 1, ..tries })));
    assert_eq!(decided(&defect, Tries { defects: MAX_DEFECTS, ..tries }), Decision::Fail);
    let newer = Error::reading(serde_json::from_str::<Task>(r#"{"task":"teleport"}"#).expect_err("unknown"));
    assert!(is_again(decided(&newer, Tries { defects: MAX_DEFECTS, ..tries })), "a newer worker can read it");
    let damaged = Error::damaged("Group/a.json", "it is no Group");
    assert_eq!(decided(&damaged, tries), Decision::Fail);
}

#[test]
fn a_race_is_tried_again_at_once_but_not_forever() {
    let race = Error::conflict("another worker was faster");
    let tries = |deliveries| Tries { deliveries, defects: MAX_DEFECTS, waiting_since: None };
    assert_eq!(decided(&race, tries(1)), Decision::Again(SignedDuration::ZERO));
    assert!(is_again(decided(&race, tries(MAX_RACES))));
    assert_eq!(decided(&race, tries(MAX_RACES + 1)), Decision::Fail);
}

proptest! {
    #[test]
    fn waits_stay_within_their_bounds(deliveries in 1u32..2_000, seed: u64) {
        let wait = pause(deliveries, &Same(seed));
        prop_assert!(wait >= SignedDuration::from_secs(1) && wait <= LONGEST_WAIT);
        prop_assert!(deliveries < 10 || wait >= LONGEST_WAIT / 2);
    }
}
