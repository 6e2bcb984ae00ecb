//! The patient's form.

use crate::logs::Captured;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, BRUNO, TestResponse, World, both_hosts, reference, text};

/// Returns the path of a job that waits for its form, and the URL of the form.
async fn form_of(world: &World, token: &str) -> (String, String) {
    let response =
        world.post(&format!("/auto-approve/fhir/Patient/{ANNA}/$ehi-export")).bearer(token).send().await;
    let form = response.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    (response.job(), form)
}

fn code_of(form: &str) -> String {
    tests::parameter(form, "code").expect("a code")
}

async fn submit(world: &World, job: &str, form: &str, body: &Value) -> TestResponse {
    world.post(&format!("{job}?code={}", code_of(form))).json(body).send().await
}

#[both_hosts]
async fn the_link_shows_the_form_and_the_status_repeats_it(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let (_, page) = world.open_form(&form).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Anna Lindqvist") && page.text().contains("parameters.labs.enabled"));
    let status = world.status(&token, &job).await;
    assert_eq!(status.status, StatusCode::ACCEPTED);
    assert!(status.header("link").contains(&form));
}

#[both_hosts]
async fn without_the_code_the_patient_signs_in(world: World) {
    let token = world.token(ANNA).await;
    let (job, _) = form_of(&world, &token).await;
    let wrong = world.get(&format!("{job}/customize?code=0000")).send().await;
    let location = wrong.location();
    assert_eq!(wrong.status, StatusCode::FOUND);
    assert!(location.starts_with(&format!("{BASE_URL}/patient-login?next={job}/customize")), "{location}");
    let page = format!("{job}/customize");
    let anna = world.sign_patient_in(ANNA, &page).await;
    assert_eq!(world.get(&anna.location()).cookie(&anna).send().await.status, StatusCode::OK);
    // Another patient's session gives no access.
    let bruno = world.sign_patient_in(BRUNO, &page).await;
    assert_eq!(world.get(&bruno.location()).cookie(&bruno).send().await.status, StatusCode::NOT_FOUND);
}

#[both_hosts]
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
    let (_, state) = world.open_form(&form).await;
    // The workers of a deployment may have finished by now.
    assert!(state.status == StatusCode::OK && state.text().contains("Your copy: "), "{}", state.text());
    world.work().await;
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert!(exported.contains(&format!("Observation/{ANNA}-observation-hiv")));
    assert!(!exported.iter().any(|reference| reference.starts_with("Encounter/")));
}

#[both_hosts]
async fn the_jobs_token_can_make_the_choices_as_well(world: World) {
    let token = world.token(ANNA).await;
    let (job, _) = form_of(&world, &token).await;
    let body = json!({ "parameters": { "visits": { "enabled": true } }, "authorizations": {} });
    let bruno = world.token(BRUNO).await;
    assert_eq!(world.post(&job).bearer(&bruno).json(&body).send().await.status, StatusCode::NOT_FOUND);
    let chosen = world.post(&job).bearer(&token).json(&body).send().await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
    assert_eq!(last_of(&chosen.json()), json!(["app", "chose what to export"]));
}

/// Returns who did what in the last entry of a job's history.
fn last_of(job: &Value) -> Value {
    let last = job["history"].as_array().and_then(|history| history.last()).expect("a history");
    json!([last["who"], last["what"]])
}

/// The history has the caller: only a patient who is signed in is known to be the patient.
#[both_hosts]
async fn the_history_names_who_made_the_choices(world: World) {
    let token = world.token(ANNA).await;
    let body = json!({ "parameters": { "visits": { "enabled": true } } });
    let (job, form) = form_of(&world, &token).await;
    let chosen = submit(&world, &job, &form, &body).await;
    assert_eq!(last_of(&chosen.json()), json!(["the patient, by the link", "chose what to export"]));
    let staff = world.staff().await;
    let page = format!("/staff{job}");
    for (language, who) in [("en", "the patient, by the link"), ("es", "el paciente, por el enlace")] {
        let shown = world.get(&format!("{page}?lang={language}")).cookie(&staff).send().await.text();
        assert!(shown.contains(who), "{shown}");
    }
    let (job, form) = form_of(&world, &token).await;
    let anna = world.sign_patient_in(ANNA, &format!("{job}/customize")).await;
    // A patient who is signed in can also send the link's code.
    let path = format!("{job}?code={}", code_of(&form));
    let chosen = world.post(&path).cookie(&anna).json(&body).send().await;
    assert_eq!(last_of(&chosen.json()), json!(["the patient", "chose what to export"]));
}

#[both_hosts]
async fn invalid_choices_are_reported_and_change_nothing(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    for (body, named) in [
        (json!({ "parameters": { "lab": { "enabled": true } } }), "lab"),
        (json!({ "parameters": { "labs": { "enabled": true, "from": "yesterday" } } }), "labs.from"),
        (
            json!({ "parameters": { "labs": { "enabled": true, "from": "2021-01-01", "to": "2020-01-01" } } }),
            "labs",
        ),
        (json!({ "authorizations": { "hepatitis": { "value": true } } }), "hepatitis"),
        (json!({ "parameters": {}, "authorizations": { "hiv": { "value": true } } }), "at least one group"),
        (json!({}), "at least one group"),
    ] {
        let response = submit(&world, &job, &form, &body).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(response.outcome().contains(named), "{}", response.outcome());
    }
    assert_eq!(world.status(&token, &job).await.header("x-progress"), "waiting for the patient's choices");
}

#[both_hosts]
async fn a_browser_is_sent_to_a_page_of_the_app_and_nowhere_else(world: World) -> tests::Result {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    for redirect in
        ["javascript:alert(1)", "https://evil.example.org/", "//evil.example.org", "data:text/html,x"]
    {
        let mut url = url::Url::parse(&form)?;
        url.query_pairs_mut().append_pair("redirect", redirect);
        let page = world.get(url.as_str()).send().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{redirect}");
        let code = code_of(&form);
        let sent = world.post(&job).form(&[("code", code.as_str()), ("redirect", redirect)]).send().await;
        assert_eq!(sent.status, StatusCode::BAD_REQUEST, "{redirect}");
    }
    // Some clients send one slash instead of two.
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
    Ok(())
}

/// This story counts the patient's jobs, and other stories start jobs too if they share a deployment.
#[tokio::test]
async fn a_patient_can_start_with_the_form() {
    begin_with_the_form(World::new()).await;
}

pub(crate) async fn begin_with_the_form(world: World) {
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let sent_away = world.get(&path).send().await.location();
    let next = tests::parameter(&sent_away, "next").expect("a way back");
    let session = world.sign_patient_in(ANNA, &next).await;
    let page = world.get(&session.location()).cookie(&session).send().await;
    assert_eq!(page.status, StatusCode::OK);
    let fields = [("client_id", "app"), ("parameters.billing.enabled", "on")];
    let cross_site =
        world.post(&path).cookie(&session).header("origin", "https://evil.example.org").form(&fields);
    assert_eq!(cross_site.send().await.status, StatusCode::FORBIDDEN);
    let done = world.post(&path).cookie(&session).form(&fields).send().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    // The app finds the export in its list.
    let token = world.token(ANNA).await;
    let jobs = world.get("/jobs").bearer(&token).send().await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(1));
    assert_eq!(text(&jobs[0]["status"]), "requested");
    assert_eq!(jobs[0]["parameters"]["billing"]["enabled"], true);
}

const NO_GENES: &str = "no, do not include any genetic tests";

/// Returns the references of an export after the workers have finished.
async fn released(world: &World, token: &str, job: &str) -> Vec<String> {
    world.work().await;
    world.resources(token, job).await.iter().map(reference).collect()
}

#[both_hosts]
async fn a_description_is_not_consent_in_any_shape(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let code = code_of(&form);
    let record = json!({ "medicalRecord": { "enabled": true } });
    let part = |name: &str, part: Value| json!({ "name": name, "part": part });
    let enabled = part("medicalRecord", json!([{ "name": "enabled", "valueBoolean": true }]));
    for text in [NO_GENES, "no", "none", "n/a"] {
        let in_json = json!({ "parameters": record, "authorizations": { "genetic": { "value": text } } });
        let described =
            json!({ "parameters": record, "authorizations": { "other": { "value": false, "text": text } } });
        let in_parameters = json!({ "resourceType": "Parameters", "parameter": [
            part("parameters", json!([enabled])),
            part("authorizations", json!([{ "name": "genetic", "valueString": text }])),
        ]});
        for (body, field) in [
            (in_json, "authorizations.genetic"),
            (described, "authorizations.other"),
            (in_parameters, "authorizations.genetic"),
        ] {
            let response = submit(&world, &job, &form, &body).await;
            assert_eq!(response.status, StatusCode::BAD_REQUEST, "{body}");
            assert!(response.outcome().contains(field), "{}", response.outcome());
        }
        let fields = [
            ("code", code.as_str()),
            ("parameters.medicalRecord.enabled", "on"),
            ("parameters.medicalRecord.notes", "all of it"),
            ("authorizations.hiv", "on"),
            ("authorizations.genetic.text", text),
        ];
        let page = world.post(&job).form(&fields).send().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        let page = page.text();
        // The mistake is shown at its field, and the input is kept.
        assert!(page.contains("Tick &#34;Genetic tests&#34; or clear its box."), "{page}");
        for kept in [text, "name=\"authorizations.hiv\" checked"] {
            assert!(page.contains(kept), "{kept}: {page}");
        }
        let (_, parts) = world.open_form(&form).await;
        let parts = parts.text();
        assert!(parts.contains("all of it") && parts.contains("parameters.medicalRecord.enabled\" checked"));
        assert!(
            !parts.contains("parameters.labs.enabled\" checked"),
            "boxes that were not ticked stay unticked"
        );
    }
    assert_eq!(world.status(&token, &job).await.header("x-progress"), "waiting for the patient's choices");
}

/// This story checks every value of the job's JSON.
#[tokio::test]
async fn a_missing_authorization_is_false_and_staff_see_the_description() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let choices = json!({
        "parameters": { "medicalRecord": { "enabled": true }, "radiation": { "enabled": true } },
        "authorizations": { "genetic": { "value": true, "text": "BRCA1 <only>" } },
    });
    let shown = submit(&world, &job, &form, &choices).await.json();
    assert_eq!(shown["parameters"]["radiology"]["enabled"], true, "radiation is an older name");
    let given = shown["authorizations"].as_object().expect("authorizations");
    assert_eq!(given.len(), 8);
    for (key, authorization) in given {
        assert_eq!(authorization["value"], key == "genetic", "{key}");
    }
    assert_eq!(given["genetic"]["text"], "BRCA1 <only>");
    assert_eq!(given["other"]["text"], "");
    let staff = world.staff().await;
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert!(
        page.contains("<dt>Genetic tests</dt>")
            && page.contains("The patient&#39;s words: \u{201c}BRCA1 &#60;only&#62;\u{201d}"),
        "{page}"
    );
    // The choices in a job's JSON can be submitted again.
    let (again, form) = form_of(&world, &token).await;
    let sent_back = json!({ "parameters": shown["parameters"], "authorizations": shown["authorizations"] });
    let response = submit(&world, &again, &form, &sent_back).await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    assert_eq!(response.json()["authorizations"], shown["authorizations"]);
    let references = released(&world, &token, &again).await;
    assert!(!references.iter().any(|reference| reference.contains("hiv")), "{references:?}");
}

#[both_hosts]
async fn an_empty_form_starts_nothing(world: World) {
    let token = world.token(ANNA).await;
    let (job, form) = form_of(&world, &token).await;
    let code = code_of(&form);
    for fields in [&[("code", code.as_str())][..], &[("code", code.as_str()), ("authorizations.hiv", "on")]] {
        let page = world.post(&job).form(fields).send().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.text().contains("Choose at least one part."), "{}", page.text());
    }
    assert_eq!(world.status(&token, &job).await.status, StatusCode::ACCEPTED);
    let (_, page) = world.open_form(&form).await;
    assert!(page.text().contains("parameters.labs.enabled"), "the form can still be filled in");
}

/// This story needs workers that wait: a worker of a deployment may begin before staff can act.
#[tokio::test]
async fn staff_can_change_the_choices_until_a_worker_begins() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let post = |job: &str, body: Value| world.post(job).cookie(&staff).json(&body).send();
    let (job, form) = form_of(&world, &token).await;
    let visits =
        json!({ "parameters": { "visits": { "enabled": true } }, "authorizations": { "hiv": true } });
    let labs = json!({ "parameters": { "labs": { "enabled": true } } });
    let stranger = world.post(&job).json(&labs).send().await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    let other_site = world.post(&job).cookie(&staff).header("origin", "https://evil.example.org").json(&labs);
    assert_eq!(other_site.send().await.status, StatusCode::FORBIDDEN);
    submit(&world, &job, &form, &visits).await;
    let log = Captured::start();
    let changed = post(&job, labs.clone()).await;
    let lines = log.with("choices changed");
    assert!(lines.len() == 1 && lines[0].contains("staff=\"admin\""), "{lines:?}");
    assert!(lines[0].contains(job.trim_start_matches("/jobs/")) && !lines[0].contains(ANNA), "{lines:?}");
    drop(log);
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let changed = changed.json();
    assert_eq!(
        (&changed["parameters"]["visits"]["enabled"], &changed["parameters"]["labs"]["enabled"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(changed["authorizations"]["hiv"]["value"], false, "an authorization can be taken away");
    let last = changed["history"].as_array().and_then(|history| history.last()).expect("a history").clone();
    assert_eq!((&last["who"], &last["what"]), (&json!("admin"), &json!("changed what to export")));
    // Staff cannot consent for the patient.
    let more = json!({ "parameters": { "labs": { "enabled": true } }, "authorizations": { "hiv": true } });
    let refused = post(&job, more).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.outcome().contains("authorizations.hiv"), "{}", refused.outcome());
    let exported = released(&world, &token, &job).await;
    assert!(!exported.iter().any(|reference| reference.starts_with("Encounter/")), "{exported:?}");
    let late = post(&job, labs.clone()).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.outcome().contains("approved"), "{}", late.outcome());
    // If the patient is present, staff fill in the form, without private topics.
    let (job, _) = form_of(&world, &token).await;
    let refused = post(&job, visits).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text());
    assert!(refused.outcome().contains("authorizations.hiv"), "{}", refused.outcome());
    let filled_in = post(&job, json!({ "parameters": { "visits": { "enabled": true } } })).await;
    assert_eq!(filled_in.json()["status"], "requested");
    let service = world.service("service", "system/*.rs").await;
    let bulk = world.get("/fhir/Patient/$export").bearer(&service).send().await.job();
    let refused = post(&bulk, labs.clone()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.outcome().contains("no form"), "{}", refused.outcome());
    let nowhere = post("/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651", labs).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}
