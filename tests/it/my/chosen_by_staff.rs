//! A copy whose choices were made by staff or by an app: its pages do not say that the patient chose what is in it.

use tests::{ANNA, World, both_hosts};

use super::{page, signed_in};
use crate::review;
use crate::started::{unchanged_form, with_texts};

/// The workers of this story start when it says so.
#[tokio::test]
async fn the_account_of_a_copy_that_staff_started_does_not_blame_the_patient() {
    let world = World::new();
    let staff = world.staff().await;
    let form = format!("/staff/patients/{ANNA}/export");
    let (fields, _) = unchanged_form(&world, &staff, &form).await;
    let fields = fields.into_iter().filter(|(name, _)| name != "parameters.visits.enabled").collect();
    let texts = [("receiver", "the patient"), ("reason", "on paper"), ("to", "2021-12-31")];
    let started = world.post(&form).cookie(&staff).form(&with_texts(fields, &texts)).send().await;
    let of_staff = started.location().strip_prefix(tests::BASE_URL).expect("a page").to_owned();
    let id = of_staff.rsplit('/').next().expect("an id").to_owned();
    let session = signed_in(&world, ANNA).await;
    let copy = format!("/my/exports/{id}");
    let shown = page(&world, &session, &copy).await;
    assert!(shown.contains("We collect what was asked for."), "{shown}");
    world.work().await;
    let question = review::page(&world, &staff, &format!("{of_staff}/approve")).await;
    assert!(
        question.contains("The copy can be downloaded on the pages of this server at once."),
        "{question}"
    );
    let delete = review::page(&world, &staff, &format!("{of_staff}/delete")).await;
    assert!(
        delete.contains("Nobody can download the copy any more.") && !delete.contains("Its app"),
        "{delete}"
    );
    super::approved(&world, &copy).await;
    let shown = page(&world, &session, &copy).await;
    for expected in [
        "Private topic that was not chosen: HIV",
        "This part was not chosen",
        "It is outside the dates that were chosen",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    for blame in ["you did not tick", "You did not tick", "that you chose"] {
        assert!(!shown.contains(blame), "{blame}: {shown}");
    }
    assert!(shown.contains(" UTC."), "a deadline names its time zone: {shown}");
}

/// Staff may fill in the form for the patient.
#[both_hosts]
async fn the_account_of_a_form_that_staff_filled_in_does_not_blame_the_patient(world: World) {
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let job = world.kick_off(&token, "/auto-approve", ANNA).await;
    let choices = serde_json::json!({ "parameters": { "labs": { "enabled": true, "from": "2020-01-01" } } });
    let chosen = world.post(&job).cookie(&staff).json(&choices).send().await;
    assert_eq!(chosen.status, http::StatusCode::OK, "{}", chosen.text());
    world.work().await;
    let session = signed_in(&world, ANNA).await;
    let shown = page(&world, &session, &job.replace("/jobs", "/my/exports")).await;
    assert!(shown.contains("Private topic that was not chosen: HIV"), "{shown}");
    assert!(!shown.contains("you did not tick"), "{shown}");
}

/// An app may make the choices with its token, in a request of its own or with the one that starts the export.
#[both_hosts]
async fn the_account_of_choices_of_an_app_does_not_blame_the_patient(world: World) {
    let token = world.token(ANNA).await;
    let session = signed_in(&world, ANNA).await;
    let staff = world.staff().await;
    let copy_of = |job: &str| job.replace("/jobs", "/my/exports");
    let job = world.kick_off(&token, "/auto-approve", ANNA).await;
    let choices = serde_json::json!({
        "parameters": { "labs": { "enabled": true, "from": "2030-01-01", "notes": "the last ones" }, "visits": { "enabled": true } },
        "authorizations": { "hiv": { "value": true } },
    });
    let chosen = world.post(&job).bearer(&token).json(&choices).send().await;
    assert_eq!(chosen.status, http::StatusCode::OK, "{}", chosen.text());
    let shown = page(&world, &session, &copy_of(&job)).await;
    assert!(!shown.contains("that you ticked"), "{shown}");
    world.work().await;
    let shown = page(&world, &session, &copy_of(&job)).await;
    for expected in [
        "Private topic that was not chosen: Sexual assault",
        "This part was not chosen",
        "It is outside the dates that were chosen",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    for blame in ["you did not tick", "You did not tick", "that you chose"] {
        assert!(!shown.contains(blame), "{blame}: {shown}");
    }
    let take_back = format!("{}/take-back", copy_of(&job));
    for (language, said) in [
        ("en", "The app chose private topics for this copy, and told us that you allow them."),
        ("es", "La aplicación eligió temas privados para esta copia y nos dijo que usted los permite."),
    ] {
        let asks = page(&world, &session, &format!("{take_back}?lang={language}")).await;
        assert!(asks.contains(said), "{asks}");
    }
    let of_staff = review::page(&world, &staff, &format!("/staff{job}?lang=en")).await;
    assert!(of_staff.contains("Note: “the last ones”"), "{of_staff}");
    let parameters = serde_json::json!({
        "resourceType": "Parameters",
        "parameter": [{
            "name": "parameters",
            "part": [{ "name": "labs", "part": [{ "name": "enabled", "valueBoolean": true }] }],
        }],
    });
    let path = format!("/auto-approve/fhir/Patient/{ANNA}/$ehi-export");
    let started = world.post(&path).bearer(&token).json(&parameters).send().await;
    assert_eq!(started.status, http::StatusCode::ACCEPTED, "{}", started.text());
    world.work().await;
    let shown = page(&world, &session, &format!("{}?lang=en", copy_of(&started.job()))).await;
    assert!(shown.contains("This part was not chosen"), "{shown}");
}
