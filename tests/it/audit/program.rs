//! `ehi audit`, and stores that fail.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use domain::audit::Action;
use domain::ports::audit::AuditQuery;
use http::StatusCode;
use local::Local;
use platform::Platform;
use rusqlite::Connection;
use settings::Settings;
use tests::{ANNA, Launch, World, parameter, settings};

use crate::admin::in_review;
use crate::program::{ehi, printed, run};

pub(crate) fn open(state: &Path, more: &str) -> World {
    let settings = Settings::parse(&settings(&format!("sandbox = true\n{more}")), |_| None, None);
    // The program verifies at the machine's time. Entries that are kept for a century have not expired.
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(5)));
    let records = ehi::defaults::sample_records();
    let platform = Local::open(state, &records, settings.expect("settings"), now, random);
    World::over(platform.expect("a platform"), clock)
}

fn audit(state: &Path, arguments: &[&str]) -> Output {
    run(ehi().arg("audit").args(arguments).arg("--state").arg(state))
}

pub(crate) fn tampered(state: &Path, statement: &str) {
    let database = Connection::open(state.join("audit.db")).expect("a database");
    database.execute_batch("DROP TRIGGER IF EXISTS entries_are_final").expect("dropped");
    database.execute_batch(statement).expect("done");
}

/// The program reads while the server runs, and names the changed entries.
#[tokio::test]
async fn the_program_verifies_and_exports() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "audit_retention_years = 100");
    let (_, _, staff) = in_review(&world).await;
    let whole = audit(state.path(), &["verify"]);
    assert!(whole.status.success(), "{}", printed(&whole));
    assert!(printed(&whole).contains("entries in 1 of 8 chains are valid"), "{}", printed(&whole));
    let heads = state.path().join("heads");
    std::fs::write(&heads, &whole.stdout)?;
    let expect = ["verify", "--expect", heads.to_str().expect("a path")];
    world.get("/staff").cookie(&staff).send().await;
    assert!(audit(state.path(), &expect).status.success());
    let exported = audit(state.path(), &["export", "--patient", ANNA]);
    let lines = String::from_utf8(exported.stdout)?;
    assert!(lines.lines().count() >= 3 && lines.contains("AuditEvent"), "{lines}");
    let copy = tempfile::tempdir()?;
    for (statement, part) in [
        (
            "UPDATE entries SET entry = replace(entry, 'anna', 'bruno') WHERE sequence = 3",
            "entry 3: its hash",
        ),
        ("UPDATE entries SET actor = 'nobody' WHERE sequence = 2", "entry 2: the values"),
        ("DELETE FROM entries WHERE sequence = 2", "entry 3: the previous entry"),
        ("DELETE FROM entries WHERE sequence <= 2", "entry 3: the previous entry"),
        ("DELETE FROM entries WHERE sequence > 3", "it is expected, but it is missing"),
    ] {
        for file in ["audit.db", "audit.db-wal", "audit.db-shm"] {
            std::fs::copy(state.path().join(file), copy.path().join(file))?;
        }
        tampered(copy.path(), statement);
        let broken = audit(copy.path(), &expect);
        assert_eq!(broken.status.code(), Some(1), "{statement}: {}", printed(&broken));
        assert!(printed(&broken).contains(part), "{statement}: {}", printed(&broken));
    }
    // The page reports it as well.
    tampered(state.path(), "UPDATE entries SET outcome = 'failed' WHERE sequence = 2");
    let page = world.get("/staff/audit").cookie(&staff).send().await.text();
    assert!(page.contains("role=\"alert\"") && page.contains("Chain 0, entry 2"), "{page}");
    let nothing = audit(copy.path().join("nowhere").as_path(), &["verify"]);
    assert!(printed(&nothing).contains("there is no audit trail"), "{}", printed(&nothing));
    Ok(())
}

/// A newer version of the server has written an entry with an action that this version does not know.
#[tokio::test]
async fn an_entry_of_a_newer_version_is_named_and_raises_no_alarm() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "audit_retention_years = 100");
    let (_, _, staff) = in_review(&world).await;
    tampered(state.path(), "");
    let database = Connection::open(state.path().join("audit.db"))?;
    let newest = "SELECT sequence, action, entry FROM entries ORDER BY sequence DESC LIMIT 1";
    let (sequence, action, text): (i64, String, String) =
        database.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let text = text.replacen(&format!("\"action\":\"{action}\""), "\"action\":\"of-the-future\"", 1);
    let changed = database.execute(
        "UPDATE entries SET entry = ?1, hash = ?2, action = 'of-the-future' WHERE sequence = ?3",
        (&text, crypto::fingerprint(&text), sequence),
    )?;
    assert_eq!(changed, 1);
    let page = world.get("/staff/audit").cookie(&staff).send().await.text();
    assert!(page.contains("One entry was written by a newer version"), "{page}");
    assert!(!page.contains("role=\"alert\""), "{page}");
    let whole = audit(state.path(), &["verify"]);
    assert!(whole.status.success(), "{}", printed(&whole));
    assert!(printed(&whole).contains("and not listed by this one: 1."), "{}", printed(&whole));
    // The hash shows a change of such an entry too.
    tampered(state.path(), "UPDATE entries SET entry = replace(entry, 'of-the-future', 'of-the-past')");
    let page = world.get("/staff/audit").cookie(&staff).send().await.text();
    assert!(
        page.contains("role=\"alert\"") && page.contains(&format!("Chain 0, entry {sequence}")),
        "{page}"
    );
    let broken = audit(state.path(), &["verify"]);
    assert!(printed(&broken).contains(&format!("entry {sequence}: its hash")), "{}", printed(&broken));
    Ok(())
}

/// If an audit entry cannot be written, the server shows nothing and changes nothing.
#[tokio::test]
async fn nothing_is_shown_or_done_if_it_cannot_be_recorded() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let (job, token, staff) = in_review(&world).await;
    let done = world.exported(&token, ANNA).await;
    let manifest = world.status(&token, &done).await.json();
    let url = tests::text(&manifest["output"][0]["url"]);
    tampered(state.path(), "DROP TABLE entries");
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    for path in [format!("/staff{job}"), format!("/admin{job}"), "/staff".to_owned()] {
        let response = world.get(&path).cookie(&staff).send().await;
        assert_eq!(response.status, unavailable, "{path}");
        assert!(!response.text().contains("Lindqvist"), "{path}: {}", response.text());
    }
    assert_eq!(world.get(&url).bearer(&token).send().await.status, unavailable);
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, unavailable);
    let status = world.status(&token, &job).await;
    assert_eq!((status.status, status.header("x-progress")), (StatusCode::ACCEPTED, "100%, in review"));
    let fields = [("username", "admin"), ("password", tests::PASSWORD)];
    let signed_in = world.post("/admin/login").form(&fields).send().await;
    assert_eq!((signed_in.status, signed_in.header("set-cookie")), (unavailable, ""));
    Ok(())
}

/// A request that cannot be recorded uses up neither the patient's consent nor the app's code.
#[tokio::test]
async fn a_consent_and_a_code_are_not_used_up_if_their_use_cannot_be_recorded() -> tests::Result {
    const HIDDEN: [&str; 2] =
        ["ALTER TABLE entries RENAME TO hidden_entries", "ALTER TABLE hidden_entries RENAME TO entries"];
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let launch = Launch::new("app");
    let login = world.get(&launch.authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let agree = || world.post("/authorize-app").cookie(&picked).form(&fields).send();
    tampered(state.path(), HIDDEN[0]);
    assert_eq!(agree().await.status, StatusCode::SERVICE_UNAVAILABLE);
    tampered(state.path(), HIDDEN[1]);
    let code = parameter(&agree().await.location(), "code").expect("a code");
    tampered(state.path(), HIDDEN[0]);
    let refused = world.redeem(&launch, &code).await;
    assert_eq!(
        (refused.status, refused.text().contains("access_token")),
        (StatusCode::SERVICE_UNAVAILABLE, false)
    );
    tampered(state.path(), HIDDEN[1]);
    let issued = world.redeem(&launch, &code).await;
    assert_eq!(issued.status, StatusCode::OK, "{}", issued.text());
    let token = tests::text(&issued.json()["access_token"]);
    assert_eq!(world.get("/jobs").bearer(&token).send().await.status, StatusCode::OK);
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST, "used up now");
    Ok(())
}

/// A start with changed settings records one event; a start with the same settings records none.
#[tokio::test]
async fn changes_of_the_settings_are_recorded_once() -> tests::Result {
    let state = tempfile::tempdir()?;
    let mut changes = Vec::new();
    for more in ["", "", "# the same\n", "review = false", "review = false", ""] {
        let world = open(state.path(), more);
        let (log, settings) = (world.platform().audit(), world.platform().settings());
        platform::audit::record_settings(&*log, &settings).await?;
        let query = AuditQuery { action: Some(Action::SettingsChanged), count: 10, ..AuditQuery::default() };
        changes.push(Platform::audit(world.platform())?.list(&query).await?.entries.len());
    }
    assert_eq!(changes, [1, 1, 1, 2, 2, 3]);
    Ok(())
}
