//! The patient's form in three steps, used by a browser without scripts.

mod kept;
mod refused;
mod second_click;
mod signed_out;
mod unread;
mod without_job;

use http::StatusCode;
use tests::{ANNA, BASE_URL, BRUNO, World, both_hosts, reference};

use crate::browsing::{Browser, assert_mistake, fields_of, stops};

pub(crate) async fn link_of(world: &World, token: &str) -> (String, String) {
    let response =
        world.post(&format!("/auto-approve/fhir/Patient/{ANNA}/$ehi-export")).bearer(token).send().await;
    let link = response.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    (response.job(), link)
}

const PARTS: &str = "What do you want in your copy?";
const TOPICS: &str = "Private topics";
const CHECK: &str = "Check before you send";

#[both_hosts]
async fn three_steps_start_an_export_of_the_ticked_parts(world: World) {
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let entered = world.get(&link).send().await;
    assert!(!entered.location().contains("code="), "the code is removed from the URL");
    let mut browser = Browser::open(&world, &link).await;
    assert!(browser.shows(PARTS) && browser.shows("Step 1 of 3") && browser.shows("Anna Lindqvist"));
    assert!(browser.has_ticked("parameters.photographs.enabled"), "every part is ticked at first");
    browser.press("none", &[]).await;
    assert!(browser.shows(PARTS) && !browser.has_ticked("parameters.labs.enabled"));
    let labs = [
        ("parameters.labs.enabled", "on"),
        ("parameters.labs.from.year", "2015"),
        ("parameters.labs.notes", "only <blood> & \"iron\""),
    ];
    browser.press("next", &labs).await;
    assert!(browser.shows("<h1>Private topics"), "{}", browser.page.text());
    assert!(!browser.has_ticked("authorizations.hiv"), "no topic is ticked at first");
    browser.press("next", &[("authorizations.hiv", "on")]).await;
    assert!(browser.shows(CHECK) && browser.shows("From 2015") && browser.shows("only <blood> & \"iron\""));
    assert!(browser.shows("You let this organization give The test app the topics you ticked"));
    // The form is not sent without the patient's agreement.
    browser.press("send", &[]).await;
    assert!(browser.shows("Tick the box to agree.") && browser.shows("<title>Error: "));
    assert_eq!(world.status(&token, &job).await.header("x-progress"), "waiting for the patient's choices");
    browser.press("send", &[("agree", "on")]).await;
    assert!(browser.shows("We have your request"), "{}", browser.page.text());
    let shown = world.get(&job).bearer(&token).send().await.json();
    assert_eq!(shown["parameters"]["labs"]["from"], "2015-01-01");
    assert_eq!(shown["parameters"]["labs"]["notes"], "only <blood> & \"iron\"");
    assert_eq!(shown["parameters"]["visits"]["enabled"], false);
    assert_eq!(
        (&shown["authorizations"]["hiv"]["value"], &shown["authorizations"]["genetic"]["value"]),
        (&true.into(), &false.into())
    );
    world.work().await;
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert!(exported.contains(&format!("Observation/{ANNA}-observation-hiv")));
}

#[both_hosts]
async fn without_a_ticked_topic_all_topics_are_withheld(world: World) {
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert!(browser.shows(CHECK) && !browser.page.text().contains("name=\"agree\""));
    browser.press("send", &[]).await;
    world.work().await;
    let shown = world.get(&job).bearer(&token).send().await.json();
    let given = shown["authorizations"].as_object().expect("authorizations");
    assert!(given.len() == 8 && given.values().all(|topic| topic["value"] == false), "{given:?}");
    let withheld = shown["withheld"].as_object().expect("what was withheld");
    assert!(!withheld.is_empty(), "{shown}");
    let exported: Vec<_> = world.resources(&token, &job).await.iter().map(reference).collect();
    assert!(!exported.iter().any(|reference| reference.contains("hiv")), "{exported:?}");
}

#[tokio::test]
async fn every_mistake_is_reported_and_all_input_is_kept() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.press("none", &[]).await;
    browser.press("next", &[]).await;
    assert!(browser.shows(PARTS) && browser.shows("role=\"alert\""));
    let message = assert_mistake(&browser.page, "part-visits", "parts-error");
    assert_eq!(message, "Choose at least one part.");
    assert_eq!(browser.page.text().matches("<div class=\"card wrong\">").count(), 1);
    let note = "n".repeat(520);
    let wrong = [
        ("parameters.labs.enabled", "on"),
        ("parameters.labs.from.month", "2"),
        ("parameters.labs.from.day", "30"),
        ("parameters.labs.from.year", "2020"),
        ("parameters.billing.from.year", "2021"),
        ("parameters.billing.to.year", "2020"),
        ("parameters.visits.notes", note.as_str()),
    ];
    browser.press("next", &wrong).await;
    for text in [
        "Lab tests: this is not a real date.",
        "Bills and insurance: \"From\" is after \"To\".",
        "Visits and treatments: make the note 20 letters shorter.",
        "href=\"#part-labs-from-month\"",
        "id=\"part-labs-from-month\"",
        "aria-describedby=\"part-labs-from-error\"",
        note.as_str(),
    ] {
        assert!(browser.shows(text), "{text}: {}", browser.page.text());
    }
    let kept = fields_of(&browser.page.text());
    for (name, value) in wrong {
        assert!(kept.iter().any(|(field, shown)| field == name && shown == value), "{name}: {kept:?}");
    }
    let right = [
        ("parameters.labs.from.day", "29"),
        ("parameters.billing.to.year", "2021"),
        ("parameters.visits.notes", ""),
    ];
    browser.press("next", &right).await;
    assert!(browser.shows(TOPICS));
    // A text alone is never consent, and it is never lost.
    browser.press("next", &[("authorizations.genetic.text", "no")]).await;
    assert!(browser.shows("Tick \"Genetic tests\" or clear its box.") && browser.shows("value=\"no\""));
    // Skipping the step does not help either.
    browser.get(&format!("{job}/customize?step=check")).await;
    browser.press("send", &[]).await;
    assert!(browser.shows(TOPICS) && browser.shows("There is a problem"));
    assert_eq!(world.status(&token, &job).await.header("x-progress"), "waiting for the patient's choices");
}

#[both_hosts]
async fn after_sending_the_same_link_shows_the_state(world: World) {
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    // The patient clicks twice, or uses the back button.
    let first = browser.submit("send", &[]).await;
    let second = browser.submit("send", &[]).await;
    assert!(first.location().contains("step=sent"), "{}", first.location());
    browser.get(&second.location()).await;
    assert!(browser.shows("You sent this already."), "{}", browser.page.text());
    world.work().await;
    let again = Browser::open(&world, &link).await;
    assert!(again.shows("Ready") && !again.shows("You sent this already."), "{}", again.page.text());
    assert!(!again.page.text().contains("<form id=\"form\""));
    let stranger = world.get(&format!("{job}/customize")).send().await;
    assert!(stranger.location().contains("/patient-login"), "a stranger must not see the state");
    // After signing out, the patient has no access.
    let leave = [("step", "check"), ("go", "leave")];
    let path = format!("{job}/customize");
    let left = world.post(&path).header("cookie", &again.cookie).form(&leave).send().await;
    assert_eq!(left.location(), format!("{BASE_URL}/"));
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    let after = world.get(&path).header("cookie", &again.cookie).send().await;
    assert!(after.location().contains("/patient-login"));
}

/// This story moves the clock.
#[tokio::test]
async fn input_survives_the_end_of_the_session() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (job, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    browser.press("next", &[]).await;
    assert!(browser.page.text().contains("data-session-seconds=\"600\""));
    // The `stay` button extends the session.
    world.advance(500);
    browser.press("stay", &[("authorizations.hiv", "on")]).await;
    world.advance(500);
    // A script reports the end of the session; a session that has not expired continues.
    assert_eq!(browser.submit("end", &[]).await.status, StatusCode::NO_CONTENT);
    browser.press("stay", &[]).await;
    assert!(browser.has_ticked("authorizations.hiv"));
    world.advance(601);
    let late = browser
        .submit("next", &[("authorizations.genetic", "on"), ("authorizations.genetic.text", "BRCA1")])
        .await;
    let login = late.location();
    assert!(login.contains("/patient-login?saved=1&next="), "{login}");
    let page = world.get(&login).send().await.text();
    assert!(page.contains("We signed you out to keep you safe. Your choices are saved."), "{page}");
    let next = tests::parameter(&login, "next").expect("a way back");
    let back = Browser::signed_in(&world, ANNA, &next).await.page;
    let kept = fields_of(&back.text());
    for (name, value) in
        [("step", "topics"), ("authorizations.hiv", "on"), ("authorizations.genetic.text", "BRCA1")]
    {
        assert!(kept.iter().any(|(field, shown)| field == name && shown == value), "{name}: {kept:?}");
    }
    // Another patient sees none of the input.
    assert_eq!(Browser::signed_in(&world, BRUNO, &next).await.page.status, StatusCode::NOT_FOUND);
    // The token of another form, a forged token and an expired token save nothing.
    let page = browser.page.text();
    let token = fields_of(&page).into_iter().find(|(name, _)| name == "token").expect("a token").1;
    world.advance(12 * 3600);
    for (job, token) in [(job.as_str(), token.as_str()), (job.as_str(), "9999999999.00"), (job.as_str(), "")]
    {
        let fields = [("step", "topics"), ("version", "2"), ("token", token), ("go", "next")];
        let refused = world.post(&format!("{job}/customize")).form(&fields).send().await;
        assert!(!refused.location().contains("saved=1"), "{}", refused.location());
    }
}

#[both_hosts]
async fn of_two_tabs_the_newest_state_is_shown(world: World) {
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut one = Browser::open(&world, &link).await;
    let mut other = Browser::open(&world, &link).await;
    one.press("next", &[("parameters.labs.notes", "of the first tab")]).await;
    other.press("next", &[("parameters.labs.notes", "of the second tab")]).await;
    assert!(other.shows("You changed this in another tab. Check it."), "{}", other.page.text());
    assert!(other.shows("of the first tab") && other.shows(PARTS));
    // After the patient has seen the other version, they can change it.
    other.press("next", &[("parameters.labs.notes", "of the second tab")]).await;
    assert!(other.shows(TOPICS));
    // The form that is sent is the one that the patient saw.
    one.press("next", &[]).await;
    assert!(one.shows(CHECK) && one.shows("of the second tab"));
    other.press("next", &[("authorizations.hiv", "on")]).await;
    one.press("send", &[]).await;
    assert!(one.shows("You changed this in another tab. Check it.") && one.shows("Your permission"));
}

#[both_hosts]
async fn the_patient_returns_to_the_app(world: World) {
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    // Some clients send one slash instead of two.
    let mut browser = Browser::open(&world, &format!("{link}&redirect=https:/app.example.org/jobs")).await;
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let policy = browser.page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https:;"), "{policy}");
    let sent = browser.submit("send", &[]).await;
    assert_eq!(
        (sent.status, sent.location()),
        (StatusCode::SEE_OTHER, "https://app.example.org/jobs".to_owned())
    );
}

#[both_hosts]
async fn the_form_switches_to_spanish_and_keeps_the_input(world: World) {
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    let response = browser.submit("language:es", &[("parameters.labs.notes", "hierro")]).await;
    browser.get(&response.location()).await;
    assert!(
        browser.page.header("set-cookie").starts_with("lang=es; Path=/"),
        "{}",
        browser.page.header("set-cookie")
    );
    assert!(
        browser.shows("¿Qué quiere en su copia?")
            && browser.shows("hierro")
            && browser.shows("<html lang=\"es\"")
    );
    // In Spanish the day comes before the month.
    let page = browser.page.text();
    assert!(page.find("from.day").expect("a day") < page.find("from.month").expect("a month"));
    browser.cookie = format!("{}; lang=es", browser.cookie);
    browser.press("next", &[("parameters.labs.to.year", "x")]).await;
    assert!(browser.shows("Análisis de laboratorio: esta fecha no existe."), "{}", browser.page.text());
}

/// Counts the Tab stops: links, buttons, fields and summaries that are visible at first, without those in closed details.
#[tokio::test]
async fn a_step_has_few_tab_stops() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let (_, link) = link_of(&world, &token).await;
    let mut browser = Browser::open(&world, &link).await;
    for most in [40, 25, 25] {
        let page = browser.page.text();
        let mut closed = 0;
        for details in page.split("<details").skip(1) {
            let inner = details.split_once("</summary>").map_or("", |(_, rest)| rest);
            let inner = inner.split("</details>").next().unwrap_or_default();
            closed += stops(inner);
        }
        let found = stops(&page) - closed;
        assert!((5..=most).contains(&found), "{found} stops");
        assert!(page.find("class=\"skip\"").expect("a skip link") < page.find("<button").expect("a button"));
        browser.press("next", &[]).await;
    }
}
