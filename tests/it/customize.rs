//! The patient's form.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, Answer, BASE_URL, BRUNO, World, both_hosts, reference, text};

/// The form's address of a job that awaits it.
async fn form_of(world: &World, token: &str) -> (String, String) {
    let answer =
        world.post(&format!("/auto-approve/fhir/Patient/{ANNA}/$ehi-export")).bearer(token).send().await;
    let form = answer.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    (answer.job(), form)
}

fn code_of(form: &str) -> String {
    tests::parameter(form, "code").expect("a code")
}

async fn submit(world: &World, job: &str, form: &str, body: &Value) -> Answer {
    world.post(&format!("{job}?code={}", code_of(form))).json(body).send().await
}

both_hosts!(the_link_shows_the_form_and_the_status_repeats_it);
async fn the_link_shows_the_form_and_the_status_repeats_it(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let page = world.get(&form).send().await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Anna Lindqvist") && page.text().contains("parameters.labs.enabled"));
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::ACCEPTED);
    assert!(status.header("link").contains(&form));
}

both_hosts!(without_the_code_the_patient_signs_in);
async fn without_the_code_the_patient_signs_in(world: World) {
    let token = world.token(ANNA).await;
    let (job, _) = form_of(&world, &token).await;
    let wrong = world.get(&format!("{job}/customize?code=0000")).send().await;
    let location = wrong.location();
    assert_eq!(wrong.status, StatusCode::FOUND);
    assert!(location.starts_with(&format!("{BASE_URL}/patient-login?next={job}/customize")), "{location}");
    let sign_in = |patient| {
        world
            .post("/patient-login")
            .form(&[("next", format!("{job}/customize")), ("patient", String::from(patient))])
    };
    let anna = sign_in(ANNA).send().await;
    assert_eq!(world.get(&anna.location()).cookie(&anna).send().await.status, StatusCode::OK);
    // Somebody else's session is no more than none.
    let bruno = sign_in(BRUNO).send().await;
    assert_eq!(world.get(&bruno.location()).cookie(&bruno).send().await.status, StatusCode::FOUND);
}

both_hosts!(choices_start_the_export_once);
async fn choices_start_the_export_once(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let choices = json!({ "parameters": { "labs": { "enabled": true, "notes": "n" } }, "authorizations": { "hiv": { "value": true } } });
    let stranger = world.post(&job).json(&choices).send().await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let taken = submit(&world, &job, &form, &choices).await;
    assert_eq!((taken.status, taken.json()["status"].clone()), (StatusCode::OK, json!("requested")));
    assert_eq!(taken.json()["parameters"]["labs"]["notes"], "n");
    assert_eq!(taken.json()["parameters"]["visits"]["enabled"], false);
    let again = submit(&world, &job, &form, &choices).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get(&form).send().await.status, StatusCode::BAD_REQUEST);
    world.work().await;
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert!(exported.contains(&format!("Observation/{ANNA}-observation-hiv")));
    assert!(!exported.iter().any(|reference| reference.starts_with("Encounter/")));
}

both_hosts!(the_jobs_token_may_choose_as_well);
async fn the_jobs_token_may_choose_as_well(world: World) {
    let token = world.token(ANNA).await;
    let (job, _) = form_of(&world, &token).await;
    let body = json!({ "parameters": {}, "authorizations": {} });
    let bruno = world.token(BRUNO).await;
    assert_eq!(world.post(&job).bearer(&bruno).json(&body).send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.post(&job).bearer(&token).json(&body).send().await.status, StatusCode::OK);
}

both_hosts!(wrong_choices_are_named_and_change_nothing);
async fn wrong_choices_are_named_and_change_nothing(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    for (body, named) in [
        (json!({ "parameters": { "lab": { "enabled": true } } }), "lab"),
        (json!({ "parameters": { "labs": { "from": "yesterday" } } }), "from"),
        (json!({ "parameters": { "labs": { "from": "2021-01-01", "to": "2020-01-01" } } }), "labs"),
        (json!({ "authorizations": { "hepatitis": { "value": true } } }), "hepatitis"),
    ] {
        let answer = submit(&world, &job, &form, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.outcome().contains(named), "{}", answer.outcome());
    }
    assert_eq!(world.status(&token, &job).await.header("x-progress"), "waiting for the patient's choices");
}

both_hosts!(a_browser_is_sent_to_a_page_of_the_app_and_nowhere_else);
async fn a_browser_is_sent_to_a_page_of_the_app_and_nowhere_else(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    for redirect in
        ["javascript:alert(1)", "https://evil.example.org/", "//evil.example.org", "data:text/html,x"]
    {
        let mut url = url::Url::parse(&form).expect("a URL");
        url.query_pairs_mut().append_pair("redirect", redirect);
        let page = world.get(url.as_str()).send().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{redirect}");
        let code = code_of(&form);
        let sent = world.post(&job).form(&[("code", code.as_str()), ("redirect", redirect)]).send().await;
        assert_eq!(sent.status, StatusCode::BAD_REQUEST, "{redirect}");
    }
    // One slash instead of two, as a client sends it.
    let code = code_of(&form);
    let fields = [
        ("code", code.as_str()),
        ("redirect", "https:/app.example.org/jobs"),
        ("parameters.labs.enabled", "on"),
    ];
    let sent = world.post(&job).form(&fields).send().await;
    assert_eq!(
        (sent.status, sent.location()),
        (StatusCode::SEE_OTHER, "https://app.example.org/jobs".to_owned())
    );
}

/// It counts the patient's jobs, which other stories start as well where they share a deployment.
#[tokio::test]
async fn a_patient_can_begin_with_the_form() {
    let world = World::new();
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let sent_away = world.get(&path).send().await.location();
    let next = tests::parameter(&sent_away, "next").expect("a way back");
    let session =
        world.post("/patient-login").form(&[("next", next.as_str()), ("patient", ANNA)]).send().await;
    let page = world.get(&session.location()).cookie(&session).send().await;
    assert_eq!(page.status, StatusCode::OK);
    let fields = [("client_id", "app"), ("parameters.billing.enabled", "on")];
    let cross_site =
        world.post(&path).cookie(&session).header("origin", "https://evil.example.org").form(&fields);
    assert_eq!(cross_site.send().await.status, StatusCode::FORBIDDEN);
    let done = world.post(&path).cookie(&session).form(&fields).send().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    // The app finds the export among its own.
    let token = world.token(ANNA).await;
    let jobs = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1));
    assert_eq!(text(&jobs[0]["status"]), "requested");
    assert_eq!(jobs[0]["parameters"]["billing"]["enabled"], true);
}
