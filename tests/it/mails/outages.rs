//! A mail server that is down, hangs, closes connections or refuses mails; and servers that are restarted.

use std::path::Path;
use std::sync::Arc;

use domain::notice::Notice;
use http::StatusCode;
use local::Local;
use platform::Platform;
use rusqlite::Connection;
use settings::{Encryption, Settings};
use tests::World;
use tests::mail_server::{MailServer, Mood};

use super::{approve, asked, check, lake, one, sent, settings, with_address};
use crate::audit::{events, summary};
use crate::logs::Captured;
use crate::review::{decide, hidden, page};

/// Sends mails until none is due within six hours, and returns how often the server was called meanwhile.
async fn for_hours(world: &World, server: &MailServer, hours: i64) -> usize {
    let before = server.calls();
    for _ in 0..hours * 6 {
        world.mail().await;
        world.advance(600);
    }
    server.calls() - before
}

#[tokio::test]
async fn a_mail_is_sent_once_when_the_server_is_back() {
    let log = Captured::start();
    let records = lake(&with_address());
    let address = MailServer::start().await.address;
    let text =
        format!("sandbox = true\nmail = {{ server = \"smtp://{address}\", from = \"records@example.org\" }}");
    let world = World::with(&text, records.path());
    asked(&world, "en").await;
    for _ in 0..3 {
        world.mail().await;
        world.advance(600);
    }
    assert_eq!(log.with("a mail could not be sent; it is tried again").len(), 3);
    let server = MailServer::start_at(address).await;
    let mail = one(&world, &server).await;
    check(&mail);
    for_hours(&world, &server, 12).await;
    assert_eq!((server.take().len(), server.calls()), (0, 1));
    assert_eq!(log.with("@example.org").len(), 0, "{:?}", log.with("@example.org"));
}

/// A mail that may or may not have arrived is sent again, and its receiver recognizes the repetition by its id.
#[tokio::test]
async fn a_server_that_closes_the_connection_gets_the_mail_again() {
    for (mood, copies) in [(Mood::ClosesInside, 0), (Mood::ClosesAfter, 1)] {
        let server = MailServer::start().await;
        let records = lake(&with_address());
        let world = World::with(&settings(&server), records.path());
        asked(&world, "en").await;
        server.set(mood);
        let first = sent(&world, &server).await;
        assert_eq!(first.len(), copies, "{mood:?}");
        server.set(Mood::Accepts);
        assert_eq!(sent(&world, &server).await.len(), 0, "{mood:?}: it waits a little");
        world.advance(600);
        let again = one(&world, &server).await;
        assert!(first.iter().all(|mail| mail.header("message-id") == again.header("message-id")));
        let trail = events(&world, "action=mail-sent").await;
        assert_eq!(trail.iter().map(summary).collect::<Vec<_>>(), ["mail-sent by server: success"]);
    }
}

#[tokio::test]
async fn a_mail_is_tried_again_if_the_server_hangs() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let log = Captured::start();
    asked(&world, "en").await;
    server.set(Mood::Hangs);
    // With nothing to do but to wait for the server, the time of the runtime moves to the end of the wait.
    tokio::time::pause();
    world.mail().await;
    tokio::time::resume();
    assert_eq!(log.with("a mail could not be sent; it is tried again").len(), 1);
    server.set(Mood::Accepts);
    world.advance(600);
    one(&world, &server).await;
}

#[tokio::test]
async fn a_mail_is_given_up_after_the_outage_limit() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    for mood in [Mood::Refuses(451), Mood::Refuses(554)] {
        let log = Captured::start();
        let job = asked(&world, "en").await;
        server.set(mood);
        let tries = for_hours(&world, &server, 12).await;
        assert!((30..=45).contains(&tries), "{tries} tries in the six hours of the limit");
        let given_up = log.with("is not tried again");
        assert_eq!(given_up.len(), 1, "{mood:?}");
        assert!(given_up[0].contains(job.trim_start_matches("/jobs/")), "{}", given_up[0]);
        assert_eq!(log.with("example.org").len(), 0, "{:?}", log.with("example.org"));
        server.set(Mood::Accepts);
        assert_eq!(sent(&world, &server).await.len(), 0, "{mood:?}");
    }
    let trail = events(&world, "action=mail-sent").await;
    assert_eq!(trail.iter().map(summary).collect::<Vec<_>>(), ["mail-sent by server: failed"; 2]);
}

#[tokio::test]
async fn the_mail_about_a_copy_waits_while_staff_can_undo_its_deletion() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let job = asked(&world, "en").await;
    one(&world, &server).await;
    world.work().await;
    server.set(Mood::Refuses(451));
    approve(&world, &job).await;
    world.mail().await;
    let staff = world.staff().await;
    let path = format!("/staff{job}/delete");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    assert_eq!(decide(&world, &staff, &path, &version, &[]).await.status, StatusCode::SEE_OTHER);
    server.set(Mood::Accepts);
    world.advance(600);
    assert_eq!(sent(&world, &server).await.len(), 0, "the copy is deleted");
    let staff = world.staff().await;
    let undone = world.post(&format!("/staff{job}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text());
    world.advance(600);
    assert!(one(&world, &server).await.body().starts_with("Your copy is ready."));
}

/// A mailbox that does not exist will not exist in an hour. A wrong password can be corrected.
#[tokio::test]
async fn only_a_mailbox_that_does_not_exist_is_given_up_at_once() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let more = ", user = \"mailer\", password = \"a secret word\"";
    let world = World::with(&format!("sandbox = true\n{}", server.setting(more)), records.path());
    let log = Captured::start();
    asked(&world, "en").await;
    server.set(Mood::Refuses(550));
    assert_eq!(for_hours(&world, &server, 1).await, 1);
    assert_eq!(log.with("refused the mail with the status 550").len(), 1);
    asked(&world, "en").await;
    server.set(Mood::RefusesPasswords);
    world.mail().await;
    assert_eq!(log.with("responded with the status 535").len(), 1);
    assert_eq!(log.with("secret").len(), 0);
    server.set(Mood::Accepts);
    world.advance(600);
    one(&world, &server).await;
}

fn open(state: &Path, records: &Path, text: &str) -> World {
    let settings = Settings::parse(&tests::settings(text), |_| None, None).expect("valid settings");
    let clock = contract::FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let (now, random) = (Arc::new(clock.clone()), Arc::new(crypto::OsRandom));
    World::over(Local::open(state, records, settings, now, random).expect("a platform"), clock)
}

#[tokio::test]
async fn a_mail_survives_a_restart_and_is_sent_once() -> tests::Result {
    let server = MailServer::start().await;
    let (records, state) = (lake(&with_address()), tempfile::tempdir()?);
    let start = || open(state.path(), records.path(), &settings(&server));
    asked(&start(), "es").await;
    let world = start();
    let mail = one(&world, &server).await;
    check(&mail);
    assert!(mail.body().starts_with("Tenemos"), "{}", mail.body());
    drop(world);
    assert_eq!(sent(&start(), &server).await.len(), 0);
    Ok(())
}

/// While the audit trail cannot be written, a mail that was sent is not sent again: only its entry is.
#[tokio::test]
async fn an_entry_that_cannot_be_written_is_written_later() -> tests::Result {
    let server = MailServer::start().await;
    let (records, state) = (lake(&with_address()), tempfile::tempdir()?);
    let world = open(state.path(), records.path(), &settings(&server));
    asked(&world, "en").await;
    let audit = Connection::open(state.path().join("audit.db"))?;
    audit.execute_batch("ALTER TABLE entries RENAME TO hidden")?;
    one(&world, &server).await;
    world.advance(600);
    assert_eq!(sent(&world, &server).await.len(), 0);
    audit.execute_batch("ALTER TABLE hidden RENAME TO entries")?;
    drop(world);
    let world = open(state.path(), records.path(), &settings(&server));
    world.advance(3_600);
    assert_eq!(sent(&world, &server).await.len(), 0);
    let trail = events(&world, "action=mail-sent").await;
    assert_eq!(trail.iter().map(summary).collect::<Vec<_>>(), ["mail-sent by server: success"]);
    assert_eq!(server.calls(), 1);
    Ok(())
}

/// The address is not among the waiting mails, and disappears with the job.
#[tokio::test]
async fn the_waiting_mails_have_no_address() -> tests::Result {
    let server = MailServer::start().await;
    let (records, state) = (lake(&with_address()), tempfile::tempdir()?);
    let world = open(state.path(), records.path(), &settings(&server));
    asked(&world, "en").await;
    let database = Connection::open(state.path().join("state.sqlite"))?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    let waiting = database.query_row("SELECT kind, outcome FROM mails", [], row)?;
    assert_eq!(waiting, ("received".to_owned(), None));
    one(&world, &server).await;
    let left: i64 = database.query_row("SELECT count(*) FROM mails", [], |row| row.get(0))?;
    assert_eq!(left, 0);
    Ok(())
}

/// Neither the password nor a mail goes over a connection that is not encrypted, except on loopback.
#[tokio::test]
async fn a_server_without_tls_gets_no_mail_if_the_settings_want_it() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let more = ", user = \"mailer\", password = \"a secret word\"";
    let world = World::with(&format!("sandbox = true\n{}", server.setting(more)), records.path());
    let job = crate::events::stored(&world, &asked(&world, "en").await).await;
    let notice = Notice::of_state(&job).expect("a notice");
    for (encryption, is_accepted) in
        [(Encryption::StartTls, false), (Encryption::Tls, false), (Encryption::Loopback, true)]
    {
        let mut settings = Settings::clone(&world.platform().settings());
        settings.mail.as_mut().expect("a mail server").encryption = encryption;
        let mailer = mail::mailer(&Arc::new(settings), world.platform().clock());
        let sent = mailer.expect("a mail server").expect("a mail server").send(&notice).await;
        assert_eq!(sent.is_ok(), is_accepted, "{encryption:?}");
        assert_eq!((server.take().len() == 1, server.credentials().is_some()), (is_accepted, is_accepted));
    }
}
