//! Verifies chains with random changes, and compares the results with a slow reference.

use domain::audit::{Action, Actor, Entry, Event};
use domain::ports::audit::{Keys, StoredEntry};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use storage::audit_chain::{Broken, Head, Problem, Verified, Verifier, sealed};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn began() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

/// Returns a chain of entries. Each pair has the hours since the previous entry, and the hours for which the entry is kept.
fn chain(hours: &[(u8, u8)]) -> Vec<StoredEntry> {
    let mut entries: Vec<StoredEntry> = Vec::new();
    let mut now = began();
    for (number, (later, kept)) in hours.iter().enumerate() {
        now += HOUR * i32::from(*later);
        let event = Event::new(Actor::staff("ann"), Action::RecordViewed).about(&number.to_string());
        let entry = sealed(3, entries.last(), &event, (now, HOUR * i32::from(*kept)));
        entries.push(entry.expect("sealed"));
    }
    entries
}

/// Returns the same entry with another event and the hash of this event, as an attacker who knows the format would write it.
fn forged(stored: &StoredEntry) -> StoredEntry {
    let entry: Entry = serde_json::from_str(&stored.text).expect("an entry");
    let text = serde_json::to_string(&Entry {
        event: Event::new(Actor::staff("bob"), Action::SignOut),
        ..entry.clone()
    });
    let text = text.expect("JSON");
    let entry: Entry = serde_json::from_str(&text).expect("an entry");
    StoredEntry { hash: crypto::fingerprint(&text), text, keys: Keys::of(&entry) }
}

/// A change to a chain.
#[derive(Debug, Clone)]
enum Tampering {
    Remove(prop::sample::Index),
    RemoveSome(prop::sample::Index, u8),
    CutOff(prop::sample::Index),
    ChangeText(prop::sample::Index),
    ChangeActor(prop::sample::Index),
    ChangePosition(prop::sample::Index),
    Forge(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, prop::sample::Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Tampering::Remove),
        (index(), 1..6u8).prop_map(|(at, count)| Tampering::RemoveSome(at, count)),
        index().prop_map(Tampering::CutOff),
        index().prop_map(Tampering::ChangeText),
        index().prop_map(Tampering::ChangeActor),
        index().prop_map(Tampering::ChangePosition),
        index().prop_map(Tampering::Forge),
        (index(), index()).prop_map(|(one, other)| Tampering::Swap(one, other)),
        (index(), index()).prop_map(|(one, other)| Tampering::Insert(one, other)),
    ]
}

impl Tampering {
    fn apply(&self, entries: &mut Vec<StoredEntry>) {
        let length = entries.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Remove(at) => drop(entries.remove(at.index(length))),
            Self::RemoveSome(at, count) => {
                let at = at.index(length);
                entries.drain(at..length.min(at + usize::from(*count)));
            }
            Self::CutOff(at) => entries.truncate(at.index(length)),
            Self::ChangeText(at) => {
                let entry = &mut entries[at.index(length)];
                entry.text = entry.text.replace("ann", "eve");
            }
            Self::ChangeActor(at) => "eve".clone_into(&mut entries[at.index(length)].keys.actor),
            Self::ChangePosition(at) => {
                let position = &mut entries[at.index(length)].keys.position;
                "0000000000000.3.000000000001".clone_into(position);
            }
            Self::Forge(at) => {
                let at = at.index(length);
                entries[at] = forged(&entries[at]);
            }
            // The store returns an entry under the number of another one.
            Self::Swap(one, other) => {
                let (one, other) = (one.index(length), other.index(length));
                entries.swap(one, other);
                let numbers = (entries[one].keys.sequence, entries[other].keys.sequence);
                (entries[other].keys.sequence, entries[one].keys.sequence) = numbers;
            }
            Self::Insert(one, other) => {
                let copied = forged(&entries[one.index(length)]);
                entries.insert(other.index(length), copied);
            }
        }
    }
}

/// Returns whether the chain alone cannot show a change. If no entry follows an entry, because it is the newest or because the next
/// one has expired, it may be replaced by another entry with the same link, unless its head is expected.
fn is_sound(made: &[StoredEntry], found: &[StoredEntry], now: Timestamp, expected: &[Head]) -> bool {
    let is_followed =
        |stored: &StoredEntry| found.iter().any(|other| other.keys.sequence == stored.keys.sequence + 1);
    let original = |stored: &StoredEntry| {
        made.iter().any(|entry| entry == stored || forged(entry) == *stored && !is_followed(stored))
    };
    let sequences: Vec<u64> = found.iter().map(|stored| stored.keys.sequence).collect();
    let end = sequences.last().copied().unwrap_or(0);
    let may_be_missing = |sequence: u64| {
        made.iter().any(|entry| entry.keys.sequence == sequence && entry.keys.kept_until <= now)
    };
    let is_shown = |head: &&Head| {
        found.iter().any(|stored| stored.keys.sequence == head.sequence && stored.hash == head.hash)
            || head.kept_until <= now && !sequences.contains(&head.sequence)
    };
    found.iter().all(original)
        && sequences.is_sorted_by(|one, other| one < other)
        && (1..=end).all(|sequence| sequences.contains(&sequence) || may_be_missing(sequence))
        && expected.iter().all(|head| is_shown(&head))
}

fn verified(found: &[StoredEntry], now: Timestamp, expected: &[Head]) -> Result<u64, Broken> {
    let mut verifier = Verifier::new(3, now, expected);
    found.iter().try_for_each(|stored| verifier.next(stored))?;
    verifier.end().map(|verified| verified.entries)
}

fn head(stored: &StoredEntry) -> Head {
    Head {
        shard: 3,
        sequence: stored.keys.sequence,
        hash: stored.hash.clone(),
        kept_until: stored.keys.kept_until,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_tampering_that_breaks_the_chain_is_found(
        hours in prop::collection::vec((0..4u8, 1..40u8), 0..25),
        tamperings in prop::collection::vec(tampering(), 0..3),
        expected in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        later in 0..60i32,
    ) {
        let made = chain(&hours);
        let expected: Vec<_> =
            expected.iter().filter(|_| !made.is_empty()).map(|at| head(at.get(&made))).collect();
        let mut found = made.clone();
        for tampering in &tamperings {
            tampering.apply(&mut found);
        }
        let now = began() + HOUR * later;
        let result = verified(&found, now, &expected);
        prop_assert_eq!(result.is_ok(), is_sound(&made, &found, now, &expected), "{:?}", result);
    }

    /// Any of the expired entries may be missing.
    #[test]
    fn expired_entries_may_be_missing(
        hours in prop::collection::vec((0..4u8, 1..40u8), 1..25),
        gone in prop::collection::vec(any::<bool>(), 25),
        later in 0..90i32,
    ) {
        let (made, now) = (chain(&hours), began() + HOUR * later);
        let kept = |(stored, gone): &(&StoredEntry, &bool)| !**gone || stored.keys.kept_until > now;
        let found: Vec<_> = made.iter().zip(&gone).filter(kept).map(|(stored, _)| stored.clone()).collect();
        let heads: Vec<_> = made.iter().map(head).collect();
        prop_assert_eq!(verified(&found, now, &heads), Ok(found.len() as u64));
    }
}

#[test]
fn the_first_broken_entry_is_named() {
    let made = chain(&[(1, 90); 6]);
    let now = began() + HOUR;
    let all: Vec<_> = made.iter().map(head).collect();
    let broken = |change: &dyn Fn(&mut Vec<StoredEntry>), expected: &[Head]| {
        let mut found = made.clone();
        change(&mut found);
        verified(&found, now, expected).map_err(|broken| (broken.sequence, broken.problem))
    };
    assert_eq!(broken(&|_| {}, &all), Ok(6));
    assert_eq!(broken(&|found| drop(found.remove(2)), &[]), Err((4, Problem::Missing)));
    assert_eq!(broken(&|found| drop(found.remove(0)), &[]), Err((2, Problem::Missing)));
    assert_eq!(broken(&|found| found[2].text = found[3].text.clone(), &[]), Err((3, Problem::Changed)));
    assert_eq!(broken(&|found| found[2].text += " ", &[]), Err((3, Problem::Changed)));
    let spaced = |found: &mut Vec<StoredEntry>| {
        found[2].text += " ";
        found[2].hash = crypto::fingerprint(&found[2].text);
    };
    assert_eq!(broken(&spaced, &[]), Err((3, Problem::Unreadable)));
    assert_eq!(
        broken(&|found| found[2].keys.patient = Some("a".to_owned()), &[]),
        Err((3, Problem::Misfiled))
    );
    assert_eq!(broken(&|found| found[2] = forged(&found[2]), &[]), Err((4, Problem::Unlinked)));
    assert_eq!(broken(&|found| found[5] = forged(&found[5]), &[]), Ok(6), "a chain alone does not show it");
    assert_eq!(broken(&|found| found[5] = forged(&found[5]), &all), Err((6, Problem::Replaced)));
    assert_eq!(broken(&|found| found.truncate(4), &[]), Ok(4), "a chain alone does not show it");
    assert_eq!(broken(&|found| found.truncate(4), &all), Err((5, Problem::CutOff)));
    assert_eq!(broken(&Vec::clear, &all), Err((1, Problem::CutOff)));
}

/// Returns the same entry with an action that this version does not know, and its hash, as a newer version would write it.
fn of_newer_version(stored: &StoredEntry) -> StoredEntry {
    let text = stored.text.replace("record-viewed", "record-signed");
    let keys = Keys { action: "record-signed".to_owned(), ..stored.keys.clone() };
    StoredEntry { hash: crypto::fingerprint(&text), text, keys }
}

/// While a new version replaces this one, or after a return to this one, the chain has entries with actions that it does not know.
#[test]
fn an_entry_with_an_unknown_action_is_counted_and_only_broken_if_it_was_changed() {
    let now = began() + HOUR;
    let event = Event::new(Actor::staff("ann"), Action::RecordViewed);
    let mut made = chain(&[(1, 90); 2]);
    made[1] = of_newer_version(&made[1]);
    made.push(sealed(3, made.last(), &event, (now, HOUR * 90)).expect("sealed"));
    let verified = |change: &dyn Fn(&mut StoredEntry)| {
        let mut found = made.clone();
        change(&mut found[1]);
        let mut verifier = Verifier::new(3, now, &[]);
        found.iter().try_for_each(|stored| verifier.next(stored))?;
        verifier.end()
    };
    let whole = Verified { head: Some(head(&made[2])), entries: 3, newer: 1 };
    assert_eq!(verified(&|_| {}), Ok(whole));
    let problem = |change: &dyn Fn(&mut StoredEntry)| {
        verified(change).map_err(|broken| (broken.sequence, broken.problem))
    };
    let other = |stored: &StoredEntry| stored.text.replace("ann", "eve");
    assert_eq!(problem(&|stored| stored.text = other(stored)), Err((2, Problem::Changed)));
    assert_eq!(problem(&|stored| stored.hash = "0".repeat(64)), Err((2, Problem::Changed)));
    let file = |stored: &mut StoredEntry| "sign-out".clone_into(&mut stored.keys.action);
    assert_eq!(problem(&file), Err((2, Problem::Misfiled)));
    let forge = |stored: &mut StoredEntry| {
        stored.text = stored.text.replace("record-signed", "record-sealed");
        stored.hash = crypto::fingerprint(&stored.text);
        "record-sealed".clone_into(&mut stored.keys.action);
    };
    assert_eq!(problem(&forge), Err((3, Problem::Unlinked)));
}

#[test]
fn a_head_that_is_written_as_text_is_read_again() {
    let written = head(&chain(&[(1, 90); 3])[2]);
    assert_eq!(written.to_string().parse::<Head>().expect("a head"), written);
    for wrong in ["", "3 1", "9 1 aa 2026-03-01T12:00:00Z", &format!("{written} more")] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}
