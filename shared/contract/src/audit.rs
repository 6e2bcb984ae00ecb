//! Tests of [`AuditLog`]: lists, chains, concurrent writers, and entries that expire.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::audit::{Action, Actor, Entry, Event, Outcome};
use domain::clock::Clock;
use domain::error::Error;
use domain::ids::PatientId;
use domain::ports::audit::{AuditLog, AuditQuery, all};
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use jiff::SignedDuration;
use storage::audit_chain::{verify, verify_newest};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Tests [`AuditLog`]. `run` distinguishes this run from others in the same store, and `advance` moves the time.
/// Entries must be kept for less than ten years.
pub async fn audit(log: Arc<dyn AuditLog>, run: &str, clock: &dyn Clock, advance: impl Fn(SignedDuration)) {
    let began = clock.now();
    let patient = |name: &str| PatientId::parse(&format!("{name}-{run}")).expect("an id");
    let staff = |name: &str| Actor::staff(&format!("{name}-{run}"));
    let viewed =
        |name: &str, whose: &str| Event::new(staff(name), Action::RecordViewed).of_patient(&patient(whose));
    let approved = Event::new(staff("ann"), Action::Approved).of_patient(&patient("a"));
    for event in [
        viewed("ann", "a"),
        viewed("bob", "a").with(Outcome::Refused),
        viewed("ann", "b"),
        approved,
        Event::new(staff("ann"), Action::SignOut),
        viewed("bob", "b"),
        viewed("bob", "a"),
    ] {
        log.append(&event).await.expect("appended");
        advance(SECOND);
    }
    let everything = AuditQuery { count: 2, from: Some(began), ..AuditQuery::default() };
    let of = |who: &str| AuditQuery { actor: Some(format!("{who}-{run}")), ..everything.clone() };
    let about = |whose: &str| AuditQuery { patient: Some(patient(whose)), ..everything.clone() };
    let found = async |query: AuditQuery| -> Vec<Entry> {
        let entries: Vec<Entry> = all(&*log, query).try_collect().await.expect("entries");
        assert!(entries.is_sorted_by(|one, other| one.position() > other.position()), "newest first");
        entries.into_iter().filter(|entry| entry.event.actor.id.ends_with(run)).collect()
    };
    assert_eq!(found(everything.clone()).await.len(), 7);
    assert_eq!((found(of("ann")).await.len(), found(of("bob")).await.len()), (4, 3));
    assert_eq!((found(about("a")).await.len(), found(about("b")).await.len()), (4, 2));
    let both = AuditQuery { actor: of("bob").actor, ..about("a") };
    let outcomes: Vec<_> = found(both).await.iter().map(|entry| entry.event.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Refused]);
    let views = AuditQuery { action: Some(Action::RecordViewed), ..everything.clone() };
    assert_eq!(found(views).await.len(), 5);
    let refused = AuditQuery { outcome: Some(Outcome::Refused), ..everything.clone() };
    assert_eq!(found(refused).await.len(), 1);
    let early = AuditQuery { until: Some(began + SECOND * 2), ..everything.clone() };
    assert_eq!(found(early).await.len(), 2);
    let late = AuditQuery { from: Some(began + SECOND * 2), ..everything.clone() };
    assert_eq!(found(late).await.len(), 5);
    let page = log.list(&of("ann")).await.expect("a page");
    assert_eq!((page.entries.len(), page.next.is_some()), (2, true));
    let wrong = AuditQuery { after: Some("nonsense".to_owned()), ..everything.clone() };
    assert!(matches!(log.list(&wrong).await, Err(Error::Invalid(_))));
    showing(&*log, run, &advance).await;
    racing(&log, run, clock).await;
    expiring(&log, clock, &advance, &viewed("ann", "c")).await;
    assert_eq!(found(about("c")).await.len(), 1, "new entries are found after expired ones are removed");
}

/// Checks that a query by a patient finds the entries that show the patient among others, once and in their order.
async fn showing(log: &dyn AuditLog, run: &str, advance: impl Fn(SignedDuration)) {
    let patient = |name: &str| PatientId::parse(&format!("{name}-{run}")).expect("an id");
    let viewed = || Event::new(Actor::staff(&format!("eve-{run}")), Action::RecordViewed);
    let listed = |whose: &[&str]| viewed().showing(whose.iter().map(|name| patient(name)));
    for event in [
        listed(&["x", "y"]).about("1"),
        viewed().of_patient(&patient("x")).about("2"),
        listed(&["x", "x"]).about("3"),
        listed(&["y"]).about("4").with(Outcome::Refused),
        listed(&["z", "x"]).of_patient(&patient("x")).about("5"),
        viewed().of_patient(&patient("y")).about("6"),
    ] {
        log.append(&event).await.expect("appended");
        advance(SECOND);
    }
    let found = async |query: AuditQuery| -> String {
        let entries: Vec<Entry> = all(log, query).try_collect().await.expect("entries");
        entries.iter().filter_map(|entry| entry.event.object.clone()).collect()
    };
    for count in [1, 2, 100] {
        let of = |name: &str| AuditQuery { patient: Some(patient(name)), count, ..AuditQuery::default() };
        for (name, expected) in [("x", "5321"), ("y", "641"), ("z", "5"), ("w", "")] {
            assert_eq!(found(of(name)).await, expected, "{name}, {count} a page");
        }
        let refused = AuditQuery { outcome: Some(Outcome::Refused), ..of("y") };
        assert_eq!(found(refused).await, "4");
        let by_nobody = AuditQuery { actor: Some("nobody".to_owned()), ..of("x") };
        assert_eq!(found(by_nobody).await, "");
        let by_eve = AuditQuery { actor: Some(format!("eve-{run}")), ..of("x") };
        assert_eq!(found(by_eve).await, "5321");
    }
    let times = AuditQuery { patient: Some(patient("x")), count: 100, ..AuditQuery::default() };
    let entries: Vec<Entry> = all(log, times.clone()).try_collect().await.expect("entries");
    let (until, from) = (Some(entries[0].at), Some(entries[2].at));
    assert_eq!(found(AuditQuery { until, from, ..times }).await, "32");
}

/// Checks that each of many concurrent writers adds one entry, and that the chains verify.
async fn racing(log: &Arc<dyn AuditLog>, run: &str, clock: &dyn Clock) {
    const WRITERS: usize = 50;
    let writers = (0..WRITERS).map(|number| {
        let (log, actor) = (log.clone(), Actor::staff(&format!("racing-{run}")));
        tokio::spawn(async move {
            log.append(&Event::new(actor, Action::SignIn).about(&number.to_string()))
                .await
                .expect("appended");
        })
    });
    assert!(join_all(writers).await.iter().all(Result::is_ok));
    let query = AuditQuery { actor: Some(format!("racing-{run}")), count: 20, ..AuditQuery::default() };
    let entries: Vec<Entry> = all(&**log, query).try_collect().await.expect("entries");
    let written: BTreeSet<_> = entries.iter().filter_map(|entry| entry.event.object.clone()).collect();
    assert_eq!((entries.len(), written.len()), (WRITERS, WRITERS), "each writer adds one entry");
    let verified = verify(&**log, clock.now(), &[]).await.expect("read");
    assert_eq!(verified.broken, []);
    let again = verify(&**log, clock.now(), &verified.heads).await.expect("read");
    assert_eq!(again.broken, [], "the earlier heads are found");
    let newest = verify_newest(&**log, clock.now(), 3).await.expect("read");
    assert_eq!(newest.broken, []);
}

/// Checks that expired entries can be removed, and that the rest of the chain verifies.
async fn expiring(
    log: &Arc<dyn AuditLog>,
    clock: &dyn Clock,
    advance: impl Fn(SignedDuration),
    event: &Event,
) {
    let before = verify(&**log, clock.now(), &[]).await.expect("read");
    log.sweep().await.expect("swept");
    let swept = verify(&**log, clock.now(), &before.heads).await.expect("read");
    assert_eq!(swept.broken, []);
    assert!(swept.entries >= before.entries, "expired entries are still there");
    advance(SignedDuration::from_hours(24 * 366 * 10));
    log.append(event).await.expect("appended");
    log.sweep().await.expect("swept");
    let swept = verify(&**log, clock.now(), &before.heads).await.expect("read");
    assert_eq!(swept.broken, []);
    assert_eq!(log.sweep().await.expect("swept"), 0, "one sweep removes all expired entries");
}
