//! Each page of patients, by the routes of the server: a new page needs its address here.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use tests::{ANNA, Launch, parameter};

use super::{BROWSER, check, world};
use crate::form::link_of;
use crate::my::{requested_copy, signed_in};
use crate::openapi::pages;

/// The page of a large copy's ZIP, which [`super::zip`] visits in each of its states.
const ZIP: &str = "/my/exports/{job}/zip/progress";

/// Check 40.
#[tokio::test]
async fn every_page_of_patients_has_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let session = signed_in(&world, ANNA).await;
    let (job, _) = link_of(&world, &world.token(ANNA).await).await;
    let copy = requested_copy(&world, &session, &["hiv"]).await;
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    let addresses = BTreeMap::from([
        ("/", "/".to_owned()),
        ("/authorize-app", picked.location()),
        (
            "/fhir/Patient/{patient}/$ehi-export/customize",
            format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my"),
        ),
        ("/format", "/format".to_owned()),
        ("/jobs/{job}/customize", format!("{job}/customize")),
        ("/my", "/my".to_owned()),
        ("/my/apps", "/my/apps".to_owned()),
        ("/my/apps/stop", "/my/apps/stop?app=app".to_owned()),
        ("/my/exports/{job}", copy.clone()),
        ("/my/exports/{job}/cancel", format!("{copy}/cancel")),
        ("/my/exports/{job}/take-back", format!("{copy}/take-back")),
        ("/my/sign-out-everywhere", "/my/sign-out-everywhere".to_owned()),
        ("/patient-login", login),
    ]);
    let named: BTreeSet<_> = addresses.keys().map(|route| (*route).to_owned()).collect();
    let is_here = |route: &String| route != ZIP && route != "/staff" && !route.starts_with("/staff/");
    let of_patients: BTreeSet<_> = pages().into_iter().filter(is_here).collect();
    assert_eq!(named, of_patients, "the routes of the pages of patients");
    for (route, path) in addresses {
        // A patient who is signed in does not see the sign-in page.
        let session = if route == "/patient-login" { String::new() } else { picked.cookie() };
        let call = world.get(&path).header("cookie", &format!("{session}; lang=es"));
        let page = call.header("accept", BROWSER).send().await;
        assert_eq!(page.status, StatusCode::OK, "{route}: {}", page.text());
        check(&page, route);
    }
}
