//! Stories for the simulated AWS only: the behaviour of functions when sessions expire, work is interrupted or fails.

use std::time::Duration;

use domain::event::CloudEvent;
use domain::ids::JobId;
use domain::job::JobState;
use http::{Method, StatusCode};
use serde_json::json;
use tests::simulated::account::Setup;
use tests::simulated::names::AUDIT_TABLE;
use tests::simulated::{Faults, Storm};
use tests::stories::Story;
use tests::{ANNA, TestResponse, World, text};

use crate::cleanup::a_deleted_export_is_removed_when_its_permission_ends;
use crate::customize::begin_with_the_form;
use crate::large_records::a_large_record_is_exported_by_the_workers_for_large_exports;
use crate::mails::announced::a_mail_is_sent_to_the_patient;
use crate::review::left_out::{ask, leave_out};
use crate::review::{link, page};

use super::changes::passes;
use super::uploads::a_large_file_is_attached_on_the_pages;

const DEFAULT: Setup = Setup { settings: "", parameters: &[] };
/// The limit of requests and responses on AWS. The simulation does not pass the template's variables to functions that have a settings
/// file.
const LIMITED: Setup = Setup { settings: "max_direct_bytes = 4194304", parameters: &[] };
/// With this limit no file is small enough for a response.
const SMALL_RESPONSES: Setup = Setup { settings: "max_direct_bytes = 1", parameters: &[] };

/// With these limits no ZIP is made during a request.
const SMALL_ZIPS: Setup =
    Setup { settings: "max_direct_bytes = 1\nmax_immediate_zip_bytes = 1", parameters: &[] };

/// The permission for private topics ends before the time to undo a deletion, and earlier than by default.
const SHORT_PERMISSION: Setup = Setup { settings: "undo_hours = 168\npages.due_days = 2", parameters: &[] };

/// A client may have one unfinished EHI export of a patient.
const ONE_EXPORT: Setup = Setup { settings: "max_running_exports = 1", parameters: &[] };

/// Every record is too large for the workers of small exports.
const LARGE_RECORDS: Setup = Setup { settings: "", parameters: &[("LargeRecordBytes", "1")] };

macro_rules! story {
    ($setup:ident, $name:ident) => {
        ($setup, Story { name: stringify!($name), run: |world| Box::pin($name(world)) })
    };
}

/// The stories, and the deployment of each.
pub(crate) const ALL: [(Setup, Story); 20] = [
    story!(DEFAULT, begin_with_the_form),
    story!(DEFAULT, a_session_lasts_ten_minutes_after_its_last_use),
    story!(DEFAULT, deleting_an_export_removes_all_its_files),
    story!(DEFAULT, rejecting_an_export_removes_all_its_files),
    story!(DEFAULT, an_expired_export_and_its_files_are_removed),
    story!(DEFAULT, cleanup_restarts_exports_whose_messages_were_lost),
    story!(DEFAULT, dead_letters_fail_their_exports),
    story!(DEFAULT, a_client_has_a_limited_number_of_running_exports),
    story!(ONE_EXPORT, an_abandoned_form_gives_way),
    story!(DEFAULT, an_event_is_published),
    story!(DEFAULT, a_mail_is_sent_to_the_patient),
    story!(DEFAULT, exports_complete_despite_duplicate_deliveries),
    story!(DEFAULT, an_upload_is_attached_once_and_does_not_change_afterwards),
    story!(SHORT_PERMISSION, a_deleted_export_is_removed_when_its_permission_ends),
    story!(LARGE_RECORDS, a_large_record_is_exported_by_the_workers_for_large_exports),
    story!(LIMITED, a_large_file_is_attached_on_the_pages),
    story!(SMALL_RESPONSES, a_large_zip_is_made_in_the_store_and_removed_with_the_copy),
    story!(SMALL_ZIPS, a_zip_of_any_size_is_made_by_workers_and_removed_with_the_copy),
    story!(SMALL_ZIPS, a_zip_whose_task_is_a_dead_letter_has_failed),
    story!(SMALL_RESPONSES, large_files_are_served_by_signed_links),
];

const HOUR: Duration = Duration::from_hours(1);

fn id_of(job: &str) -> JobId {
    JobId::parse(job.rsplit('/').next().expect("an id")).expect("an id")
}

fn state_of(world: &World, job: &str) -> Option<JobState> {
    world.account().simulation().job(&id_of(job)).map(|job| job.state())
}

async fn a_session_lasts_ten_minutes_after_its_last_use(world: World) {
    let path = format!("/fhir/Patient/{ANNA}/$ehi-export/customize?client_id=app");
    let next = tests::parameter(&world.get(&path).send().await.location(), "next").expect("the form's path");
    let fields = [("next", next.as_str()), ("patient", ANNA)];
    let session = world.post("/patient-login").form(&fields).send().await;
    for _ in 0..3 {
        world.account().wait(HOUR / 12).await;
        let form = world.get(&session.location()).cookie(&session).send().await;
        assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    }
}

async fn deleting_an_export_removes_all_its_files(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    world.account().leave_orphans(&id_of(&job));
    let deleted = world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert!(!world.account().has_files(&id_of(&job)));
}

async fn rejecting_an_export_removes_all_its_files(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    world.account().leave_orphans(&id_of(&job));
    let staff = world.staff().await;
    let rejected = world.post(&format!("/admin{job}/reject")).cookie(&staff).send().await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text());
    assert!(!world.account().has_files(&id_of(&job)));
}

async fn an_expired_export_and_its_files_are_removed(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    world.account().leave_orphans(&id_of(&job));
    world.account().wait(24 * HOUR).await;
    world.account().clean().await;
    assert_eq!(state_of(&world, &job), Some(JobState::Expired));
    assert!(!world.account().has_files(&id_of(&job)));
    world.account().wait(25 * HOUR).await;
    world.account().clean().await;
    assert_eq!(state_of(&world, &job), None);
}

async fn cleanup_restarts_exports_whose_messages_were_lost(world: World) {
    let patient = world.token(ANNA).await;
    let service = world.service("service", "system/*.rs").await;
    let small = world.kick_off(&patient, "/auto-approve/no-form", ANNA).await;
    let large = world.get("/fhir/Patient/$export?_type=Patient").bearer(&service).send().await.job();
    assert_eq!(world.account().lose_messages().len(), 2);
    world.account().wait(HOUR).await;
    world.account().clean().await;
    world.work().await;
    for job in [small, large] {
        assert_eq!(state_of(&world, &job), Some(JobState::Complete), "{job}");
    }
}

async fn dead_letters_fail_their_exports(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/auto-approve/no-form", ANNA).await;
    world.account().leave_orphans(&id_of(&job));
    world.account().move_to_dead_letters();
    world.work().await;
    assert_eq!(state_of(&world, &job), Some(JobState::Failed));
    assert!(!world.account().has_files(&id_of(&job)));
}

async fn a_client_has_a_limited_number_of_running_exports(world: World) {
    let token = world.service("direct-service", "system/*.read").await;
    let start = || world.get("/fhir/Patient/$export?_type=Patient").bearer(&token).send();
    for expected in [202, 202, 202, 429] {
        assert_eq!(start().await.status.as_u16(), expected);
    }
    world.work().await;
    assert_eq!(start().await.status, StatusCode::ACCEPTED, "finished exports do not count");
}

async fn an_abandoned_form_gives_way(world: World) {
    let kick_off = async || world.kick_off(&world.token(ANNA).await, "", ANNA).await;
    let first = kick_off().await;
    world.account().wait(HOUR).await;
    let second = kick_off().await;
    assert_eq!(state_of(&world, &first), Some(JobState::Cancelled));
    assert_eq!(state_of(&world, &second), Some(JobState::AwaitingInput));
}

async fn an_event_is_published(world: World) {
    let (sdk, resources) = world.account().configuration("AnnounceFunction").await;
    let event = CloudEvent {
        id: "1/complete".to_owned(),
        source: tests::BASE_URL.to_owned(),
        event_type: "ehi-export.job.complete".to_owned(),
        time: jiff::Timestamp::UNIX_EPOCH,
        data: json!({}),
    };
    announce::bus(&sdk, &resources).expect("a bus").publish(&[event]).await.expect("published");
    // The rows of the adapter have what the filters of the stream read.
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let row = world.account().simulation().job_row(&id_of(&job)).expect("a row");
    let change = json!({ "eventName": "MODIFY", "dynamodb": { "NewImage": row } });
    for mapping in ["AnnounceMapping", "MailMapping"] {
        assert!(passes(mapping, &change), "{mapping}: {change}");
    }
}

async fn large_files_are_served_by_signed_links(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let announced = json!({ "name": "scan.pdf", "contentType": "application/pdf", "size": 9 });
    let form = world.post(&format!("/admin{job}/uploads")).cookie(&staff).json(&announced).send().await;
    assert!(text(&form.json()["url"]).starts_with("https://the-files.s3."), "{}", form.text());
    let listed = page(&world, &staff, &format!("/staff{job}/inside")).await;
    let inside = world.get(&link(&listed, "number=0")).cookie(&staff).send().await;
    assert_eq!(inside.status, StatusCode::TEMPORARY_REDIRECT, "{}", inside.text());
    assert!(inside.location().starts_with("https://the-files.s3."), "{}", inside.location());
    assert!(has_disposition(&inside.location(), "inline"), "{}", inside.location());
    assert_eq!(page(&world, &staff, &format!("/staff{job}/inside")).await.matches("✓ Opened").count(), 1);
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let left_out = leave_out(&world, &staff, &job, &question, "It is about another person.").await;
    assert_eq!(left_out.status, StatusCode::SEE_OTHER, "{}", left_out.text());
    let letters: [(&str, &str, &[u8]); 2] = [
        ("letter.txt", "text/plain", b"With regards"),
        ("page.txt", "text/plain", b"<html><script>alert(1)</script>"),
    ];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&letters).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    // A browser shows what runs nothing, by its content. It saves the rest.
    for (name, how, media_type) in
        [("letter.txt", "inline", Some("text/plain; charset=utf-8")), ("page.txt", "attachment", None)]
    {
        let document = world.get(&format!("/staff{job}/documents/{name}")).cookie(&staff).send().await;
        assert_eq!(document.status, StatusCode::TEMPORARY_REDIRECT, "{name}: {}", document.text());
        let link = document.location();
        assert!(has_disposition(&link, how), "{name}: {link}");
        assert_eq!(tests::parameter(&link, "response-content-type").as_deref(), media_type, "{link}");
    }
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    let url = text(&attached.json()["attachments"][0]["url"]);
    let sent = world.get(&url).bearer(&token).send().await;
    assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT, "{}", sent.text());
    assert!(sent.location().starts_with("https://the-files.s3."), "{}", sent.location());
    assert!(has_disposition(&sent.location(), "attachment"), "{}", sent.location());
}

/// Returns whether a browser gets the file of a signed link with this disposition.
fn has_disposition(link: &str, how: &str) -> bool {
    let disposition = tests::parameter(link, "response-content-disposition").expect("a disposition");
    disposition.starts_with(&format!("{how}; filename=\""))
}

/// An upload is attached once, a later upload with the same form does not change it, and a call that failed can be repeated.
async fn an_upload_is_attached_once_and_does_not_change_afterwards(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let uploads = format!("/admin{job}/uploads");
    let announced = json!({ "name": "scan.pdf", "contentType": "application/pdf", "size": 9 });
    let form = world.post(&uploads).cookie(&staff).json(&announced).send().await.json();
    let complete = format!("{uploads}/{}/complete", text(&form["id"]));
    let key = text(&form["fields"]["key"]);
    let simulation = world.account().simulation();
    simulation.upload(&key, "%PDF-scan");
    simulation.outage(Some(AUDIT_TABLE));
    let failed = world.post(&complete).cookie(&staff).send().await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{}", failed.text());
    simulation.outage(None);
    let attached = world.post(&complete).cookie(&staff).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    assert_eq!(world.post(&complete).cookie(&staff).send().await.status, StatusCode::NOT_FOUND, "once");
    // The form is still valid.
    simulation.upload(&key, "%PDF-evil");
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let attachments = approved.json()["attachments"].clone();
    assert_eq!((&attachments[0]["size"], attachments.as_array().map(Vec::len)), (&json!(9), Some(1)));
    let sent = world.get(&text(&attachments[0]["url"])).bearer(&token).send().await;
    assert_eq!((sent.status, sent.text().as_str()), (StatusCode::OK, "%PDF-scan"));
    let deleted = world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert!(!world.account().has_files(&id_of(&job)), "the second upload goes with the export");
}

/// A ZIP that is too large for a response is made in the store once, and is removed with the copy.
async fn a_large_zip_is_made_in_the_store_and_removed_with_the_copy(world: World) {
    let session = crate::my::signed_in(&world, ANNA).await;
    let copy = crate::my::requested_copy(&world, &session, &["hiv"]).await;
    world.work().await;
    crate::my::approved(&world, &copy).await;
    for _ in 0..2 {
        let zip = world.get(&format!("{copy}/zip")).cookie(&session).send().await;
        assert_eq!(zip.status, StatusCode::SEE_OTHER, "{}", zip.text());
        assert!(zip.location().starts_with("https://the-files.s3."), "{}", zip.location());
    }
    let id = id_of(&copy);
    assert!(world.account().has_files(&id));
    world.account().leave_orphans(&id);
    let fields = [("seen", "ready")];
    let deleted = world.post(&format!("{copy}/cancel")).cookie(&session).form(&fields).send().await;
    assert!(deleted.location().ends_with("said=deleted"), "{}", deleted.location());
    assert!(!world.account().has_files(&id));
}

/// Returns a session of a patient, and the path of a complete copy.
async fn complete_copy(world: &World) -> (TestResponse, String) {
    let session = crate::my::signed_in(world, ANNA).await;
    let copy = crate::my::requested_copy(world, &session, &["hiv"]).await;
    world.work().await;
    crate::my::approved(world, &copy).await;
    (session, copy)
}

async fn zip_page(world: &World, session: &TestResponse, copy: &str) -> String {
    crate::my::page(world, session, &format!("{copy}/zip/progress")).await
}

/// The queue delivers half of all tasks twice at once. The ZIP is linked when it is whole.
async fn a_zip_of_any_size_is_made_by_workers_and_removed_with_the_copy(world: World) {
    let (session, copy) = complete_copy(&world).await;
    let id = id_of(&copy);
    let storm = Storm { seed: 5, throttled: 0, lost: 0, dead: 0, duplicates: 500 };
    world.account().simulation().set_faults(Faults::Storm(storm));
    for language in ["en", "es"] {
        let cookie = format!("{}; lang={language}", session.cookie());
        for _ in 0..2 {
            let asked = world.post(&format!("{copy}/zip")).header("cookie", &cookie).send().await;
            assert!(asked.location().ends_with("/zip/progress"), "{}", asked.text());
        }
        world.work().await;
        let zip = world.get(&format!("{copy}/zip")).header("cookie", &cookie).send().await;
        let linked = zip.location();
        assert!(linked.starts_with("https://the-files.s3.") && linked.contains(language), "{linked}");
        let key = format!("exports/{id}/zip/copy-{language}.zip");
        let bytes = world.account().simulation().file(&key).expect("a ZIP");
        let files = crate::my::zip::unzipped(&bytes);
        crate::my::zip::check_sums(&files);
        let index = String::from_utf8_lossy(&files["index.html"]).into_owned();
        assert!(index.contains(&format!("<html lang=\"{language}\"")), "{index}");
        assert!(zip_page(&world, &session, &copy).await.contains("Download the ZIP"));
    }
    let left = world.account().simulation().files_below(&format!("exports/{id}/zip/"));
    assert_eq!(left.len(), 4, "only the ZIPs and their states: {left:?}");
    let fields = [("seen", "ready")];
    let deleted = world.post(&format!("{copy}/cancel")).cookie(&session).form(&fields).send().await;
    assert!(deleted.location().ends_with("said=deleted"), "{}", deleted.location());
    assert!(!world.account().has_files(&id));
}

async fn a_zip_whose_task_is_a_dead_letter_has_failed(world: World) {
    let (session, copy) = complete_copy(&world).await;
    let ask = || world.post(&format!("{copy}/zip")).cookie(&session).send();
    ask().await;
    world.account().move_to_dead_letters();
    world.work().await;
    let shown = zip_page(&world, &session, &copy).await;
    assert!(shown.contains("Something broke") && shown.contains("Prepare the ZIP again"), "{shown}");
    assert_eq!(state_of(&world, &copy), Some(JobState::Complete), "the copy has not failed");
    ask().await;
    world.work().await;
    assert!(zip_page(&world, &session, &copy).await.contains("Download the ZIP"));
}

/// Half of all deliveries are duplicated at once: one of two attempts is recorded, and the other one removes its files.
async fn exports_complete_despite_duplicate_deliveries(world: World) {
    let (patient, service) = (world.token(ANNA).await, world.service("service", "system/*.rs").await);
    let storm = Storm { seed: 3, throttled: 0, lost: 0, dead: 0, duplicates: 500 };
    world.account().simulation().set_faults(Faults::Storm(storm));
    for _ in 0..5 {
        let small = world.kick_off(&patient, "/auto-approve/no-form", ANNA).await;
        let large = world.get("/fhir/Patient/$export").bearer(&service).send().await.job();
        world.work().await;
        for job in [small, large] {
            assert_eq!(state_of(&world, &job), Some(JobState::Complete), "{job}");
        }
    }
}
