//! What cannot be left out of an export: the pages say so before anybody types a reason, and keep a reason that was typed.

use std::sync::Arc;

use domain::chunk::job_prefix;
use domain::error::{Error, Result, Store};
use domain::job::Job;
use domain::ports::files::write_all;
use domain::redaction::{Redacted, Redaction};
use http::StatusCode;
use jiff::Timestamp;
use platform::Platform;
use serde_json::json;
use storage::packs;
use tests::hooked::{Hook, Hooked, Made};
use tests::packs::job_id;
use tests::{ANNA, TestResponse, World};

use super::left_out::{ask, leave_out};
use super::{decide, hidden, link, link_named, page};
use crate::admin::in_review;

/// Lets the export have a file of Observations that is too large to be written again: the lines are there many times.
async fn enlarge_observations(world: &World, job: &str) -> tests::Result {
    let stored = world.platform().jobs().get(&job_id(job)).await?.expect("a job");
    let files = world.platform().files();
    let mut manifest = web::manifest::stored_page(&stored.job, 0, &*files).await?.expect("a page");
    let named = manifest.files.iter_mut().find(|named| named.file.resource_type == "Observation");
    let file = &mut named.expect("a file").file;
    let lines = packs::read(&*files, &file.location(), 1 << 20).await?;
    let times = (1 << 20) / lines.len() + 1;
    let piece = lines.repeat(times);
    file.key = format!("{}large.ndjson", job_prefix(&job_id(job)));
    (file.place, file.size, file.count) = (None, 0, file.count * times as u64 * 129);
    let mut writer = files.create(&file.key).await?;
    for _ in 0..129 {
        file.size += piece.len() as u64;
        writer.write(piece.clone()).await?;
    }
    writer.finish().await?;
    let key = stored.job.summary().expect("written").page_key(0);
    write_all(&*files, &key, serde_json::to_vec(&manifest)?).await?;
    Ok(())
}

/// Records redactions with these reasons.
async fn record(world: &World, job: &str, reasons: &[String]) -> tests::Result {
    let stored = world.platform().jobs().get(&job_id(job)).await?.expect("a job");
    let Job::InReview(mut review) = stored.job else { panic!("{:?}", stored.job.state()) };
    review.summary.redactions.extend(reasons.iter().map(|reason| Redaction {
        what: Redacted::Resource { resource_type: "Basic".to_owned(), id: None },
        reason: reason.clone(),
        language: None,
        actor: "admin".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        replaced: Vec::new(),
    }));
    world.platform().jobs().replace(&Job::InReview(review), stored.version).await?;
    Ok(())
}

/// Returns the page of the first Observation of an export.
async fn observation(world: &World, staff: &TestResponse, job: &str) -> String {
    let rows = page(world, staff, &format!("/staff{job}/files/Observation.ndjson")).await;
    page(world, staff, &link(&rows, "one=1")).await
}

/// Returns the address of the page that asks before the resource of a form is left out.
fn address_of(job: &str, question: &str) -> String {
    let [file, at, hash] = ["file", "at", "hash"].map(|name| hidden(question, name));
    format!("/staff{job}/leave-out?file={file}&at={at}&hash={hash}")
}

#[tokio::test]
async fn a_resource_of_a_large_file_is_refused_before_its_reason_is_typed() -> tests::Result {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    assert!(link_named(&observation(&world, &staff, &job).await, "Leave out").is_some());
    enlarge_observations(&world, &job).await?;
    let one = observation(&world, &staff, &job).await;
    let why = "This file has more than 128 MB, so single resources cannot be left out of it here.";
    assert!(one.contains(why) && link_named(&one, "Leave out").is_none(), "{one}");
    let address = address_of(&job, &question);
    let refused = world.get(&address).cookie(&staff).send().await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text().contains(why) && !refused.text().contains("<textarea"), "{}", refused.text());
    let spanish = format!("{}; lang=es", staff.cookie());
    let refused = world.get(&address).header("cookie", &spanish).send().await;
    let why_in_spanish =
        "Este archivo tiene más de 128 MB, así que aquí no se pueden dejar fuera recursos sueltos.";
    assert!(refused.text().contains(why_in_spanish), "{}", refused.text());
    // A form that was loaded before.
    let refused = leave_out(&world, &staff, &job, &question, "typed <b>words</b>").await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let text = refused.text();
    assert!(text.contains(&format!("Nothing was left out. {why}")), "{text}");
    assert!(text.contains("Your reason was: typed &#60;b&#62;words"), "{text}");
    // Another file of the export is not too large.
    let (question, _) = ask(&world, &staff, &job, "Condition").await;
    assert_eq!(leave_out(&world, &staff, &job, &question, "words").await.status, StatusCode::SEE_OTHER);
    Ok(())
}

#[tokio::test]
async fn an_export_with_a_hundred_redactions_has_no_button_for_another_one() -> tests::Result {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let path = format!("/staff{job}");
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let of_document = link(&page(&world, &staff, &path).await, "leave-out?document=");
    record(&world, &job, &vec!["words".to_owned(); 100]).await?;
    let why = "Nothing more can be left out of this export: the list of reasons is full.";
    for shown in [page(&world, &staff, &path).await, observation(&world, &staff, &job).await] {
        assert!(shown.contains(why) && !shown.contains("/leave-out?"), "{shown}");
    }
    for address in [address_of(&job, &question), of_document] {
        let refused = world.get(&address).cookie(&staff).send().await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text().contains(why) && !refused.text().contains("<textarea"), "{}", refused.text());
    }
    Ok(())
}

#[tokio::test]
async fn a_reason_for_which_there_is_no_room_can_be_made_shorter() -> tests::Result {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    // Of 50,000 bytes 20 are left.
    record(&world, &job, &vec!["x".repeat(1_020); 49]).await?;
    let (question, id) = ask(&world, &staff, &job, "Observation").await;
    let long = leave_out(&world, &staff, &job, &question, "a reason of some more letters").await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    let again = long.text();
    assert!(again.contains("<title>Error: ") && again.contains(&id), "{again}");
    assert!(again.contains("this export has no room for so many letters"), "{again}");
    assert!(again.contains("a reason of some more letters</textarea>"), "{again}");
    let done = leave_out(&world, &staff, &job, &again, "a short reason").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    Ok(())
}

/// Returns a World with a patient whose Observation names two documents.
fn with_documents(records: &std::path::Path) -> tests::Result<World> {
    let directory = records.join("Patient").join(ANNA);
    std::fs::create_dir_all(&directory)?;
    let scan = |id: &str| json!({ "url": "http://example.org/scan", "valueAttachment": { "url": format!("Binary/{id}") } });
    let binary =
        |id: &str| json!({ "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "eA==" });
    let observation = json!({ "resourceType": "Observation", "id": "o", "subject": { "reference": format!("Patient/{ANNA}") },
        "extension": [scan("one"), scan("two")] });
    let all = [json!({ "resourceType": "Patient", "id": ANNA }), observation, binary("one"), binary("two")];
    std::fs::write(directory.join("all.ndjson"), all.map(|line| format!("{line}\n")).concat())?;
    Ok(World::with("sandbox = true", records))
}

#[tokio::test]
async fn a_resource_with_too_many_documents_is_refused_before_its_reason_is_typed() -> tests::Result {
    let records = tempfile::tempdir()?;
    let world = with_documents(records.path())?;
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    record(&world, &job, &vec!["words".to_owned(); 97]).await?;
    let one = observation(&world, &staff, &job).await;
    assert!(link_named(&one, "Leave out").is_some(), "there is room for three: {one}");
    record(&world, &job, &["words".to_owned()]).await?;
    let one = observation(&world, &staff, &job).await;
    let why = "This resource names more documents than can still be left out of this export.";
    assert!(one.contains(why) && link_named(&one, "Leave out").is_none(), "{one}");
    let refused = world.get(&address_of(&job, &question)).cookie(&staff).send().await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains(why), "{}", refused.text());
    Ok(())
}

/// Which files name a document is known only after they were read.
#[tokio::test]
async fn the_reason_for_a_document_in_a_large_file_is_kept() -> tests::Result {
    let records = tempfile::tempdir()?;
    let world = with_documents(records.path())?;
    let (job, _, staff) = in_review(&world).await;
    enlarge_observations(&world, &job).await?;
    let path = format!("/staff{job}");
    let question =
        page(&world, &staff, &link(&page(&world, &staff, &path).await, "leave-out?document=")).await;
    let (name, version) = (hidden(&question, "document"), hidden(&question, "version"));
    let fields = [("document", name.as_str()), ("reason", "typed words")];
    let refused = decide(&world, &staff, &format!("{path}/leave-out"), &version, &fields).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", refused.text());
    let text = refused.text();
    assert!(text.contains("A file that names this document has more than 128 MB"), "{text}");
    assert!(text.contains("typed words</textarea>"), "{text}");
    assert!(
        page(&world, &staff, &path).await.contains(&format!("/documents/{name}")),
        "nothing was left out"
    );
    Ok(())
}

/// Lets each write of a file fail.
struct Failing {
    error: fn() -> Error,
}

impl Hook for Failing {
    fn follows(&self, store: Store) -> bool {
        store == Store::Files
    }

    async fn call<T: Send>(&self, made: Made, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if made.writes { Err((self.error)()) } else { call.await }
    }
}

#[tokio::test]
async fn a_typed_reason_is_kept_if_the_store_fails() -> tests::Result {
    let unavailable: fn() -> Error = || Error::unavailable("no route to the store");
    let full: fn() -> Error = || Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let defect: fn() -> Error = || Error::internal("a defect");
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let (question, id) = ask(&world, &staff, &job, "Observation").await;
    for (error, status, said) in [
        (unavailable, 503, "This is not available now."),
        (full, 507, "Something broke here."),
        (defect, 500, "Something broke here."),
    ] {
        let hooked = Hooked { inner: Arc::new(world.platform().clone()), hook: Arc::new(Failing { error }) };
        let app = web::host::host(ehi::server::routers(&hooked)?, hooked.context());
        let names = ["version", "file", "at", "hash"];
        let mut fields: Vec<_> = names.iter().map(|name| (*name, hidden(&question, name))).collect();
        fields.push(("reason", "typed words".to_owned()));
        let form = world.post(&format!("/staff{job}/leave-out")).cookie(&staff).form(&fields);
        let refused = form.send_over(app).await;
        let text = refused.text();
        assert_eq!(refused.status.as_u16(), status, "{text}");
        assert!(
            text.contains(said) && text.contains("typed words</textarea>") && text.contains(&id),
            "{text}"
        );
    }
    assert_eq!(leave_out(&world, &staff, &job, &question, "typed words").await.status, StatusCode::SEE_OTHER);
    Ok(())
}
