//! Approval, rejection, deletion and undo on the page of an export.

use aws_lc_rs::digest;
use domain::audit::{Action, Outcome};
use domain::clock::hex;
use domain::job::Job;
use domain::ports::audit::AuditQuery;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::Value;
use tests::{ANNA, BRUNO, World, both_hosts, text};

use super::{decide, hidden, link, page};
use crate::admin::in_review;

/// Returns the number of entries in a job's history whose action begins with `what`.
async fn events(world: &World, staff: &tests::TestResponse, job: &str, what: &str) -> usize {
    let shown = world.get(&format!("/admin{job}")).cookie(staff).send().await.json();
    let history = shown["history"].as_array().expect("a history").clone();
    history.iter().filter(|event| text(&event["what"]).starts_with(what)).count()
}

#[both_hosts]
async fn a_second_click_says_who_decided_and_changes_nothing(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let path = format!("/staff{job}/approve");
    let question = page(&world, &staff, &path).await;
    for expected in ["98 resources", "8 documents", "Nobody has opened 8 documents"] {
        assert!(question.contains(expected), "{expected}: {question}");
    }
    // Another patient can have the same name.
    for decision in ["approve", "reject", "delete"] {
        let question = page(&world, &staff, &format!("/staff{job}/{decision}")).await;
        for part in ["Anna Lindqvist", "April 12, 1961", "MRN-1000", ANNA] {
            assert!(question.contains(part), "{decision}, {part}: {question}");
        }
    }
    let version = hidden(&question, "version");
    let first = decide(&world, &staff, &path, &version, &[]).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text());
    for path in [&path, &format!("/staff{job}/reject")] {
        let again = decide(&world, &staff, path, &version, &[("because", "twice")]).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        let said = again.text();
        let parts = ["Approved already by admin at ", " UTC."];
        assert!(parts.iter().all(|part| said.contains(part)), "the time has its zone: {said}");
    }
    assert_eq!(events(&world, &staff, &job, "approved").await, 1);
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    let late = world.get(&path).cookie(&staff).send().await;
    assert_eq!(late.status, StatusCode::CONFLICT, "the page does not ask any more");
}

#[both_hosts]
async fn of_two_simultaneous_reviewers_one_decides_and_the_other_gets_a_conflict(world: World) {
    for _ in 0..5 {
        let (job, _, staff) = in_review(&world).await;
        let version = hidden(&page(&world, &staff, &format!("/staff{job}/approve")).await, "version");
        let (approve, reject) = (format!("/staff{job}/approve"), format!("/staff{job}/reject"));
        let (one, two) = tokio::join!(
            decide(&world, &staff, &approve, &version, &[]),
            decide(&world, &staff, &reject, &version, &[("because", "identity")]),
        );
        let lost = match (one.status, two.status) {
            (StatusCode::SEE_OTHER, StatusCode::CONFLICT) => two,
            (StatusCode::CONFLICT, StatusCode::SEE_OTHER) => one,
            others => panic!("{others:?}"),
        };
        assert!(lost.text().contains("already by admin"), "{}", lost.text());
        let decided =
            events(&world, &staff, &job, "approved").await + events(&world, &staff, &job, "rejected").await;
        assert_eq!(decided, 1);
    }
}

#[both_hosts]
async fn a_decision_about_an_older_version_is_refused(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let path = format!("/staff{job}/approve");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    let letter: [(&str, &str, &[u8]); 1] = [("letter.txt", "text/plain", b"With regards")];
    world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&letter).send().await;
    let stale = decide(&world, &staff, &path, &version, &[]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(stale.text().contains("was changed since you opened the page"), "{}", stale.text());
    let unversioned = world.post(&path).cookie(&staff).form::<&str, &str>(&[]).send().await;
    assert_eq!(unversioned.status, StatusCode::BAD_REQUEST);
    assert_eq!(events(&world, &staff, &job, "approved").await, 0);
    let version = hidden(&page(&world, &staff, &path).await, "version");
    assert_eq!(decide(&world, &staff, &path, &version, &[]).await.status, StatusCode::SEE_OTHER);
}

#[both_hosts]
async fn the_typed_reason_is_shown_again_if_the_export_was_changed_meanwhile(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let path = format!("/staff{job}/reject");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    let letter: [(&str, &str, &[u8]); 1] = [("letter.txt", "text/plain", b"With regards")];
    world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&letter).send().await;
    // Also if something else is wrong with the form: the new version must not be taken for the one that was seen.
    for typed in [&[("because", "other"), ("reason", "typed words")][..], &[("reason", "typed words")]] {
        let stale = decide(&world, &staff, &path, &version, typed).await;
        assert_eq!(stale.status, StatusCode::CONFLICT);
        let shown = stale.text();
        assert!(shown.contains("was changed since you opened the page"), "{shown}");
        assert!(shown.contains("typed words</textarea>"), "{shown}");
        assert_eq!(shown.contains("value=\"other\" checked"), typed.len() == 2, "{shown}");
        assert_ne!(hidden(&shown, "version"), version);
    }
    assert_eq!(events(&world, &staff, &job, "rejected").await, 0);
    let typed = [("because", "other"), ("reason", "typed words")];
    let shown = decide(&world, &staff, &path, &version, &typed).await.text();
    let done = decide(&world, &staff, &path, &hidden(&shown, "version"), &typed).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let outcome = world.status(&token, &job).await.outcome();
    assert!(outcome.contains("typed words"), "{outcome}");
}

#[both_hosts]
async fn the_patient_reads_why_an_export_is_rejected(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let path = format!("/staff{job}/reject");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    for (fields, expected) in [
        (&[("reason", "typed words")][..], "Choose a reason"),
        (&[("because", "nothing")], "Choose a reason"),
        (&[("because", "other"), ("reason", " ")], "Write the reason"),
    ] {
        let refused = decide(&world, &staff, &path, &version, fields).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains(expected), "{expected}: {}", refused.text());
    }
    let typed = decide(&world, &staff, &path, &version, &[("reason", "typed words")]).await.text();
    assert!(typed.contains("typed words"), "the typed text is kept: {typed}");
    let fields = [("because", "harm"), ("reason", "Ask Dr. <b>Who</b>.")];
    assert_eq!(decide(&world, &staff, &path, &version, &fields).await.status, StatusCode::SEE_OTHER);
    let status = world.status(&token, &job).await;
    let outcome = status.outcome();
    assert!(outcome.contains("second look by another clinician. Ask Dr. <b>Who</b>."), "{outcome}");
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains("&#60;b&#62;Who") && !shown.contains("<b>"), "{shown}");
}

/// Returns the URL and the hash of each file of a complete export. The hashes are those of the files that the app gets.
async fn hashes(world: &World, token: &str, job: &str) -> Vec<Value> {
    let manifest = world.status(token, job).await.json();
    let files = manifest["output"].as_array().expect("files");
    assert!(!files.is_empty(), "{manifest}");
    for file in files {
        let received = world.get(&text(&file["url"])).bearer(token).send().await;
        assert_eq!(received.status, StatusCode::OK);
        let hash = hex(digest::digest(&digest::SHA256, &received.body).as_ref());
        assert_eq!(file["extension"]["sha256"], hash, "{file}");
    }
    files.clone()
}

#[both_hosts]
async fn a_deleted_export_is_gone_at_once_and_can_be_restored(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let before = hashes(&world, &token, &job).await;
    let staff = world.staff().await;
    let (path, undo) = (format!("/staff{job}/delete"), format!("/staff{job}/undo"));
    assert_eq!(
        world.post(&undo).cookie(&staff).send().await.status,
        StatusCode::NOT_FOUND,
        "it is not deleted"
    );
    for _ in 0..2 {
        let question = page(&world, &staff, &path).await;
        assert!(question.contains("You can undo this until "), "{question}");
        let version = hidden(&question, "version");
        let deleted = decide(&world, &staff, &path, &version, &[]).await;
        assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
        for file in &before {
            let gone = world.get(&text(&file["url"])).bearer(&token).send().await;
            assert_eq!(gone.status, StatusCode::NOT_FOUND);
        }
        assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
        assert_eq!(
            world.get(&format!("/admin{job}")).cookie(&staff).send().await.status,
            StatusCode::NOT_FOUND
        );
        let again = decide(&world, &staff, &path, &version, &[]).await;
        assert_eq!((again.status, again.location()), (StatusCode::SEE_OTHER, deleted.location()));
        let shown = page(&world, &staff, &format!("/staff{job}")).await;
        assert!(shown.contains("Deleted by admin at") && shown.contains("Undo the deletion"), "{shown}");
        assert_eq!(world.post(&undo).cookie(&staff).send().await.status, StatusCode::SEE_OTHER);
        assert_eq!(hashes(&world, &token, &job).await, before);
    }
    assert_eq!(events(&world, &staff, &job, "undid the deletion").await, 2);
    let at_once = world.request(Method::DELETE, &format!("/admin{job}")).cookie(&staff).send().await;
    assert_eq!(at_once.status, StatusCode::OK);
    assert_eq!(
        world.post(&undo).cookie(&staff).send().await.status,
        StatusCode::NOT_FOUND,
        "the API deletes"
    );
}

/// The app wants the files to be gone, as the patient does who withdraws: staff cannot bring them back for it.
#[tokio::test]
async fn an_app_that_deletes_what_staff_deleted_ends_the_undo() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let staff = world.staff().await;
    let (page_path, path) = (format!("/staff{job}"), format!("/staff{job}/delete"));
    let version = hidden(&page(&world, &staff, &path).await, "version");
    decide(&world, &staff, &path, &version, &[]).await;
    let files = world.platform().files();
    assert!(!files.list("exports/").await?.is_empty(), "staff can bring them back");
    let delete = |token: &str| world.request(Method::DELETE, &format!("{job}/status")).bearer(token).send();
    let stranger = world.token(BRUNO).await;
    assert_eq!(delete(&stranger).await.status, StatusCode::NOT_FOUND);
    assert!(page(&world, &staff, &page_path).await.contains("Undo the deletion"), "it is another patient's");
    // It is gone for the app, before and after.
    for _ in 0..2 {
        assert_eq!(delete(&token).await.status, StatusCode::NOT_FOUND);
        assert!(files.list("exports/").await?.is_empty());
    }
    let shown = page(&world, &staff, &page_path).await;
    assert!(shown.contains("the app deleted the export as well, at "), "{shown}");
    assert!(!shown.contains("Undo the deletion"), "{shown}");
    let undone = world.post(&format!("{page_path}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::CONFLICT, "{}", undone.text());
    assert!(
        undone.text().contains("The deletion was not undone: the patient or the app"),
        "{}",
        undone.text()
    );
    Ok(())
}

/// Returns a complete copy with a private topic, and the path of its page.
async fn private_copy(world: &World) -> (String, String) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    let choices = serde_json::json!({
        "parameters": { "labs": { "enabled": true } }, "authorizations": { "hiv": { "value": true } },
    });
    assert_eq!(world.post(&job).bearer(&token).json(&choices).send().await.status, StatusCode::OK);
    world.work().await;
    (format!("/staff{job}"), job)
}

/// Gives the deletion of a copy the time of the settings to undo it, as the version before did.
async fn with_longer_undo(world: &World, job: &str) -> tests::Result {
    let jobs = world.platform().jobs();
    let stored = jobs.get(&tests::packs::job_id(job)).await?.expect("a job");
    let Job::Cancelled(mut gone) = stored.job else { panic!("it is not deleted") };
    let undo = gone.undo.as_mut().expect("it can be undone");
    undo.until = undo.until.saturating_add(SignedDuration::from_hours(24))?;
    jobs.replace(&Job::Cancelled(gone), stored.version).await?;
    Ok(())
}

#[tokio::test]
async fn a_deletion_can_be_undone_until_the_permission_for_private_topics_ends() -> tests::Result {
    for is_of_former_version in [false, true] {
        let settings = "sandbox = true\nundo_hours = 48\npages.due_days = 1";
        let world = World::with(settings, &ehi::defaults::sample_records());
        let (path, job) = private_copy(&world).await;
        world.advance(6 * 3600);
        let staff = world.staff().await;
        let question = page(&world, &staff, &format!("{path}/delete")).await;
        assert!(question.contains("You can undo this until March 2, 2026, 12:00 UTC."), "{question}");
        decide(&world, &staff, &format!("{path}/delete"), &hidden(&question, "version"), &[]).await;
        if is_of_former_version {
            with_longer_undo(&world, &job).await?;
        }
        world.advance(18 * 3600 - 1);
        let staff = world.staff().await;
        assert!(page(&world, &staff, &path).await.contains("Undo the deletion"));
        world.advance(2);
        let undone = world.post(&format!("{path}/undo")).cookie(&staff).send().await;
        assert_eq!(undone.status, StatusCode::NOT_FOUND, "{}", undone.text());
        let shown = page(&world, &staff, &path).await;
        assert_eq!(shown.contains("The deletion cannot be undone."), !is_of_former_version, "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn a_deletion_is_final_after_its_undo_time() -> tests::Result {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let path = format!("/staff{job}");
    let version = hidden(&page(&world, &staff, &format!("{path}/delete")).await, "version");
    decide(&world, &staff, &format!("{path}/delete"), &version, &[]).await;
    let files = world.platform().files();
    world.clean().await;
    assert!(!files.list("exports/").await?.is_empty(), "its files are kept until then");
    world.advance(24 * 3600 - 1);
    world.clean().await;
    assert!(!files.list("exports/").await?.is_empty());
    world.advance(1);
    let staff = world.staff().await;
    let undone = world.post(&format!("{path}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::NOT_FOUND);
    assert!(page(&world, &staff, &path).await.contains("The deletion cannot be undone."));
    world.clean().await;
    assert!(files.list("exports/").await?.is_empty());
    Ok(())
}

/// An export on which workers work, or that is queued, is deleted at once; with `undo_hours = 0` every export is.
#[tokio::test]
async fn an_export_that_cannot_be_restored_is_deleted_at_once() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let queued = world.kick_off(&token, "/no-form", ANNA).await;
    let question = page(&world, &staff, &format!("/staff{queued}/delete")).await;
    assert!(question.contains("This cannot be undone"), "{question}");
    let deleted =
        decide(&world, &staff, &format!("/staff{queued}/delete"), &hidden(&question, "version"), &[]).await;
    assert!(deleted.location().ends_with("/staff"), "{}", deleted.location());
    let shown = page(&world, &staff, &format!("/staff{queued}")).await;
    assert!(shown.contains("The deletion cannot be undone."), "{shown}");
    let world = World::with("sandbox = true\nundo_hours = 0", &ehi::defaults::sample_records());
    let (job, _, staff) = in_review(&world).await;
    let question = page(&world, &staff, &format!("/staff{job}/delete")).await;
    assert!(question.contains("This cannot be undone"), "{question}");
    decide(&world, &staff, &format!("/staff{job}/delete"), &hidden(&question, "version"), &[]).await;
    assert!(world.platform().files().list("exports/").await?.is_empty());
    Ok(())
}

/// Returns the entries of the audit trail about a job since the last call, oldest first: the actions and their objects.
async fn trail(world: &World, known: &mut usize) -> Vec<(Action, Outcome, Option<String>)> {
    let query = AuditQuery { count: 1_000, ..AuditQuery::default() };
    let mut entries = world.platform().audit().list(&query).await.expect("the trail").entries;
    entries.reverse();
    let new = entries.split_off(*known);
    *known += new.len();
    new.into_iter().map(|entry| (entry.event.action, entry.event.outcome, entry.event.object)).collect()
}

#[tokio::test]
async fn a_view_and_a_decision_are_one_event_each() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let (mut known, path) = (0, format!("/staff{job}"));
    trail(&world, &mut known).await;
    let viewed =
        |object: Option<&str>| vec![(Action::RecordViewed, Outcome::Success, object.map(str::to_owned))];
    let shown = page(&world, &staff, &path).await;
    assert_eq!(trail(&world, &mut known).await, viewed(None));
    let rows = page(&world, &staff, &link(&shown, "/files/Observation.ndjson")).await;
    assert_eq!(trail(&world, &mut known).await, viewed(Some("Observation.ndjson")));
    let one = page(&world, &staff, &link(&rows, "one=1")).await;
    assert_eq!(trail(&world, &mut known).await, viewed(Some("Observation.ndjson")));
    world.get(&link(&shown, "/documents/")).cookie(&staff).send().await;
    assert_eq!(trail(&world, &mut known).await, viewed(Some("document")));
    let question = page(&world, &staff, &link(&one, "/leave-out?")).await;
    assert_eq!(trail(&world, &mut known).await, viewed(Some("question")));
    let values = ["version", "file", "at", "hash"].map(|name| (name, hidden(&question, name)));
    let mut fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("reason", "It is about another person."));
    world.post(&format!("{path}/leave-out")).cookie(&staff).form(&fields).send().await;
    let redacted = (Action::Redacted, Outcome::Success, Some("Observation.ndjson".to_owned()));
    assert_eq!(trail(&world, &mut known).await, [redacted]);
    for (decision, action) in [("approve", Action::Approved), ("delete", Action::Deleted)] {
        let version = hidden(&page(&world, &staff, &format!("{path}/{decision}")).await, "version");
        for _ in 0..2 {
            decide(&world, &staff, &format!("{path}/{decision}"), &version, &[]).await;
        }
        let of_decision = trail(&world, &mut known).await;
        let decisions = of_decision.iter().filter(|(of, ..)| *of != Action::RecordViewed);
        assert_eq!(decisions.cloned().collect::<Vec<_>>(), [(action, Outcome::Success, None)], "{decision}");
    }
    world.post(&format!("{path}/undo")).cookie(&staff).send().await;
    assert_eq!(trail(&world, &mut known).await, [(Action::Restored, Outcome::Success, None)]);
}
