//! Check 18 (`infra/docs/checks.md`): a form that arrives after the end of its session loses nothing that was typed, with and without an
//! account.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;
use tests::{ANNA, BASE_URL, PASSWORD, TestResponse, World, parameter};

use super::{PARTS, TOPICS, link_of};
use crate::browsing::{Browser, fields_of};
use crate::tokens::{Issuer, claims};

const SAVED: &str = "We signed you out to keep you safe. Your choices are saved.";
/// Step 1, with everything that it has: two parts without their tick, both dates, and a note.
const TYPED: [(&str, &str); 9] = [
    ("parameters.labs.enabled", ""),
    ("parameters.photographs.enabled", ""),
    ("parameters.billing.from.month", "2"),
    ("parameters.billing.from.day", "3"),
    ("parameters.billing.from.year", "2019"),
    ("parameters.billing.to.month", "11"),
    ("parameters.billing.to.day", "30"),
    ("parameters.billing.to.year", "2020"),
    ("parameters.billing.notes", "only <b>bold</b> & \"it\"\nsecond line"),
];

/// Returns the fields of a page that the patient can change.
fn values(page: &TestResponse) -> BTreeMap<String, String> {
    let mut fields = fields_of(&page.text());
    fields.retain(|(name, _)| name.starts_with("parameters.") || name.starts_with("authorizations."));
    fields.into_iter().collect()
}

/// Returns the fields of a page after these changes and a button.
fn changed(page: &TestResponse, changes: &[(&str, &str)], go: &str) -> BTreeMap<String, String> {
    let mut expected = values(page);
    let parts: Vec<_> = expected.keys().filter(|name| name.ends_with(".enabled")).cloned().collect();
    for (name, value) in changes {
        match *value {
            "" => drop(expected.remove(*name)),
            value => drop(expected.insert((*name).to_owned(), value.to_owned())),
        }
    }
    for part in parts {
        match go {
            "all" => drop(expected.insert(part, "on".to_owned())),
            "none" => drop(expected.remove(&part)),
            _ => {}
        }
    }
    expected
}

/// Starts a server without sandbox that trusts another issuer, with or without the account of a patient.
fn world_of(issuer: &Issuer, has_account: bool) -> World {
    let issuers =
        format!("issuers = [{{ issuer = \"https://login.example.org\", jwks = '{}' }}]", issuer.jwks());
    let mut settings = tests::settings(&issuers);
    if !has_account {
        let (before, account) = settings.split_once("[[accounts]]").expect("an account");
        let (_, after) = account.split_once("[[clients]]").expect("clients");
        settings = format!("{before}[[clients]]{after}");
    }
    World::of(&settings, &ehi::defaults::sample_records())
}

/// Starts an export with a token of the issuer; returns the link to its form.
async fn link_of_issuer(world: &World, issuer: &Issuer) -> String {
    let mut claims = claims();
    (claims["roles"], claims["fhirUser"]) = (json!([]), json!(format!("Patient/{ANNA}")));
    let kick_off = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export"));
    let response = kick_off.bearer(&issuer.token(&claims)).send().await;
    assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
    response.header("link").split(['<', '>']).nth(1).expect("a form").to_owned()
}

#[tokio::test]
async fn each_button_of_a_step_keeps_everything_after_the_session() {
    let of_parts = ["next", "later", "stay", "all", "none", "back", "language:es"].map(|go| (go, PARTS));
    let of_topics = ["next", "later", "back", "language:es"].map(|go| (go, TOPICS));
    for (go, step) in of_parts.into_iter().chain(of_topics) {
        let world = World::new();
        let (_, link) = link_of(&world, &world.token(ANNA).await).await;
        let mut browser = Browser::open(&world, &link).await;
        browser.press("stay", &[]).await;
        let mut changes = TYPED.to_vec();
        if step == TOPICS {
            browser.press("next", &[]).await;
            changes = vec![
                ("authorizations.hiv", "on"),
                ("authorizations.genetic", "on"),
                ("authorizations.genetic.text", "<BRCA1> & more"),
            ];
        }
        let expected = changed(&browser.page, &changes, go);
        world.advance(601);
        let late = browser.submit(go, &changes).await;
        assert_eq!(late.status, StatusCode::SEE_OTHER, "{go}: {}", late.text());
        let login = world.get(&late.location()).send().await;
        let language = if go == "language:es" { "es" } else { "en" };
        assert!(login.text().contains(&format!("<html lang=\"{language}\"")), "{go}: {}", login.text());
        let next = parameter(&late.location(), "next").expect("a way back");
        let signed_in = Browser::signed_in(&world, ANNA, &next).await;
        assert!(signed_in.shows(&format!("<h1>{step}</h1>")), "{go}: {}", signed_in.page.text());
        assert_eq!(values(&signed_in.page), expected, "{go} {step}");
        let query = if step == PARTS { "" } else { "&step=topics" };
        let opened = Browser::open(&world, &format!("{link}{query}")).await;
        assert_eq!(values(&opened.page), expected, "{go} {step}: the link opened again");
    }
}

/// A patient of another issuer may have no account here.
#[tokio::test]
async fn where_nobody_can_sign_in_the_link_opens_the_saved_form_again() {
    let issuer = Issuer::new();
    let world = world_of(&issuer, false);
    let link = link_of_issuer(&world, &issuer).await;
    let browser = Browser::open(&world, &link).await;
    let expected = changed(&browser.page, &TYPED, "next");
    world.advance(601);
    let late = browser.submit("next", &TYPED).await.location();
    let login = world.get(&late).send().await;
    let text = login.text();
    assert_eq!(login.status, StatusCode::OK);
    assert!(text.contains(SAVED) && text.contains("Open the form again from your app."), "{text}");
    assert!(!text.contains("type=\"password\"") && !text.contains("<form"), "{text}");
    let mut again = Browser::open(&world, &link).await;
    assert_eq!(values(&again.page), expected);
    // The other ways to the sign-in page say where to go on, and no page leads there.
    let form = again.page.text();
    let form = form.split("method=\"post\" action=\"").nth(1).and_then(|rest| rest.split('"').next());
    for (path, sentence) in
        [(form.expect("a form"), "Open the form again from your app."), ("/my", "Go back to the app")]
    {
        let login = world.get(path).send().await.location();
        let page = world.get(&login).send().await.text();
        assert!(page.contains(sentence) && !page.contains("type=\"password\""), "{path}: {page}");
    }
    let landing = world.get("/").send().await.text();
    assert!(!landing.contains("href=\"/my\"") && !landing.contains("Sign in here"), "{landing}");
    again.press("later", &[]).await;
    assert!(again.shows("Use the same link in your app.") && !again.shows("sign in here"));
    again.get(&form.expect("a form").replace(BASE_URL, "")).await;
    for go in ["next", "next", "send"] {
        again.press(go, &[]).await;
    }
    again.get(&format!("{}?step=state", form.expect("a form"))).await;
    assert!(again.shows("Collecting") && !again.shows("href=\"/my\""), "{}", again.page.text());
}

#[tokio::test]
async fn a_wrong_password_keeps_the_saved_choices_and_the_way_back() {
    let issuer = Issuer::new();
    let world = world_of(&issuer, true);
    let link = link_of_issuer(&world, &issuer).await;
    let browser = Browser::open(&world, &link).await;
    let expected = changed(&browser.page, &TYPED, "next");
    world.advance(601);
    let late = browser.submit("next", &TYPED).await.location();
    let next = parameter(&late, "next").expect("a way back");
    let mut login = world.get(&late).send().await;
    for password in ["wrong", "still wrong", PASSWORD] {
        let text = login.text();
        assert!(text.contains(SAVED) && text.contains("open the form again from your app"), "{text}");
        let fields = ["next", "saved"].map(|name| (name, crate::review::hidden(&text, name)));
        assert_eq!(fields[0].1, next);
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend([("username", "anna"), ("password", password)]);
        login = world.post("/patient-login").form(&fields).send().await;
    }
    assert_eq!((login.status, login.location()), (StatusCode::SEE_OTHER, format!("{BASE_URL}{next}")));
    let page = world.get(&next).cookie(&login).send().await;
    assert_eq!(values(&page), expected);
}
