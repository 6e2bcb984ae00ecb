//! Mails to patients: when they are sent, to which address, and what is in them.

pub(crate) mod announced;
mod outages;
mod translated;
mod whom;

use std::path::Path;

use domain::clock::Clock;
use domain::ids::JobId;
use domain::job::Job;
use domain::retention::Retention;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::mail_server::{MailServer, Mood, Received};
use tests::{ANNA, World};

use crate::audit::{events, summary};
use crate::browsing::Browser;
use crate::logs::Captured;

const ADDRESS: &str = "anna.l@example.org";
/// The reason of a rejection, which no mail contains.
const REASON: &str = "We cannot confirm who asked";

/// Writes a lake with one patient who has these contact points.
fn lake(telecom: &Value) -> TempDir {
    let records = tempfile::tempdir().expect("a directory");
    write(records.path(), telecom);
    records
}

fn write(records: &Path, telecom: &Value) {
    let patient = json!({
        "resourceType": "Patient", "id": ANNA, "birthDate": "1961-04-12", "telecom": telecom,
        "name": [{ "given": ["Anna"], "family": "Lindqvist" }],
    });
    let observation = json!({
        "resourceType": "Observation", "id": "hiv", "status": "final", "code": { "text": "HIV test" },
        "subject": { "reference": format!("Patient/{ANNA}") },
    });
    let file = records.join(format!("Patient/{ANNA}/records.ndjson"));
    std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
    std::fs::write(file, format!("{patient}\n{observation}\n")).expect("written");
}

fn with_address() -> Value {
    json!([{ "system": "phone", "value": "+1 555 0199" }, { "system": "email", "value": ADDRESS }])
}

/// Returns the settings of a sandbox that sends its mails to this server.
fn settings(server: &MailServer) -> String {
    let pages = "pages = { office = \"Records office\", office_phone = \"+1 555 0100\" }";
    format!("sandbox = true\n{}\n{pages}", server.setting(""))
}

/// Requests a copy on the patient's own pages in a language; returns the path of its job.
async fn asked(world: &World, language: &str) -> String {
    let form = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=my");
    let mut browser = Browser::signed_in(world, ANNA, &form).await;
    browser.cookie = format!("{}; lang={language}", browser.cookie);
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    let receipt = browser.submit("send", &[]).await.location();
    let id = receipt.split("/my/exports/").nth(1).expect("a copy").split('?').next().expect("an id");
    format!("/jobs/{id}")
}

async fn approve(world: &World, job: &str) {
    let staff = world.staff().await;
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
}

async fn reject(world: &World, job: &str) {
    let staff = world.staff().await;
    let reason = json!({ "reason": REASON });
    let rejected = world.post(&format!("/admin{job}/reject")).cookie(&staff).json(&reason).send().await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text());
}

/// Sends the mails that are due, and returns what the server got.
async fn sent(world: &World, server: &MailServer) -> Vec<Received> {
    world.mail().await;
    server.take()
}

/// Returns the only mail that is due.
async fn one(world: &World, server: &MailServer) -> Received {
    let mut mails = sent(world, server).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    mails.remove(0)
}

/// Checks that a mail says nothing about the patient or the record, and has only the headers that it needs.
fn check(mail: &Received) {
    assert_eq!((mail.from.as_str(), &mail.to[..]), ("records@example.org", &[ADDRESS.to_owned()][..]));
    let text = format!("{}\n{}", mail.text, mail.body()).to_lowercase();
    for private in
        ["lindqvist", "1961", "1000", "hiv", "health", "salud", "medic", "confirm who", "code=", "token"]
    {
        assert!(!text.contains(private), "'{private}' is in {text}");
    }
    let body = mail.body();
    assert!(
        body.split_whitespace()
            .filter(|word| word.contains("://"))
            .all(|link| link == "http://localhost:8888/my")
    );
    let mut headers = mail.headers();
    headers.sort();
    let expected = [
        "auto-submitted",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "subject",
        "to",
    ];
    headers.retain(|name| name != "mime-version");
    assert_eq!(headers, expected.into_iter().filter(|name| *name != "mime-version").collect::<Vec<_>>());
}

#[tokio::test]
async fn a_patient_gets_each_mail_in_the_language_of_the_form() -> tests::Result {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let log = Captured::start();
    for (language, subject, received, ready, message) in [
        (
            "en",
            "About your request",
            "We have your request. See it: http://localhost:8888/my\n\nNot you? Call +1 555 0100.\n",
            "Your copy is ready. Sign in by March 2, 2026, 12:00 UTC: http://localhost:8888/my\n",
            "A message about your request. Sign in to read it: http://localhost:8888/my\n",
        ),
        (
            "es",
            "Sobre su solicitud",
            "Tenemos su solicitud. Véala: http://localhost:8888/my\n\n¿No fue usted? Llame al +1 555 0100.\n",
            "Su copia está lista. Inicie sesión antes del 2 de marzo de 2026, 12:00 UTC: http://localhost:8888/my\n",
            "Hay un mensaje sobre su solicitud. Inicie sesión para leerlo: http://localhost:8888/my\n",
        ),
    ] {
        let world = World::with(&settings(&server), records.path());
        let job = asked(&world, language).await;
        let mail = one(&world, &server).await;
        check(&mail);
        assert_eq!((mail.header("subject").as_str(), mail.body().as_str()), (subject, received));
        let id = job.trim_start_matches("/jobs/");
        assert_eq!(mail.header("message-id"), format!("<{id}.received@localhost>"));
        assert_eq!(mail.header("auto-submitted"), "auto-generated");
        assert!(mail.header("date").starts_with("Sun, 01 Mar 2026 12:00:00"), "{}", mail.header("date"));
        world.work().await;
        assert_eq!(sent(&world, &server).await.len(), 0, "an export that waits for staff is no news");
        approve(&world, &job).await;
        let mail = one(&world, &server).await;
        check(&mail);
        assert_eq!((mail.header("subject").as_str(), mail.body().as_str()), (subject, ready));

        let job = asked(&world, language).await;
        one(&world, &server).await;
        world.work().await;
        reject(&world, &job).await;
        let mail = one(&world, &server).await;
        check(&mail);
        assert_eq!(mail.body(), message);
        assert_eq!(sent(&world, &server).await.len(), 0, "each mail is sent once");

        let trail = events(&world, "action=mail-sent").await;
        let summaries: Vec<_> = trail.iter().map(summary).collect();
        assert_eq!(summaries, ["mail-sent by server: success"; 4]);
        assert!(!json!(trail).to_string().contains("example.org"), "{trail:?}");
    }
    assert_eq!(log.with("mail sent").len(), 8);
    assert_eq!(log.with("example.org").len(), 0, "{:?}", log.with("example.org"));
    Ok(())
}

#[tokio::test]
async fn without_a_known_language_a_mail_has_both() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    assert_eq!(sent(&world, &server).await.len(), 0, "the patient has not sent the form");
    let choices = json!({ "parameters": { "medicalRecord": { "enabled": true } } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    let mail = one(&world, &server).await;
    check(&mail);
    assert_eq!(mail.header("subject"), "About your request / Sobre su solicitud");
    assert!(mail.body().contains("We have your request.") && mail.body().contains("Tenemos su solicitud."));
}

/// The link of an app leads to the form; its language is that of the page.
#[tokio::test]
async fn the_form_of_an_app_has_a_language_too() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let token = world.token(ANNA).await;
    let response = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
    let link = response.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    let mut browser = Browser::open(&world, &link).await;
    browser.cookie = format!("{}; lang=es", browser.cookie);
    browser.press("next", &[]).await;
    browser.press("next", &[]).await;
    assert_eq!(browser.submit("send", &[]).await.status, StatusCode::SEE_OTHER);
    let mail = one(&world, &server).await;
    assert!(mail.body().starts_with("Tenemos su solicitud."), "{}", mail.body());
    assert!(!mail.body().contains("We have"), "{}", mail.body());
}

#[tokio::test]
async fn an_export_that_fails_is_a_message() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let job = asked(&world, "en").await;
    one(&world, &server).await;
    let (id, jobs) =
        (JobId::parse(job.trim_start_matches("/jobs/")).expect("an id"), world.platform().jobs());
    let stored = jobs.get(&id).await.expect("a response").expect("a job");
    let (now, retention) = (world.clock().now(), Retention::default());
    let reason = "the HIV test of Anna Lindqvist is damaged";
    let failed = stored.job.fail(reason, "exception", "task", now, &retention).expect("it can fail");
    jobs.replace(&Job::Failed(failed), stored.version).await.expect("replaced");
    let mail = one(&world, &server).await;
    check(&mail);
    assert!(mail.body().starts_with("A message about your request."), "{}", mail.body());
}

#[tokio::test]
async fn a_copy_that_is_deleted_before_its_mail_causes_none() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(sent(&world, &server).await.len(), 0);
    let job = world.exported(&token, ANNA).await;
    server.set(Mood::Refuses(451));
    world.mail().await;
    server.set(Mood::Accepts);
    world.advance(2 * 86_400);
    assert_eq!(sent(&world, &server).await.len(), 0, "{job} has expired");
    assert_eq!(events(&world, "action=mail-sent").await.len(), 0);
}

/// Staff can undo a deletion. The patient has had the mail already.
#[tokio::test]
async fn a_restored_copy_causes_no_second_mail() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    one(&world, &server).await;
    let staff = world.staff().await;
    let path = format!("/staff{job}/delete");
    let asked = world.get(&path).cookie(&staff).send().await.text();
    let version = asked.split("name=\"version\" value=\"").nth(1).expect("a version");
    let version = [("version", version.split('"').next().unwrap_or_default())];
    let deleted = world.post(&path).cookie(&staff).form(&version).send().await;
    assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
    let undone = world.post(&format!("/staff{job}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text());
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK, "it is restored");
    assert_eq!(sent(&world, &server).await.len(), 0);
}
