//! Who gets mails, and who does not.

use domain::ids::JobId;
use http::StatusCode;
use serde_json::{Value, json};
use tests::mail_server::MailServer;
use tests::{ANNA, World};

use super::{ADDRESS, approve, asked, check, lake, one, reject, sent, settings, with_address};
use crate::logs::Captured;
use crate::started::{unchanged_form, with_texts};
use crate::tokens::{Issuer, claims};

/// Returns the stored job as text.
async fn stored(world: &World, job: &str) -> String {
    let id = JobId::parse(job.trim_start_matches("/jobs/")).expect("an id");
    let stored = world.platform().jobs().get(&id).await.expect("a response").expect("a job");
    serde_json::to_string(&stored.job).expect("JSON")
}

/// Runs an export that staff start; returns the path of its job.
async fn started_by_staff(world: &World, form: &str) -> String {
    let staff = world.staff().await;
    let (fields, _) = unchanged_form(world, &staff, form).await;
    let fields = with_texts(fields, &[("receiver", "the patient"), ("reason", "she asked by phone")]);
    let started = world.post(form).cookie(&staff).form(&fields).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    started.location().split_once("/staff").expect("a page of staff").1.to_owned()
}

#[tokio::test]
async fn an_export_that_staff_start_causes_only_the_mail_that_it_is_ready() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let form = format!("/staff/patients/{ANNA}/export");
    let job = started_by_staff(&world, &form).await;
    world.work().await;
    assert_eq!(sent(&world, &server).await.len(), 0);
    approve(&world, &job).await;
    let mail = one(&world, &server).await;
    check(&mail);
    assert!(mail.body().contains("Your copy is ready.") && mail.body().contains("Su copia está lista."));
    let job = started_by_staff(&world, &form).await;
    world.work().await;
    reject(&world, &job).await;
    assert_eq!(sent(&world, &server).await.len(), 0, "the patient has asked for nothing");
}

#[tokio::test]
async fn no_bulk_export_causes_a_mail() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let group = json!({
        "resourceType": "Group", "id": "everyone", "type": "person", "actual": true,
        "member": [{ "entity": { "reference": format!("Patient/{ANNA}") } }],
    });
    std::fs::create_dir(records.path().join("Group")).expect("a directory");
    std::fs::write(records.path().join("Group/everyone.json"), group.to_string()).expect("written");
    let world = World::with(&settings(&server), records.path());
    let service = world.service("service", "system/*.rs system/$ehi-export").await;
    for path in ["/fhir/Patient/$export", "/fhir/Group/everyone/$export"] {
        let started = world.get(path).bearer(&service).send().await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
    }
    let of_group = started_by_staff(&world, "/staff/groups/everyone/export").await;
    world.work().await;
    approve(&world, &of_group).await;
    assert_eq!(sent(&world, &server).await.len(), 0);
    assert_eq!(server.calls(), 0);
}

/// A clinician's app has the patient in its context. The patient did not ask for the export.
#[tokio::test]
async fn an_export_of_a_clinician_causes_no_mail() {
    let (server, issuer) = (MailServer::start().await, Issuer::new());
    let records = lake(&with_address());
    let trusted =
        format!("issuers = [{{ issuer = \"https://login.example.org\", jwks = '{}' }}]", issuer.jwks());
    let world = World::with(&format!("{}\n{trusted}", settings(&server)), records.path());
    for (user, mails) in [("Practitioner/who".to_owned(), 0), (format!("Patient/{ANNA}"), 2)] {
        let mut claims = claims();
        (claims["roles"], claims["fhirUser"]) = (json!([]), json!(user));
        let token = issuer.token(&claims);
        let job = world.kick_off(&token, "/auto-approve", ANNA).await;
        let choices = json!({ "parameters": { "medicalRecord": { "enabled": true } } });
        let chosen = world.post(&job).bearer(&token).json(&choices).send().await;
        assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
        world.work().await;
        assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
        assert_eq!(sent(&world, &server).await.len(), mails, "{user}");
    }
}

/// Runs an export of a patient with these contact points; returns its stored job.
async fn silent(server: &MailServer, telecom: &Value) -> String {
    let records = lake(telecom);
    let world = World::with(&settings(server), records.path());
    let job = asked(&world, "en").await;
    world.work().await;
    approve(&world, &job).await;
    assert_eq!(sent(&world, server).await.len(), 0, "{telecom}");
    stored(&world, &job).await
}

#[tokio::test]
async fn a_patient_without_a_usable_address_gets_no_mail() {
    let (server, log) = (MailServer::start().await, Captured::start());
    for telecom in [
        json!([]),
        json!([{ "system": "phone", "value": "+1 555 0199" }]),
        json!([{ "system": "email", "value": ADDRESS, "use": "old" }]),
        json!([{ "system": "email", "value": ADDRESS, "period": { "end": "2026-02-28" } }]),
        json!([{ "system": "email", "value": format!("{ADDRESS}\r\nBcc: eve@example.org") }]),
        json!([{ "system": "email", "value": format!("{ADDRESS}>\r\nDATA\r\n") }]),
        json!([{ "system": "email", "value": format!("{ADDRESS},eve@example.org") }]),
        json!([{ "system": "email", "value": "Anna <anna.l@example.org>" }]),
    ] {
        let job = silent(&server, &telecom).await;
        assert!(!job.contains("anna.l@"), "{job}");
    }
    assert_eq!(server.calls(), 0);
    assert_eq!(log.with("example.org").len(), 0);
}

#[tokio::test]
async fn one_address_gets_the_mail() {
    let server = MailServer::start().await;
    let records = lake(&json!([
        { "system": "email", "value": "work@example.org", "rank": 2 },
        { "system": "email", "value": "eve@example.org\nBcc: x@example.org", "rank": 0 },
        { "system": "email", "value": ADDRESS, "rank": 1 },
    ]));
    let world = World::with(&settings(&server), records.path());
    let job = asked(&world, "en").await;
    check(&one(&world, &server).await);
    // The address is in the job and nowhere else: no page and no API shows it.
    assert!(stored(&world, &job).await.contains(ADDRESS));
    let staff = world.staff().await;
    for path in
        [format!("/admin{job}"), format!("/staff{job}"), "/admin/jobs".to_owned(), "/staff".to_owned()]
    {
        let shown = world.get(&path).cookie(&staff).send().await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(!shown.text().contains("@example.org"), "{path}: {}", shown.text());
    }
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_sent_and_no_address_is_stored() {
    let records = lake(&with_address());
    let world = World::with("sandbox = true", records.path());
    let job = asked(&world, "en").await;
    world.work().await;
    approve(&world, &job).await;
    assert!(world.platform().outbox().is_none());
    assert!(!stored(&world, &job).await.contains("@example.org"));
}

#[tokio::test]
async fn the_sender_and_the_password_are_those_of_the_settings() {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let more = ", user = \"mailer\", password = \"a secret word\", reply_to = \"office@example.org\"";
    let world = World::with(&format!("sandbox = true\n{}", server.setting(more)), records.path());
    asked(&world, "en").await;
    let mail = one(&world, &server).await;
    assert_eq!(server.credentials().as_deref(), Some("mailer:a secret word"));
    assert_eq!(
        (mail.header("from").as_str(), mail.header("reply-to").as_str()),
        ("records@example.org", "office@example.org")
    );
    assert_eq!(
        mail.body(),
        "We have your request. See it: http://localhost:8888/my\n",
        "no phone is in the settings"
    );
}
