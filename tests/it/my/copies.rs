//! The list of copies, the page of one copy, and how a copy is cancelled or deleted.

use http::StatusCode;
use tests::{ANNA, BRUNO, World, both_hosts, parameter};

use super::{approved, page, requested_copy, signed_in};

#[both_hosts]
async fn a_patient_requests_a_copy_without_an_app_and_cancels_it(world: World) {
    let stranger = world.get("/my").send().await;
    assert_eq!(stranger.status, StatusCode::FOUND);
    assert_eq!(parameter(&stranger.location(), "next").as_deref(), Some("/my"));
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    let shown = page(&world, &session, &format!("{copy}?said=sent")).await;
    for text in ["We have your request.", "You asked for it here on", "Anna"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    // The workers of a deployment may have finished by now.
    let is_collecting = ["Collecting", "<progress", "data-live"].iter().all(|text| shown.contains(text));
    assert!(is_collecting || shown.contains("Being checked"), "{shown}");
    assert!(page(&world, &session, "/my").await.contains(&copy));
    let asks = page(&world, &session, &format!("{copy}/cancel")).await;
    assert!(asks.contains("Cancel this copy?") && asks.contains("value=\"open\""), "{asks}");
    let cancelled =
        world.post(&format!("{copy}/cancel")).cookie(&session).form(&[("seen", "open")]).send().await;
    assert!(cancelled.location().ends_with("/my?said=cancelled"), "{}", cancelled.location());
    assert!(page(&world, &session, "/my?said=cancelled").await.contains("The copy is cancelled."));
    let shown = page(&world, &session, &copy).await;
    assert!(shown.contains("Cancelled") && shown.contains("Ask for a copy again"), "{shown}");
    assert!(!shown.contains("data-live") && !shown.contains("/cancel\""), "{shown}");
    let again = world.post(&format!("{copy}/cancel")).cookie(&session).form(&[("seen", "open")]).send().await;
    assert!(again.location().ends_with("/cancel"), "what has ended is shown: {}", again.location());
}

#[both_hosts(alone)]
async fn a_copy_that_became_ready_is_not_cancelled_unseen_and_can_be_deleted(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    assert!(page(&world, &session, &copy).await.contains("Being checked"));
    approved(&world, &copy).await;
    let late = world.post(&format!("{copy}/cancel")).cookie(&session).form(&[("seen", "open")]).send().await;
    assert!(late.location().ends_with(&format!("{copy}/cancel")), "{}", late.location());
    let asks = page(&world, &session, &format!("{copy}/cancel")).await;
    assert!(asks.contains("Delete this copy?") && asks.contains("value=\"ready\""), "{asks}");
    let shown = page(&world, &session, &copy).await;
    assert!(shown.contains("Ready") && shown.contains("What is in it"), "{shown}");
    let deleted =
        world.post(&format!("{copy}/cancel")).cookie(&session).form(&[("seen", "ready")]).send().await;
    assert!(deleted.location().ends_with("said=deleted"), "{}", deleted.location());
    assert!(!page(&world, &session, &copy).await.contains("What is in it"));
}

/// Returns the cells of a row in the page's tables.
fn cells(shown: &str, begins: &str) -> Vec<u64> {
    let row = shown.split("<tr><td>").find(|row| row.starts_with(begins)).unwrap_or_default();
    let cells = row.split("<td class=\"number\">").skip(1);
    cells
        .map(|cell| cell.split('<').next().unwrap_or_default().replace(',', "").parse().expect("a number"))
        .collect()
}

/// For each reason, the page shows the number of left-out resources that the manifest's ledger has.
#[both_hosts]
async fn the_numbers_of_left_out_resources_are_those_of_the_ledger(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve", ANNA).await;
    let choices = serde_json::json!({
        "parameters": { "labs": { "enabled": true, "notes": "<b>iron</b>" }, "visits": { "enabled": true, "from": "2015" } },
        "authorizations": { "hiv": { "value": true } },
    });
    let session = signed_in(&world, ANNA).await;
    let chosen = world.post(&job).cookie(&session).json(&choices).send().await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
    world.work().await;
    let manifest = world.status(&token, &job).await.json();
    let ledger = &manifest["extension"]["ledger"];
    let copy = format!("/my/exports/{}", job.rsplit('/').next().expect("an id"));
    let shown = page(&world, &session, &copy).await;
    let count =
        |kind: &str, path: &str| ledger[kind].pointer(path).and_then(serde_json::Value::as_u64).unwrap_or(0);
    for (why, path) in [
        ("Private topic that you did not tick: Mental health", "/withheld/mentalHealth"),
        ("Private topic that you did not tick: Genetic tests", "/withheld/genetic"),
        ("You did not tick this part", "/leftOut/formGroup"),
        ("It is outside the dates that you chose", "/leftOut/dateRange"),
        ("It belongs to an entry that is not in the copy", "/leftOut/document"),
    ] {
        let expected = [count("resources", path), count("documents", path)];
        let expected = if expected == [0, 0] { Vec::new() } else { expected.to_vec() };
        assert_eq!(cells(&shown, why), expected, "{why}: {ledger}");
    }
    let rows: u64 = shown
        .split("What we left out and why")
        .nth(1)
        .expect("a table")
        .split("<tr><td>")
        .skip(1)
        .filter_map(|row| row.split("<td class=\"number\">").nth(1)?.split('<').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(rows, count("resources", "/read") - count("resources", "/written"), "{shown}");
    assert!(rows > 0 && count("resources", "/withheld/genetic") > 0, "{ledger}");
    let totals = format!("We read {} entries", count("resources", "/read"));
    assert!(shown.contains(&totals), "{totals}: {shown}");
    // The page shows the patient's choices as text, never as markup.
    assert!(
        shown.contains("&#60;b&#62;iron&#60;/b&#62;")
            && shown.contains("HIV")
            && shown.contains("The test app"),
        "{shown}"
    );
    assert!(shown.contains("From January 1, 2015"), "{shown}");
    for file in manifest["output"].as_array().expect("files") {
        let kind = tests::text(&file["type"]);
        assert!(
            shown.contains(&format!(">{kind}</span>")) || shown.contains(&format!("<td>{kind}</td>")),
            "{kind}"
        );
    }
}

#[both_hosts]
async fn a_rejection_shows_its_reason_and_the_next_step(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let staff = world.staff().await;
    let job = copy.rsplit('/').next().expect("an id");
    let reason = serde_json::json!({ "reason": "We cannot confirm who asked." });
    let reject = || world.post(&format!("/admin/jobs/{job}/reject")).cookie(&staff).json(&reason).send();
    let mut rejected = reject().await;
    // On a deployment the workers may not have collected the copy yet.
    for _ in 0..300 {
        if rejected.status != StatusCode::CONFLICT {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        rejected = reject().await;
    }
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text());
    let shown = page(&world, &session, &copy).await;
    for text in ["Not sent", "We did not send this copy. Why: We cannot confirm who asked.", "hhs.gov/ocr"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[both_hosts(alone)]
async fn the_permission_can_be_taken_back(world: World) {
    let session = signed_in(&world, ANNA).await;
    let without = requested_copy(&world, &session, &[]).await;
    assert!(!page(&world, &session, &without).await.contains("Take back"));
    let copy = requested_copy(&world, &session, &["hiv"]).await;
    assert!(page(&world, &session, &copy).await.contains("Take back my permission"));
    let asks = page(&world, &session, &format!("{copy}/take-back")).await;
    assert!(asks.contains("What was sent stays sent."), "{asks}");
    let taken = world.post(&format!("{copy}/take-back")).cookie(&session).send().await;
    assert!(taken.location().ends_with("/my?said=taken-back"), "{}", taken.location());
    assert!(page(&world, &session, &copy).await.contains("Cancelled"));
    for copy in [&without, &copy] {
        let refused = world.post(&format!("{copy}/take-back")).cookie(&session).send().await;
        assert!(refused.location().ends_with(copy.as_str()), "{}", refused.location());
    }
    assert!(
        page(&world, &session, &without).await.contains("Collecting"),
        "there was no permission to take back"
    );
}

/// Deletes an export on its page as staff, who can undo the deletion; returns the path of its page.
async fn deleted_by_staff(world: &World, staff: &tests::TestResponse, copy: &str) -> String {
    let path = format!("/staff/jobs/{}", copy.rsplit('/').next().expect("an id"));
    let question = page(world, staff, &format!("{path}/delete")).await;
    let version = question.split("name=\"version\" value=\"").nth(1).expect("a version");
    let version = [("version", version.split('"').next().unwrap_or_default())];
    let deleted = world.post(&format!("{path}/delete")).cookie(staff).form(&version).send().await;
    assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
    assert!(page(world, staff, &path).await.contains("Undo the deletion"));
    path
}

/// A patient can end a copy at once and finally, even if staff could still undo its deletion.
#[both_hosts(alone)]
async fn a_patient_takes_back_the_permission_while_staff_can_undo_their_deletion(world: World) {
    let session = signed_in(&world, ANNA).await;
    for (topics, action, message, why) in [
        (&["hiv"][..], "take-back", "taken-back", "the patient took back the permission at "),
        (&["hiv"], "cancel", "deleted", "the patient deleted the copy for good at "),
        (&[], "cancel", "deleted", "the patient deleted the copy for good at "),
    ] {
        let copy = requested_copy(&world, &session, topics).await;
        world.work().await;
        approved(&world, &copy).await;
        let staff = world.staff().await;
        let job = deleted_by_staff(&world, &staff, &copy).await;
        let shown = page(&world, &session, &copy).await;
        assert!(shown.contains("Our staff deleted this copy. They can bring it back until"), "{shown}");
        assert_eq!(shown.contains("Take back my permission"), !topics.is_empty(), "{shown}");
        let asks = page(&world, &session, &format!("{copy}/{action}")).await;
        assert!(asks.contains("files are removed") || asks.contains("We remove its files"), "{asks}");
        let ended = world.post(&format!("{copy}/{action}")).cookie(&session);
        let ended = ended.form(&[("seen", "removed")]).send().await;
        assert!(ended.location().ends_with(&format!("/my?said={message}")), "{}", ended.location());
        let shown = page(&world, &session, &copy).await;
        assert!(!shown.contains("Take back") && !shown.contains("/cancel\""), "{shown}");
        let shown = page(&world, &staff, &job).await;
        assert!(shown.contains(why) && !shown.contains("Undo the deletion"), "{shown}");
        let undone = world.post(&format!("{job}/undo")).cookie(&staff).send().await;
        assert_eq!(undone.status, StatusCode::CONFLICT);
        assert!(undone.text().contains(why), "{}", undone.text());
        assert!(page(&world, &session, &copy).await.contains("Cancelled"));
    }
}

/// The files are removed at once; they do not wait for cleanup.
#[tokio::test]
async fn a_permission_that_is_taken_back_after_a_deletion_by_staff_removes_the_files() -> tests::Result {
    let world = World::new();
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &["hiv"]).await;
    world.work().await;
    approved(&world, &copy).await;
    deleted_by_staff(&world, &world.staff().await, &copy).await;
    let files = world.platform().files();
    assert!(!files.list("exports/").await?.is_empty(), "staff can bring them back");
    world.post(&format!("{copy}/take-back")).cookie(&session).send().await;
    assert!(files.list("exports/").await?.is_empty());
    Ok(())
}

#[both_hosts]
async fn copies_of_other_patients_are_not_listed(world: World) {
    let (anna, bruno) = (signed_in(&world, ANNA).await, signed_in(&world, BRUNO).await);
    let copy = requested_copy(&world, &anna, &["hiv"]).await;
    for path in [copy.clone(), format!("{copy}/cancel"), format!("{copy}/take-back")] {
        assert_eq!(world.get(&path).cookie(&bruno).send().await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [format!("{copy}/cancel"), format!("{copy}/take-back")] {
        let sent = world.post(&path).cookie(&bruno).form(&[("seen", "open")]).send().await;
        assert_eq!(sent.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!page(&world, &bruno, "/my").await.contains(&copy));
    // Exports that the patient did not request are not listed either.
    let service = world.service("service", "system/*.rs").await;
    let bulk = world.get("/fhir/Patient/$export?_type=Patient").bearer(&service).send().await.job();
    let bulk = format!("/my/exports/{}", bulk.rsplit('/').next().expect("an id"));
    assert_eq!(world.get(&bulk).cookie(&anna).send().await.status, StatusCode::NOT_FOUND);
}

#[both_hosts(alone)]
async fn another_site_changes_nothing_and_sign_in_after_a_session_leads_back(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &["hiv"]).await;
    for path in [
        format!("{copy}/cancel"),
        format!("{copy}/take-back"),
        "/my/apps/stop".to_owned(),
        "/my/sign-out-everywhere".to_owned(),
    ] {
        let call = world.post(&path).cookie(&session).form(&[("seen", "open"), ("app", "app")]);
        let sent = call.header("origin", "https://evil.example.org").send().await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN, "{path}");
        // Without a session, each URL that takes a form redirects to sign-in, and then to its page.
        let signed_out = world.post(&path).form(&[("seen", "open")]).send().await;
        assert_eq!(parameter(&signed_out.location(), "next"), Some(path.clone()), "{path}");
        assert!(!world.get(&path).cookie(&session).send().await.status.is_client_error(), "{path}");
    }
    assert!(page(&world, &session, &copy).await.contains("Collecting"));
    let back = world.sign_patient_in(ANNA, &copy).await;
    assert!(back.location().ends_with(&copy), "{}", back.location());
    for next in ["//evil.example.org", "/my@evil", "https://evil.example.org/my", "/mycelium", "/my\\x"] {
        let refused = world.sign_patient_in(ANNA, next).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{next}");
    }
}

/// Without scripts a page reloads itself if the patient wants this; the reloads do not extend the session.
#[tokio::test]
async fn a_page_that_reloads_itself_can_be_stopped_and_does_not_extend_the_session() {
    let world = World::new();
    let session = signed_in(&world, ANNA).await;
    assert!(page(&world, &session, "/my").await.contains("You have no copies yet."));
    let copy = requested_copy(&world, &session, &[]).await;
    let still = world.get(&copy).cookie(&session).send().await;
    assert!(still.header("refresh").is_empty() && still.text().contains(&format!("{copy}?live=1")));
    let live = world.get(&format!("{copy}?live=1")).cookie(&session).send().await;
    assert_eq!(live.header("refresh"), "15");
    assert!(live.text().contains(">Stop</a>"), "{}", live.text());
    for _ in 0..3 {
        world.advance(190);
        assert_eq!(world.get(&format!("{copy}?live=1")).cookie(&session).send().await.status, StatusCode::OK);
    }
    world.advance(60);
    let ended = world.get(&format!("{copy}?live=poll")).cookie(&session).send().await;
    assert_eq!(ended.status, StatusCode::FOUND, "the patient did nothing for ten minutes");
}

#[tokio::test]
async fn twenty_five_copies_are_on_a_page_newest_first() {
    use domain::ids::PatientId;
    use domain::owner::Owner;
    use domain::patient_summary::PatientSummary;
    use domain::request::Cohort;

    let world = World::new();
    let anna = PatientId::parse(ANNA).expect("an id");
    for number in 0..60_u32 {
        let mut new = tests::exports::new_export(Cohort::of(vec![anna.clone()]));
        new.patient = Some(PatientSummary::new(anna.clone(), "Anna"));
        // The patient did not request half of them.
        if number % 2 == 0 {
            let client = domain::ids::ClientId::parse("app").expect("an id");
            new.owner = Owner::new(client, None, Some(anna.clone()), &format!("Patient/{anna}"));
        }
        tests::exports::begin(world.platform(), new).await;
        world.advance(1);
    }
    let session = signed_in(&world, ANNA).await;
    let first = page(&world, &session, "/my").await;
    let copies = |shown: &str| -> Vec<String> {
        let rest = shown.split("href=\"/my/exports/").skip(1);
        rest.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let older =
        first.split("href=\"/my?after=").nth(1).expect("older copies").split('"').next().unwrap_or_default();
    let second = page(&world, &session, &format!("/my?after={older}")).await;
    let (first, second) = (copies(&first), copies(&second));
    assert_eq!((first.len(), second.len()), (25, 5));
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert!(all.is_sorted_by(|one, other| one > other), "newest first, each once");
}

#[both_hosts]
async fn the_pages_are_available_in_spanish(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    for path in ["/my", copy.as_str(), "/my/apps", "/my/sign-out-everywhere"] {
        let response = world.get(path).cookie(&session).header("accept-language", "es").send().await;
        let shown = response.text();
        assert!(
            shown.contains("<html lang=\"es\" dir=\"ltr\">") && shown.contains("Mis copias"),
            "{path}: {shown}"
        );
        assert!(!shown.contains("copies") || shown.contains("class=\"copies\""), "{path}: {shown}");
    }
}

#[both_hosts]
async fn a_link_to_a_message_shows_nothing_that_was_not_done(world: World) {
    let session = signed_in(&world, ANNA).await;
    for (from, is_said) in [("same-origin", true), ("cross-site", false), ("none", false)] {
        for (path, said) in [
            ("/my?said=taken-back", "Your permission is taken back."),
            ("/my/apps?said=stopped", "The app has no access any more."),
        ] {
            let shown = world.get(path).cookie(&session).header("sec-fetch-site", from).send().await.text();
            assert_eq!(shown.contains(said), is_said, "{from}: {shown}");
        }
    }
}
