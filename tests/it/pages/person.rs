//! The header of a page names the person who is signed in, and has a button for signing out.

use domain::clock::Clock;
use domain::error::Store;
use http::StatusCode;
use jiff::SignedDuration;
use platform::Platform;
use tests::faults::{Faults, Faulty};
use tests::{ANNA, BRUNO, Launch, TestResponse, World, both_hosts, parameter};

use super::BROWSER;
use crate::audit::program::open;
use crate::form::link_of;
use crate::my::interrupted::change;
use crate::my::signed_in;

const PATIENT: &str = "/patient-logout";
const STAFF: &str = "/staff/logout";

/// Returns the person in the header of a page.
fn person(page: &TestResponse) -> Option<String> {
    let html = page.text();
    let (_, header) = html.split_once("<header").expect("a header");
    let (header, _) = header.split_once("</header>").expect("an end");
    let (_, person) = header.split_once("<div class=\"person\">")?;
    assert_eq!(header.matches("class=\"person\"").count(), 1, "{header}");
    Some(person.split("</div>").next().unwrap_or_default().to_owned())
}

/// Checks the name in the header, and the button for signing out.
fn assert_person(page: &TestResponse, name: &str, sign_out: &str) {
    let person = person(page).unwrap_or_else(|| panic!("nobody: {}", page.text()));
    assert!(person.contains(&format!("<bdi>{name}</bdi>")), "{person}");
    assert!(person.contains(&format!("<form method=\"post\" action=\"{sign_out}\"><button")), "{person}");
}

#[both_hosts]
async fn the_consent_page_names_the_patient_and_signs_out(world: World) {
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    let consent = world.get(&picked.location()).cookie(&picked).send().await;
    assert_eq!(consent.status, StatusCode::OK, "{}", consent.text());
    assert_person(&consent, "Anna Lindqvist", PATIENT);
    let left = world.post(PATIENT).cookie(&picked).form::<&str, &str>(&[]).send().await;
    assert!(left.header("set-cookie").contains("Max-Age=0"), "{left:?}");
    let after = world.get(&picked.location()).cookie(&picked).send().await;
    assert!(after.location().contains("/patient-login"), "{}", after.location());
}

/// The page about a form that is gone, or that belongs to another patient.
#[both_hosts]
async fn the_page_about_a_form_of_another_patient_names_the_patient_and_signs_out(world: World) {
    let (job, _) = link_of(&world, &world.token(ANNA).await).await;
    let session = signed_in(&world, BRUNO).await;
    let own = world.get("/my").cookie(&session).send().await;
    let name =
        own.text().split_once("<bdi>").and_then(|(_, rest)| Some(rest.split_once("</bdi>")?.0.to_owned()));
    let name = name.expect("the name of the patient");
    for path in
        [format!("{job}/customize"), format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app")]
    {
        let gone = world.get(&path).cookie(&session).send().await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{path}: {}", gone.text());
        assert_person(&gone, &name, PATIENT);
    }
}

#[both_hosts]
async fn an_error_page_names_the_person_if_the_session_was_read(world: World) {
    let (patient, staff) = (signed_in(&world, ANNA).await, world.staff().await);
    let nowhere = "01a1fb95-ab0a-7a46-aeea-001492bd7651";
    for (path, session, name, sign_out) in [
        (format!("/my/exports/{nowhere}"), &patient, "Anna Lindqvist", PATIENT),
        (format!("/staff/jobs/{nowhere}"), &staff, "admin", STAFF),
        ("/staff/nothing".to_owned(), &staff, "admin", STAFF),
    ] {
        let error = world.get(&path).cookie(session).header("accept", BROWSER).send().await;
        assert_eq!(error.status, StatusCode::NOT_FOUND, "{path}: {}", error.text());
        assert_person(&error, name, sign_out);
    }
    for (path, session) in [("/nothing", patient.cookie()), ("/staff/nothing", String::new())] {
        let error = world.get(path).header("cookie", &session).header("accept", BROWSER).send().await;
        assert_eq!(person(&error), None, "{path}: {}", error.text());
    }
}

/// This story needs stores that are unavailable.
#[tokio::test]
async fn an_error_page_needs_no_store() -> tests::Result {
    let state = tempfile::tempdir()?;
    let world = open(state.path(), "");
    let session = signed_in(&world, ANNA).await;
    let until = world.clock().now() + SignedDuration::from_hours(1);
    // The sessions are not in the store that is unavailable.
    let faults = Faults::outage(Store::Database, 0, world.clock().clone(), until);
    let faulty = Faulty::new(world.platform().clone(), faults);
    let app = web::host::host(ehi::server::routers(&faulty)?, faulty.context());
    let list = || world.get("/my").cookie(&session).header("accept", BROWSER);
    let error = list().send_over(app).await;
    assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE, "{}", error.text());
    assert_person(&error, "Anna Lindqvist", PATIENT);
    change(state.path(), "ALTER TABLE grants RENAME TO elsewhere");
    let error = list().send().await;
    assert!(error.status.is_server_error(), "{}", error.text());
    assert_eq!(person(&error), None, "{}", error.text());
    Ok(())
}
