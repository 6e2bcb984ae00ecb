//! The end of an export on the pages of staff: until when a deletion can be undone, and how an export has ended.

use domain::audit::Action;
use domain::ports::audit::AuditQuery;
use http::{Method, StatusCode};
use tests::{ANNA, TestResponse, World};

use super::{decide, hidden, page};
use crate::my::{approved, requested_copy, signed_in};

/// Deletes an export as its page does, after the page has asked; returns the question.
async fn deleted(world: &World, staff: &TestResponse, path: &str) -> String {
    let question = page(world, staff, &format!("{path}/delete")).await;
    let done = decide(world, staff, &format!("{path}/delete"), &hidden(&question, "version"), &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert!(done.location().ends_with(path), "it can be undone: {}", done.location());
    question
}

/// Returns a complete copy that Anna requested on her pages: the path of its page there, and of the one for staff.
async fn complete_copy(world: &World) -> (String, String) {
    let session = signed_in(world, ANNA).await;
    let copy = requested_copy(world, &session, &[]).await;
    world.work().await;
    approved(world, &copy).await;
    let path = copy.replace("/my/exports/", "/staff/jobs/");
    (copy, path)
}

/// Checks that the pages of staff and of the patient name this time, until which a deletion can be undone.
async fn all_name(world: &World, staff: &TestResponse, (copy, path): (&str, &str), until: &str) {
    let shown = page(world, staff, path).await;
    assert!(shown.contains(&format!("It can be brought back until {until}.")), "{shown}");
    let list = page(world, staff, "/staff?tab=deleted").await;
    assert!(list.contains(&format!("You can undo it until {until}.")), "{list}");
    let patient = signed_in(world, ANNA).await;
    let form = copy.replace("/my/exports/", "/jobs/") + "/customize";
    for address in ["/my", copy, &form] {
        let shown = world.get(address).cookie(&patient).send().await.text();
        assert!(shown.contains(&format!("They can bring it back until {until},")), "{address}: {shown}");
    }
}

/// Check 37: all pages name the same time for the undo, which is not after the end of the export's own retention. Until then the
/// deletion can be undone, and not later.
#[tokio::test]
async fn a_deletion_can_be_undone_until_the_time_that_all_pages_name() -> tests::Result {
    for hours in [24, 168] {
        let settings = format!("sandbox = true\nundo_hours = {hours}");
        let world = World::with(&settings, &ehi::defaults::sample_records());
        let (copy, path) = complete_copy(&world).await;
        // The copy is kept for a day.
        let until = "March 2, 2026, 12:00 UTC";
        // The second deletion is in the last second of this day.
        for waited in [20 * 3600, 4 * 3600 - 1] {
            world.advance(waited);
            let staff = world.staff().await;
            world.post(&format!("{path}/undo")).cookie(&staff).send().await;
            assert!(page(&world, &staff, &path).await.contains("Ready"), "it is there, or there again");
            let question = deleted(&world, &staff, &path).await;
            assert!(question.contains(&format!("You can undo this until {until}.")), "{question}");
            all_name(&world, &staff, (&copy, &path), until).await;
        }
        world.advance(1);
        let staff = world.staff().await;
        let undone = world.post(&format!("{path}/undo")).cookie(&staff).send().await;
        assert_eq!(undone.status, StatusCode::NOT_FOUND, "{}", undone.text());
        let shown = page(&world, &staff, &path).await;
        assert!(shown.contains("The deletion cannot be undone.") && !shown.contains("/undo\""), "{shown}");
        world.clean().await;
        assert_eq!(world.platform().files().list("exports/").await?, Vec::<String>::new());
    }
    Ok(())
}

/// The time of the settings begins when staff delete the export, if the export itself is kept for longer.
#[tokio::test]
async fn a_deletion_can_be_undone_for_the_time_of_the_settings() {
    let settings = "sandbox = true\nundo_hours = 3\nretention_seconds = 864000";
    let world = World::with(settings, &ehi::defaults::sample_records());
    let (copy, path) = complete_copy(&world).await;
    world.advance(3600);
    let staff = world.staff().await;
    let until = "March 1, 2026, 16:00 UTC";
    let question = deleted(&world, &staff, &path).await;
    assert!(question.contains(&format!("You can undo this until {until}.")), "{question}");
    all_name(&world, &staff, (&copy, &path), until).await;
    world.advance(3 * 3600);
    let staff = world.staff().await;
    let undone = world.post(&format!("{path}/undo")).cookie(&staff).send().await;
    assert_eq!(undone.status, StatusCode::NOT_FOUND, "{}", undone.text());
}

/// Searches for the number of an export as staff; returns the page to which it leads.
async fn numbered(world: &World, path: &str) -> String {
    let staff = world.staff().await;
    let number = path.rsplit('/').next().expect("a number");
    let found = world.get(&format!("/staff?q={number}")).cookie(&staff).send().await;
    assert!(found.location().ends_with(path), "{}: {}", found.location(), found.text());
    page(world, &staff, path).await
}

/// Checks the page of an export of Anna that has ended: the state, how, by whom and when it ended, and nothing of the record.
fn says(shown: &str, state: &str, how: &str) {
    let state = format!("<span class=\"state gone\">{state}</span>");
    for part in
        [&*state, how, "Anna Lindqvist", "April 12, 1961", "MRN-1000", "This export is no longer here"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let links: Vec<_> = shown.split("/staff/jobs/").skip(1).collect();
    assert!(!shown.contains("Observation"), "{shown}");
    assert!(links.iter().all(|link| !link.contains("/files/") && !link.contains("/undo")), "{shown}");
}

/// Check 31: staff learn how an export has ended, also one that the patient or the app cancelled, as long as its row is kept.
#[tokio::test]
async fn the_number_of_a_cancelled_export_leads_to_who_cancelled_it_and_when() -> tests::Result {
    let world = World::new();
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    let of_patient = copy.replace("/my/exports/", "/staff/jobs/");
    let seen = [("seen", "open")];
    world.post(&format!("{copy}/cancel")).cookie(&session).form(&seen).send().await;
    let how = "The patient cancelled or deleted it at March 1, 2026, 12:00 UTC.";
    says(&numbered(&world, &of_patient).await, "Cancelled", how);
    let private = requested_copy(&world, &session, &["hiv"]).await;
    world.post(&format!("{private}/take-back")).cookie(&session).send().await;
    let how = "The patient took back the permission for it at March 1, 2026, 12:00 UTC.";
    says(&numbered(&world, &private.replace("/my/exports/", "/staff/jobs/")).await, "Cancelled", how);
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "", ANNA).await;
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    let how = "The test app cancelled or deleted it at March 1, 2026, 12:00 UTC.";
    says(&numbered(&world, &format!("/staff{job}")).await, "Cancelled", how);
    let job = world.kick_off(&token, "", ANNA).await;
    let staff = world.staff().await;
    world.request(Method::DELETE, &format!("/admin{job}")).cookie(&staff).send().await;
    let how = "admin cancelled or deleted it at March 1, 2026, 12:00 UTC.";
    says(&numbered(&world, &format!("/staff{job}")).await, "Cancelled", how);
    // Its row is kept for a day.
    world.advance(24 * 3600);
    world.clean().await;
    let staff = world.staff().await;
    let number = of_patient.rsplit('/').next().expect("a number");
    let found = page(&world, &staff, &format!("/staff?q={number}")).await;
    assert!(found.contains("Nothing found here"), "{found}");
    assert_eq!(world.get(&of_patient).cookie(&staff).send().await.status, StatusCode::NOT_FOUND);
    Ok(())
}

/// The same is true of an expired export, before cleanup has removed its files and after that.
#[tokio::test]
async fn the_number_of_an_expired_export_leads_to_when_it_expired() -> tests::Result {
    let world = World::new();
    let job = world.exported(&world.token(ANNA).await, ANNA).await;
    let path = format!("/staff{job}");
    world.advance(24 * 3600 - 1);
    assert!(numbered(&world, &path).await.contains("Ready"));
    world.advance(1);
    let how = "The time for which exports are kept was over at March 2, 2026, 12:00 UTC.";
    says(&numbered(&world, &path).await, "Expired", how);
    world.advance(60);
    world.clean().await;
    let how =
        "The time for which exports are kept was over. The server deleted it at March 2, 2026, 12:01 UTC.";
    says(&numbered(&world, &path).await, "Expired", how);
    // The entry of the audit trail about a view is written as for an export that exists.
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries = world.platform().audit().list(&query).await?.entries;
    let views = entries.iter().map(|entry| &entry.event);
    let views = views.filter(|event| event.action == Action::RecordViewed && event.patient.is_some());
    assert_eq!(views.count(), 3);
    let spanish = format!("{}; lang=es", world.staff().await.cookie());
    let shown = world.get(&path).header("cookie", &spanish).send().await.text();
    for part in ["Vencida", "El servidor la borró: 2 de marzo de 2026, 12:01 UTC.", "Anna Lindqvist"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    Ok(())
}
