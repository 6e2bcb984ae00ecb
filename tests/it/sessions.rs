//! Sessions and authorizations end when the account that they came from changes, when a sandbox is turned off, and after half a day.

use std::path::Path;
use std::sync::Arc;

use contract::{FixedClock, SeededRandom};
use http::StatusCode;
use local::Local;
use rusqlite::Connection;
use settings::Settings;
use tests::{ANNA, BRUNO, Launch, PASSWORD, TestResponse, World, parameter, text};

use crate::authorize::refresh;
use crate::introspect::is_active;
use crate::my::signed_in;

/// Returns a World over a state directory with these settings, as after a restart.
pub(crate) fn open(state: &Path, settings: &str) -> World {
    let settings = Settings::parse(settings, |_| None, None).expect("settings");
    let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
    let (now, random) = (Arc::new(clock.clone()), Arc::new(SeededRandom::new(5)));
    let records = ehi::defaults::sample_records();
    World::over(Local::open(state, &records, settings, now, random).expect("a platform"), clock)
}

fn hash(password: &str) -> String {
    security::passwords::hash(password, &SeededRandom::new(2)).expect("a hash")
}

/// Returns the settings with another password of an account.
fn with_password(settings: &str, username: &str, password: &str) -> String {
    let start = format!("username = \"{username}\"\npassword_hash = \"");
    let (before, behind) = settings.split_once(&start).expect("the account");
    let (_, after) = behind.split_once('"').expect("a hash");
    format!("{before}{start}{}\"{after}", hash(password))
}

/// Signs Anna in with her password, on the way to a page.
async fn by_password(world: &World, purpose: (&str, &str)) -> TestResponse {
    let fields = [purpose, ("username", "anna"), ("password", PASSWORD)];
    let response = world.post("/patient-login").form(&fields).send().await;
    assert_eq!(response.status, StatusCode::SEE_OTHER, "{}", response.text());
    response
}

/// Returns a code that Anna's consent created.
async fn code(world: &World, launch: &Launch) -> String {
    let login = world.get(&launch.authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let session = by_password(world, ("request", &request)).await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let back = world.post("/authorize-app").cookie(&session).form(&fields).send().await.location();
    parameter(&back, "code").expect("a code")
}

/// Returns an access token and a refresh token.
async fn tokens(world: &World) -> [String; 2] {
    let launch = Launch::new("app");
    let tokens = world.redeem(&launch, &code(world, &launch).await).await.json();
    ["access_token", "refresh_token"].map(|name| text(&tokens[name]))
}

async fn refresh_token(world: &World) -> String {
    let [_, token] = tokens(world).await;
    token
}

async fn may_read(world: &World, access: &str) -> bool {
    world.get("/jobs").bearer(access).send().await.status == StatusCode::OK
}

async fn is_signed_in(world: &World, session: &TestResponse) -> bool {
    world.get("/my").cookie(session).send().await.status == StatusCode::OK
}

#[tokio::test]
async fn a_changed_account_of_a_patient_ends_its_sessions_and_authorizations() -> tests::Result {
    let before = tests::settings("");
    let patient = format!("patient = \"{ANNA}\"");
    let block = |text: &str| {
        let start = text.find("[[accounts]]").expect("the account");
        let end = start + text[start..].find("[[clients]]").expect("the clients");
        (start, end)
    };
    let (start, end) = block(&before);
    let corrected = before.replacen(&patient, &format!("patient = \"{BRUNO}\""), 1);
    // Another account of the same patient does not keep what came from the removed one.
    let other = before.replacen("username = \"anna\"", "username = \"parent\"", 1);
    let changes = [
        (before.clone(), true),
        (before.replacen("base_url", "undo_hours = 3\nbase_url", 1), true),
        (corrected, false),
        (with_password(&before, "anna", "another password"), false),
        (other, false),
        (format!("{}{}", &before[..start], &before[end..]), false),
    ];
    for (number, (after, lasts)) in changes.into_iter().enumerate() {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), &before);
        let session = by_password(&world, ("next", "/my")).await;
        let [access, token] = tokens(&world).await;
        let launch = Launch::new("app");
        let code = code(&world, &launch).await;
        assert!(is_signed_in(&world, &session).await && may_read(&world, &access).await);
        drop(world);
        let world = open(state.path(), &after);
        assert_eq!(is_signed_in(&world, &session).await, lasts, "the session, {number}");
        assert_eq!(may_read(&world, &access).await, lasts, "the access token, {number}");
        for token in [&access, &token] {
            assert_eq!(is_active(&world, token).await, lasts, "what a resource server reads, {number}");
        }
        let refreshed = refresh(&world, &token).await;
        let exchanged = world.redeem(&launch, &code).await;
        if lasts {
            assert_eq!((refreshed.status, exchanged.status), (StatusCode::OK, StatusCode::OK), "{number}");
            continue;
        }
        assert_eq!(refreshed.json()["error"], "invalid_grant", "{number}");
        assert_eq!(exchanged.json()["error"], "invalid_grant", "{number}");
        let error = text(&refreshed.json()["error_description"]);
        assert!(error.contains("sign in and agree again"), "{error}");
    }
    Ok(())
}

/// A grant of an earlier version does not name the account. It lasts as long as the patient has one.
#[tokio::test]
async fn an_authorization_of_an_earlier_version_needs_an_account_of_the_patient() -> tests::Result {
    let before = tests::settings("");
    let corrected = before.replacen(&format!("patient = \"{ANNA}\""), &format!("patient = \"{BRUNO}\""), 1);
    let changed = with_password(&before, "anna", "another password");
    for (after, status) in [(changed, StatusCode::OK), (corrected, StatusCode::BAD_REQUEST)] {
        let state = tempfile::tempdir()?;
        let world = open(state.path(), &before);
        let token = refresh_token(&world).await;
        drop(world);
        let statement =
            "UPDATE grants SET value = json_remove(value, '$.method', '$.session') WHERE kind = 'refresh'";
        let without = "UPDATE grants SET value = json_remove(value, '$.from') WHERE kind = 'family'";
        let database = Connection::open(state.path().join("state.sqlite"))?;
        database.execute_batch(&format!("{statement}; {without}"))?;
        drop(database);
        let world = open(state.path(), &after);
        assert_eq!(is_active(&world, &token).await, status == StatusCode::OK);
        let refreshed = refresh(&world, &token).await;
        assert_eq!(refreshed.status, status, "{}", refreshed.text());
        if status == StatusCode::OK {
            assert!(may_read(&world, &text(&refreshed.json()["access_token"])).await);
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_began_in_a_sandbox_ends_with_it() -> tests::Result {
    let state = tempfile::tempdir()?;
    let sandbox = tests::settings("sandbox = true");
    let world = open(state.path(), &sandbox);
    let session = signed_in(&world, ANNA).await;
    let tokens = world.tokens("app", ANNA).await;
    let (access, token) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
    drop(world);
    let world = open(state.path(), &sandbox);
    assert!(is_signed_in(&world, &session).await);
    let token = text(&refresh(&world, &token).await.json()["refresh_token"]);
    drop(world);
    // Anna has an account, but nobody has entered its password.
    let world = open(state.path(), &tests::settings(""));
    assert!(!is_signed_in(&world, &session).await && !may_read(&world, &access).await);
    assert!(!is_active(&world, &access).await && !is_active(&world, &token).await);
    assert_eq!(refresh(&world, &token).await.json()["error"], "invalid_grant");
    Ok(())
}

#[tokio::test]
async fn a_new_password_of_staff_ends_their_sessions() -> tests::Result {
    let state = tempfile::tempdir()?;
    let before = tests::settings("sandbox = true");
    let world = open(state.path(), &before);
    let staff = world.staff().await;
    drop(world);
    let status = async |world: &World| world.get("/admin/jobs").cookie(&staff).send().await.status;
    let with_role =
        before.replacen("username = \"admin\"", "username = \"admin\"\nroles = [\"reviewer\"]", 1);
    assert_eq!(status(&open(state.path(), &with_role)).await, StatusCode::OK, "roles apply at once");
    let changed = with_password(&before, "admin", "another password");
    assert_eq!(status(&open(state.path(), &changed)).await, StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_used_all_the_time_ends_after_half_a_day() {
    let world = World::new();
    let (staff, patient) = (world.staff().await, signed_in(&world, ANNA).await);
    let uses = async || {
        let staff = world.get("/admin/jobs").cookie(&staff).send().await.status;
        (staff == StatusCode::OK, is_signed_in(&world, &patient).await)
    };
    for minutes in 1..12 * 60 / 5 {
        world.advance(5 * 60);
        assert_eq!(uses().await, (true, true), "after {minutes} times five minutes");
    }
    world.advance(5 * 60);
    assert_eq!(uses().await, (false, false));
}
