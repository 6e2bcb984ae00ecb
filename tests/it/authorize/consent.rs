//! The consent page: a refusal, a second click, and a session that ends before the decision.

use http::StatusCode;
use tests::{ANNA, BRUNO, Launch, World, both_hosts, parameter};

/// Signs the patient in for the request of an app; returns the request, and the response with the session.
pub(super) async fn at_consent(world: &World, launch: &Launch) -> (String, tests::TestResponse) {
    let login = world.get(&launch.authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    (request, picked)
}

#[both_hosts]
async fn a_patient_can_refuse(world: World) {
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    let consent = world.get(&picked.location()).cookie(&picked).send().await;
    assert!(consent.text().contains("The test app") && consent.text().contains("Anna Lindqvist"));
    // Only the browser that signed in can decide. Another one is asked to sign in for the same request.
    let fields = [("request", request.as_str()), ("decision", "deny")];
    assert_eq!(world.post("/authorize-app").form(&fields).send().await.location(), login);
    let back = world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    // The decision stays, whatever is pressed then.
    let changed = [("request", request.as_str()), ("decision", "allow")];
    let twice = world.post("/authorize-app").cookie(&picked).form(&changed).send().await;
    assert_eq!(twice.location(), back);
}

#[both_hosts]
async fn a_second_click_on_allow_leads_to_the_app_with_the_same_code(world: World) {
    let launch = Launch::new("app");
    let (request, picked) = at_consent(&world, &launch).await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let allow = || world.post("/authorize-app").cookie(&picked).form(&fields).send();
    let (first, second) = tokio::join!(allow(), allow());
    let third = allow().await;
    assert!(first.location().starts_with("https://app.example.org/callback?code="), "{}", first.text());
    assert_eq!((second.location(), third.location()), (first.location(), first.location()));
    // Another patient in the same browser does not get the code, and the page is not shown again.
    let other = world.sign_patient_in(BRUNO, "/my").await;
    let of_other = world.post("/authorize-app").cookie(&other).form(&fields).send().await;
    assert!(!of_other.location().contains("code="), "{}", of_other.location());
    let page = world.get(&picked.location()).cookie(&picked).send().await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text());
    let code = parameter(&first.location(), "code").expect("a code");
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK);
    // The redirect can be repeated; the code cannot.
    assert_eq!(allow().await.location(), first.location());
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::BAD_REQUEST);
}

/// This story moves the clock.
#[tokio::test]
async fn a_decision_is_repeated_for_a_minute_only() {
    let world = World::new();
    let (request, picked) = at_consent(&world, &Launch::new("app")).await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let allow = || world.post("/authorize-app").cookie(&picked).form(&fields).send();
    let first = allow().await.location();
    world.advance(50);
    assert_eq!(allow().await.location(), first);
    world.advance(11);
    assert_eq!(allow().await.status, StatusCode::BAD_REQUEST);
}

/// The session of a patient is shorter than the lifetime of a request. This story moves the clock.
#[tokio::test]
async fn a_session_that_ends_before_the_decision_leads_to_the_sign_in_and_back() {
    let world = World::new();
    let launch = Launch::new("app");
    let (request, picked) = at_consent(&world, &launch).await;
    world.advance(601);
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let late = world.post("/authorize-app").cookie(&picked).form(&fields).send().await;
    let reloaded = world.get(&picked.location()).cookie(&picked).send().await;
    for response in [late, reloaded] {
        assert_eq!(response.status, StatusCode::FOUND, "{}", response.text());
        assert!(response.location().ends_with(&format!("/patient-login?request={request}")));
    }
    let again = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&again).send().await;
    assert!(world.get(&picked.location()).cookie(&picked).send().await.text().contains("The test app"));
    let back = world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    let code = parameter(&back, "code").expect("a code");
    assert_eq!(world.redeem(&launch, &code).await.status, StatusCode::OK);
}
