//! Resources that staff leave out of an export: the client's download has the reason and not the resource, and the ledger counts it.

use http::StatusCode;
use platform::Platform;
use serde_json::{Value, json};
use tests::faults::{Faults, Faulty, Strike};
use tests::packs::job_id;
use tests::{ANNA, TestResponse, World, both_hosts, text};

use super::{decide, hidden, link, link_named, page};
use crate::admin::in_review;

const REASON: &str = "It is about another person.";

/// Returns the page that asks before the first resource of a type is left out, and the resource's id.
pub(crate) async fn ask(
    world: &World,
    staff: &TestResponse,
    job: &str,
    resource_type: &str,
) -> (String, String) {
    let rows = page(world, staff, &format!("/staff{job}/files/{resource_type}.ndjson")).await;
    let one = page(world, staff, &link(&rows, "one=1")).await;
    let title = one.split_once("<h1>").and_then(|(_, behind)| behind.split_once("</h1>"));
    let id = title.and_then(|(title, _)| title.split_once('/')).expect("Type/id").1.to_owned();
    (page(world, staff, &link_named(&one, "Leave out").expect("a link")).await, id)
}

/// Sends the form of that page.
pub(crate) async fn leave_out(
    world: &World,
    staff: &TestResponse,
    job: &str,
    question: &str,
    reason: &str,
) -> TestResponse {
    let fields: Vec<_> = ["file", "at", "hash"].iter().map(|name| (*name, hidden(question, name))).collect();
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("reason", reason));
    decide(world, staff, &format!("/staff{job}/leave-out"), &hidden(question, "version"), &fields).await
}

/// Returns the manifest of a job as staff see it.
async fn manifest(world: &World, staff: &TestResponse, job: &str) -> Value {
    world.get(&format!("/admin{job}")).cookie(staff).send().await.json()["manifest"].clone()
}

fn file<'m>(manifest: &'m Value, list: &str, name: &str) -> Option<&'m Value> {
    manifest[list].as_array()?.iter().find(|file| text(&file["url"]).ends_with(name))
}

#[both_hosts]
async fn a_left_out_resource_is_not_in_the_copy_but_its_reason_is(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let before = manifest(&world, &staff, &job).await;
    let (question, id) = ask(&world, &staff, &job, "Observation").await;
    assert!(question.contains("Other resources may still refer to it"), "{question}");
    let silent = leave_out(&world, &staff, &job, &question, "  ").await;
    assert_eq!(silent.status, StatusCode::BAD_REQUEST);
    assert!(silent.text().contains("Give a reason"), "{}", silent.text());
    let long = leave_out(&world, &staff, &job, &question, &"x".repeat(501)).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    let done = leave_out(&world, &staff, &job, &question, REASON).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let again = leave_out(&world, &staff, &job, &question, REASON).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "the page shows an earlier version");
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains(&format!("Observation/{id}: {REASON}")), "{shown}");
    let version = hidden(&page(&world, &staff, &format!("/staff{job}/approve")).await, "version");
    decide(&world, &staff, &format!("/staff{job}/approve"), &version, &[]).await;
    let after = world.status(&token, &job).await.json();
    let (was, is) =
        (file(&before, "output", "/Observation.ndjson"), file(&after, "output", "/Observation.ndjson"));
    let (was, is) = (was.expect("a file"), is.expect("a file"));
    assert_eq!(is["count"].as_u64(), was["count"].as_u64().map(|count| count - 1));
    assert_ne!(is["extension"], was["extension"], "the hash and the size have changed");
    let lines = world.get(&text(&is["url"])).bearer(&token).send().await.lines();
    assert_eq!(is["count"], lines.len());
    assert!(lines.iter().all(|line| line["id"] != id.as_str()), "{id}");
    let outcomes =
        world.get(&text(&file(&after, "error", "left-out.ndjson").expect("reasons")["url"])).bearer(&token);
    let outcomes = outcomes.send().await.lines();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["issue"][0]["diagnostics"], format!("staff left out one Observation: {REASON}"));
    assert_eq!(outcomes[0]["issue"][0]["code"], "suppressed");
    assert_eq!(after["extension"]["ledger"]["resources"]["leftOut"], json!({ "staff": 1 }));
    assert_eq!(world.resources(&token, &job).await.len(), 97);
    let patient = crate::my::signed_in(&world, ANNA).await;
    let copy = page(&world, &patient, &job.replace("/jobs/", "/my/exports/")).await;
    assert!(
        copy.contains(&format!("Our staff left it out. Why: “<bdi lang=\"en\">{REASON}</bdi>”")),
        "{copy}"
    );
}

#[both_hosts]
async fn the_typed_reason_is_shown_again_if_the_export_was_changed_meanwhile(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (observation, id) = ask(&world, &staff, &job, "Observation").await;
    let (condition, _) = ask(&world, &staff, &job, "Condition").await;
    assert_eq!(leave_out(&world, &staff, &job, &condition, REASON).await.status, StatusCode::SEE_OTHER);
    let stale = leave_out(&world, &staff, &job, &observation, "typed words").await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let shown = stale.text();
    assert!(shown.contains("was changed since you opened the page"), "{shown}");
    assert!(shown.contains(&id) && shown.contains("typed words</textarea>"), "{shown}");
    assert_ne!(hidden(&shown, "version"), hidden(&observation, "version"));
    let done = leave_out(&world, &staff, &job, &shown, "typed words").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    // Now the file is another one, in which another resource is at this place.
    let stale = leave_out(&world, &staff, &job, &shown, "typed <b>words</b>").await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let page_of_job = stale.text();
    assert!(page_of_job.contains("Your reason was: typed &#60;b&#62;words"), "{page_of_job}");
    assert!(!page_of_job.contains("<textarea"), "{page_of_job}");
    let [file, at, hash] = ["file", "at", "hash"].map(|name| hidden(&shown, name));
    let old = format!("/staff{job}/leave-out?file={file}&at={at}&hash={hash}");
    let old = world.get(&old).cookie(&staff).send().await;
    assert_eq!(old.status, StatusCode::CONFLICT, "the page would name another resource");
    assert!(!old.text().contains("<textarea"), "{}", old.text());
}

#[both_hosts]
async fn a_reason_has_at_most_500_characters_of_any_script(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let long = leave_out(&world, &staff, &job, &question, &"ñ".repeat(501)).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    assert!(long.text().contains("at most 500 letters"), "{}", long.text());
    // A browser sends a line end as two characters and counts it as one.
    let done = leave_out(&world, &staff, &job, &question, &format!("ñ{}ñ", "\r\n語".repeat(249))).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
}

#[both_hosts]
async fn a_file_whose_last_resource_is_left_out_is_removed(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let before = manifest(&world, &staff, &job).await;
    let single =
        before["output"].as_array().expect("files").iter().find(|file| file["count"] == 1).expect("one");
    let kind = text(&single["type"]);
    let (question, _) = ask(&world, &staff, &job, &kind).await;
    let done = leave_out(&world, &staff, &job, &question, REASON).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    let after = world.status(&token, &job).await.json();
    let files = after["output"].as_array().expect("files");
    assert!(files.iter().all(|file| file["url"] != single["url"]), "{files:?}");
    assert_eq!(world.resources(&token, &job).await.len(), 97);
    let late = leave_out(&world, &staff, &job, &question, REASON).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "the export is already approved");
}

#[both_hosts]
async fn of_two_simultaneous_changes_one_is_recorded_and_the_other_gets_a_conflict(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let (observation, _) = ask(&world, &staff, &job, "Observation").await;
    let (condition, _) = ask(&world, &staff, &job, "Condition").await;
    let (one, two) = tokio::join!(
        leave_out(&world, &staff, &job, &observation, REASON),
        leave_out(&world, &staff, &job, &condition, REASON),
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    // The second member of staff loads the page again, and then both resources are left out.
    let lost = if one.status == StatusCode::CONFLICT { "Observation" } else { "Condition" };
    let (question, _) = ask(&world, &staff, &job, lost).await;
    assert_eq!(
        leave_out(&world, &staff, &job, &question, "Another reason").await.status,
        StatusCode::SEE_OTHER
    );
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let after = world.status(&token, &job).await.json();
    assert_eq!(after["extension"]["ledger"]["resources"]["leftOut"], json!({ "staff": 2 }));
    assert_eq!(file(&after, "error", "left-out.ndjson").expect("reasons")["count"], 2);
    assert_eq!(world.resources(&token, &job).await.len(), 96);
}

#[both_hosts]
async fn a_document_is_no_longer_served(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let question = page(&world, &staff, &link(&shown, "leave-out?document=")).await;
    let name = hidden(&question, "document");
    let fields = [("document", name.as_str()), ("reason", REASON)];
    let done =
        decide(&world, &staff, &format!("/staff{job}/leave-out"), &hidden(&question, "version"), &fields)
            .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(!shown.contains(&format!("/documents/{name}")) && shown.contains(REASON), "{shown}");
    let opened = world.get(&format!("/staff{job}/documents/{name}")).cookie(&staff).send().await;
    assert_eq!(opened.status, StatusCode::NOT_FOUND);
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let question = world.get(&format!("{job}/download/attachments/{name}")).bearer(&token).send().await;
    assert_eq!(question.status, StatusCode::NOT_FOUND);
    let after = world.status(&token, &job).await.json();
    let outcomes =
        world.get(&text(&file(&after, "error", "left-out.ndjson").expect("reasons")["url"])).bearer(&token);
    let outcomes = outcomes.send().await.lines();
    assert_eq!(outcomes[0]["issue"][0]["diagnostics"], format!("staff left out one document: {REASON}"));
    assert_every_url_is_served(&world, &token, &after, &name).await;
}

/// Every type of resource can have attachments in its extensions.
#[tokio::test]
async fn a_document_that_is_left_out_leaves_no_url_in_an_extension() -> tests::Result {
    let records = tempfile::tempdir()?;
    let directory = records.path().join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory)?;
    let observation = |id: &str| {
        json!({ "resourceType": "Observation", "id": format!("of-{id}"), "subject": { "reference": format!("Patient/{ANNA}") },
            "extension": [{ "url": "http://example.org/scan", "valueAttachment": { "url": format!("Binary/{id}") } }] })
    };
    let binary =
        |id: &str| json!({ "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==" });
    let patient = json!({ "resourceType": "Patient", "id": ANNA });
    let all = [patient, observation("one"), observation("two"), binary("one"), binary("two")];
    std::fs::write(directory.join("all.ndjson"), all.map(|line| format!("{line}\n")).concat())?;
    let world = World::with("sandbox = true", records.path());
    let (job, token, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let question = page(&world, &staff, &link(&shown, "leave-out?document=")).await;
    let name = hidden(&question, "document");
    let fields = [("document", name.as_str()), ("reason", REASON)];
    let version = hidden(&question, "version");
    let done = decide(&world, &staff, &format!("/staff{job}/leave-out"), &version, &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let after = world.status(&token, &job).await.json();
    assert_every_url_is_served(&world, &token, &after, &name).await;
    Ok(())
}

/// Checks that no resource has the URL of a document that was left out, and that all other attachments are served. The files
/// that name it were written again, with their sizes.
async fn assert_every_url_is_served(world: &World, token: &str, manifest: &Value, left_out: &str) {
    let (mut masked, mut served) = (0, 0);
    for file in manifest["output"].as_array().into_iter().flatten() {
        let body = world.get(&text(&file["url"])).bearer(token).send().await.text();
        assert_eq!(file["extension"]["size"], body.len(), "{file}");
        assert_eq!(file["count"], body.lines().count(), "{file}");
        assert!(!body.contains(left_out), "{body}");
        masked += body.matches("\"masked\"").count();
        for behind in body.split("/download/attachments/").skip(1) {
            let (name, _) = behind.split_once('"').expect("the end of a URL");
            let path = format!("{}/download/attachments/{name}", job_of(manifest));
            let response = world.get(&path).bearer(token).send().await;
            assert_eq!(response.status, StatusCode::OK, "{name}");
            served += 1;
        }
    }
    assert!(masked > 0 && served > 0, "{masked} masked, {served} served");
}

/// Returns the path of the job of a manifest.
fn job_of(manifest: &Value) -> String {
    let url = text(&manifest["output"][0]["url"]);
    let (job, _) = url.split_once("/download/").expect("the URL of a file");
    job.split_once("/jobs/").map(|(_, id)| format!("/jobs/{id}")).expect("a job")
}

/// A document is in the copy only if a resource in the copy names it.
#[both_hosts]
async fn the_documents_that_a_left_out_resource_names_are_left_out_too(world: World) -> tests::Result {
    let (job, token, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let name = hidden(&page(&world, &staff, &link(&shown, "leave-out?document=")).await, "document");
    let all = manifest(&world, &staff, &job).await;
    // Finds the resource that names the document.
    let mut found = None;
    for file in all["output"].as_array().into_iter().flatten() {
        let url = text(&file["url"]);
        let name_of_file = url.rsplit('/').next().unwrap_or_default();
        let rows = page(&world, &staff, &format!("/staff{job}/files/{name_of_file}")).await;
        let links = rows.split("href=\"").skip(1).filter_map(|behind| behind.split_once('"'));
        for (one, _) in links.filter(|(link, _)| link.contains("one=1")) {
            let one = page(&world, &staff, &one.replace("&#38;", "&").replace("&amp;", "&")).await;
            found = if one.contains(&name) { link_named(&one, "Leave out") } else { found };
        }
    }
    let found = found.ok_or_else(|| std::io::Error::other("no resource names the document"))?;
    let question = page(&world, &staff, &found).await;
    let done = leave_out(&world, &staff, &job, &question, REASON).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let served = world.get(&format!("{job}/download/attachments/{name}")).bearer(&token).send().await;
    assert_eq!(served.status, StatusCode::NOT_FOUND);
    let after = world.status(&token, &job).await.json();
    // One resource and its three documents are left out.
    assert_eq!(file(&after, "error", "left-out.ndjson").map(|file| file["count"].clone()), Some(json!(4)));
    Ok(())
}

/// If the process dies at any call, the export is complete, in the old state or in the new one.
#[tokio::test]
async fn an_interruption_at_any_call_leaves_the_old_or_the_new_state() -> tests::Result {
    let mut outcomes = [0, 0];
    for call in 0.. {
        for strike in [Strike::Before, Strike::After] {
            let world = World::new();
            let (job, token, staff) = in_review(&world).await;
            let (question, _) = ask(&world, &staff, &job, "Observation").await;
            let faults = Faults::at(call, strike);
            let faulty = Faulty::new(world.platform().clone(), faults.clone());
            let app = web::host::host(ehi::server::routers(&faulty)?, faulty.context());
            let mut fields: Vec<_> = ["version", "file", "at", "hash"]
                .iter()
                .map(|name| (*name, hidden(&question, name)))
                .collect();
            fields.push(("reason", REASON.to_owned()));
            let form = world.post(&format!("/staff{job}/leave-out")).cookie(&staff).form(&fields);
            form.send_over(app).await;
            if !faults.has_struck() {
                assert!(outcomes[0] > 5 && outcomes[1] > 2, "{outcomes:?}");
                return Ok(());
            }
            let stored = world.platform().jobs().get(&job_id(&job)).await?.expect("a job");
            tests::ledger::check(world.platform(), &stored.job).await;
            world.clean().await;
            tests::ledger::check(world.platform(), &stored.job).await;
            world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
            let left_out = stored.job.summary().expect("written").redactions.len();
            outcomes[left_out] += 1;
            assert_eq!(world.resources(&token, &job).await.len(), 98 - left_out, "{call}");
        }
    }
    Ok(())
}

/// After a resource of a large file is left out, no object contains the resource.
#[tokio::test]
async fn the_object_with_the_left_out_resource_is_removed() -> tests::Result {
    let records = tempfile::tempdir()?;
    let directory = records.path().join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory)?;
    let mut lines = json!({ "resourceType": "Patient", "id": ANNA }).to_string() + "\n";
    for number in 0..3_000 {
        let text = if number == 0 { "a secret" } else { "nothing" };
        let observation = json!({
            "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
            "code": { "text": text }, "subject": { "reference": format!("Patient/{ANNA}") },
        });
        lines.extend([observation.to_string(), "\n".to_owned()]);
    }
    std::fs::write(directory.join("all.ndjson"), lines)?;
    let world = World::with("sandbox = true", records.path());
    let (job, token, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let stored = world.platform().jobs().get(&job_id(&job)).await?.expect("a job");
    let before =
        web::manifest::stored_page(&stored.job, 0, &*world.platform().files()).await?.expect("a page");
    let named = before.find("Observation").expect("a file");
    assert!(named.file.place.is_none(), "the file is an object of its own");
    assert_eq!(leave_out(&world, &staff, &job, &question, REASON).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.platform().files().size(&named.file.key).await?, None);
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let resources = world.resources(&token, &job).await;
    assert!(resources.len() == 3_000 && !json!(resources).to_string().contains("a secret"));
    Ok(())
}
