//! The patient's own pages.

use http::{Method, StatusCode};
use tests::faults::{Faults, Faulty, Strike};
use tests::{ANNA, TestResponse, World};

use super::{check, visit, world};
use crate::my::{approved, requested_copy, signed_in};
use crate::review::{decide, hidden, left_out};
use crate::tokens::{Issuer, claims};

/// Lets all exports fail that are not collected yet: once, or so often that they have failed.
async fn let_fail(world: &World, times: usize) {
    let faulty = Faulty::new(world.platform().clone(), Faults::at(0, Strike::Defect));
    let worker = export_generator::worker(&faulty).expect("its ports");
    let inbox = faulty.inbox();
    for _ in 0..times {
        while matches!(
            ehi::worker::step(&*inbox, &*worker, &domain::ports::queue::NoDeadline).await,
            Ok(true)
        ) {}
        world.advance(30);
    }
}

/// Sends a decision of staff, who read English.
async fn decided(world: &World, copy: &str, decision: &str, fields: &[(&str, &str)]) {
    let staff = world.staff().await;
    let path = copy.replace("/my/exports/", "/staff/jobs/") + "/" + decision;
    let version = hidden(&world.get(&path).cookie(&staff).send().await.text(), "version");
    let done = decide(world, &staff, &path, &version, fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{decision}: {}", done.text());
}

/// Visits the page of a copy, the page of its form, and the page that asks before the copy ends.
async fn visit_copy(world: &World, session: &TestResponse, copy: &str, state: &str) {
    let cookie = session.cookie();
    for path in [copy.to_owned(), copy.replace("/my/exports/", "/jobs/") + "/customize", "/my".to_owned()] {
        let shown = visit(world, &cookie, &path).await;
        assert!(shown.contains(&format!("⟦state-{state}⟧")), "{path} {state}: {shown}");
    }
    visit(world, &cookie, &format!("{copy}?live=1")).await;
    for question in ["cancel", "take-back"] {
        let asked = world.get(&format!("{copy}/{question}")).header("cookie", &format!("{cookie}; lang=es"));
        let asked = asked.send().await;
        if asked.status == StatusCode::OK {
            check(&asked, question);
        }
    }
}

#[tokio::test]
async fn the_copies_of_a_patient_have_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let session = signed_in(&world, ANNA).await;
    visit(&world, &session.cookie(), "/my").await;
    let copy = requested_copy(&world, &session, &["hiv", "alcoholAndDrug"]).await;
    visit_copy(&world, &session, &copy, "queued").await;
    world.work().await;
    visit_copy(&world, &session, &copy, "in-review").await;
    let staff = world.staff().await;
    let job = copy.replace("/my/exports/", "/jobs/");
    let (question, _) = left_out::ask(&world, &staff, &job, "Observation").await;
    let done = left_out::leave_out(&world, &staff, &job, &question, "It is about another person.").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    approved(&world, &copy).await;
    visit_copy(&world, &session, &copy, "complete").await;
    for said in ["sent", "already", "cancelled", "deleted", "taken-back", "stopped"] {
        for path in [&*copy, "/my", "/my/apps"] {
            let shown = visit(&world, &session.cookie(), &format!("{path}?said={said}")).await;
            assert!(shown.contains(&format!("⟦my-said-{said}⟧")), "{said}");
        }
    }
    decided(&world, &copy, "delete", &[]).await;
    let shown = visit(&world, &session.cookie(), &copy).await;
    assert!(shown.contains("⟦my-next-restorable⟧"), "{shown}");
    visit_copy(&world, &session, &copy, "cancelled").await;
    for because in ["identity", "twice", "person", "harm", "other"] {
        let copy = requested_copy(&world, &session, &[]).await;
        world.work().await;
        let reason = if because == "other" { "Call us." } else { "" };
        decided(&world, &copy, "reject", &[("because", because), ("reason", reason)]).await;
        visit_copy(&world, &session, &copy, "rejected").await;
    }
    let failed = requested_copy(&world, &session, &[]).await;
    let_fail(&world, 1).await;
    visit_copy(&world, &session, &failed, "running").await;
    let_fail(&world, 60).await;
    let session = signed_in(&world, ANNA).await;
    visit_copy(&world, &session, &failed, "failed").await;
    let expired = requested_copy(&world, &session, &[]).await;
    world.work().await;
    approved(&world, &expired).await;
    world.advance(25 * 3600);
    let session = signed_in(&world, ANNA).await;
    visit_copy(&world, &session, &expired, "expired").await;
}

#[tokio::test]
async fn the_copies_of_apps_have_only_texts_of_the_catalogue() {
    let world = world("sandbox = true");
    let token = world.token(ANNA).await;
    world.tokens("other-app", ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let session = signed_in(&world, ANNA).await;
    let copy = job.replace("/jobs/", "/my/exports/");
    for path in [&*copy, "/my", "/my/apps", "/my/apps/stop?app=app", "/my/sign-out-everywhere"] {
        visit(&world, &session.cookie(), path).await;
    }
    let complete = world.exported(&token, ANNA).await.replace("/jobs/", "/my/exports/");
    visit_copy(&world, &session, &complete, "complete").await;
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    visit_copy(&world, &session, &copy, "cancelled").await;
}

/// A clinician's app may have the patient's permission for an export that is not the patient's own.
#[tokio::test]
async fn the_copies_of_another_issuer_have_only_texts_of_the_catalogue() {
    let issuer = Issuer::new();
    let jwks = issuer.jwks();
    let world = world(&format!(
        "sandbox = true\nissuers = [{{ issuer = \"https://login.example.org\", jwks = '{jwks}' }}]"
    ));
    let session = signed_in(&world, ANNA).await;
    let mut claims = claims();
    (claims["roles"], claims["fhirUser"]) = (serde_json::json!([]), "Practitioner/who".into());
    let job = world.kick_off(&issuer.token(&claims), "", ANNA).await;
    crate::my::filled_in(&world, &session, &format!("{job}/customize"), &["hiv"]).await;
    let copy = job.replace("/jobs/", "/my/exports/");
    visit_copy(&world, &session, &copy, "queued").await;
    world.work().await;
    approved(&world, &copy).await;
    visit_copy(&world, &session, &copy, "complete").await;
    world.post(&format!("{copy}/take-back")).cookie(&session).send().await;
    visit_copy(&world, &session, &copy, "cancelled").await;
}
