//! A second click on a button of staff leads to where the first one did, and changes nothing.

use http::StatusCode;
use tests::{ANNA, TestResponse, World, both_hosts};

use super::left_out::ask;
use super::{decide, hidden, page};
use crate::admin::in_review;

async fn history(world: &World, staff: &TestResponse, job: &str, what: &str) -> usize {
    let shown = world.get(&format!("/admin{job}")).cookie(staff).send().await.json();
    let history = shown["history"].as_array().expect("a history").clone();
    history.iter().filter(|event| event["what"] == what).count()
}

#[both_hosts]
async fn of_delete_and_undo_a_second_click_leads_to_the_same_page(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let path = format!("/staff{job}");
    let version = hidden(&page(&world, &staff, &format!("{path}/delete")).await, "version");
    let address = format!("{path}/delete");
    let delete = || decide(&world, &staff, &address, &version, &[]);
    let (one, other) = tokio::join!(delete(), delete());
    for deleted in [one, other, delete().await] {
        assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
        assert!(deleted.location().ends_with(&path), "{}", deleted.location());
    }
    let address = format!("{path}/undo");
    let undo = || world.post(&address).cookie(&staff).send();
    let (one, other) = tokio::join!(undo(), undo());
    for undone in [one, other, undo().await] {
        assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text());
        assert!(undone.location().ends_with(&path), "{}", undone.location());
    }
    assert_eq!(history(&world, &staff, &job, "deleted").await, 1);
    assert_eq!(history(&world, &staff, &job, "undid the deletion").await, 1);
    // The page from before the deletion does not delete the export that was brought back.
    assert_eq!(delete().await.status, StatusCode::CONFLICT);
}

#[both_hosts]
async fn an_export_that_is_deleted_at_once_leads_to_the_list_twice(world: World) {
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let job = world.kick_off(&token, "", ANNA).await;
    let path = format!("/staff{job}/delete");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    for _ in 0..2 {
        let deleted = decide(&world, &staff, &path, &version, &[]).await;
        assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
        assert!(deleted.location().ends_with("/staff"), "{}", deleted.location());
    }
}

#[both_hosts]
async fn of_leave_out_a_second_click_leads_to_the_export(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (question, id) = ask(&world, &staff, &job, "Observation").await;
    assert_eq!(hidden(&question, "resource"), format!("Observation/{id}"));
    let names = ["file", "at", "hash", "resource"];
    let values = names.map(|name| (name, hidden(&question, name)));
    let version = hidden(&question, "version");
    let path = format!("/staff{job}/leave-out");
    let send = async |resource: &str, reason: &str| {
        let mut fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.retain(|(name, _)| *name != "resource");
        fields.extend([("resource", resource), ("reason", reason)]);
        decide(&world, &staff, &path, &version, &fields).await
    };
    let resource = format!("Observation/{id}");
    let (one, other) = tokio::join!(send(&resource, "It is of another"), send(&resource, "It is of another"));
    for done in [one, other, send(&resource, "It is of another").await] {
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        assert!(done.location().ends_with(&format!("/staff{job}")), "{}", done.location());
    }
    // Another resource was not left out, nor this one for another reason: the page says so.
    for (resource, reason) in [("Observation/other", "It is of another"), (&resource, "Other words")] {
        let refused = send(resource, reason).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.text().contains("Nothing was left out"), "{}", refused.text());
    }
}

#[both_hosts]
async fn of_attach_a_second_click_says_that_the_files_are_there(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    let form = shown.split("/add-files\"").nth(1).expect("a form");
    let version = hidden(form, "version");
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n{version}\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"letter.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nWith regards\r\n--XX--\r\n"
    );
    let path = format!("/staff{job}/add-files");
    let send =
        || world.post(&path).cookie(&staff).body("multipart/form-data; boundary=XX", body.clone()).send();
    let (one, other) = tokio::join!(send(), send());
    let third = send().await;
    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    assert_eq!(third.status, StatusCode::CONFLICT);
    let text = third.text();
    assert!(text.contains("Your files may be attached already") && text.contains("letter.txt"), "{text}");
    assert_eq!(history(&world, &staff, &job, "attached letter.txt").await, 1);
    let listed = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(listed["attachments"].as_array().map(Vec::len), Some(1), "{listed}");
}

/// On AWS a request reaches the server through a gateway, which limits all files together.
#[tokio::test]
async fn the_form_for_files_names_the_limit_of_the_host() {
    let settings = "sandbox = true\nmax_upload_bytes = 104857600\nmax_direct_bytes = 4194304";
    let world = World::with(settings, &ehi::defaults::sample_records());
    let (job, _, staff) = in_review(&world).await;
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains("At most 5 files at a time, 4 MB in total."), "{shown}");
    assert!(shown.contains("data-max-all=\"4194304\""), "{shown}");
    let large = vec![0; 4_500_000];
    let files = [("a", "text/plain", &large[..])];
    let refused = world.post(&format!("/staff{job}/add-files")).cookie(&staff).files(&files).send().await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let said = "Nothing was attached. At most 5 files at a time, 4 MB in total.";
    assert!(refused.text().contains(said), "{}", refused.text());
    assert!(!shown.contains("Attach a larger file"), "this host has no store that takes files");
    let unlimited = World::with("sandbox = true\nmax_upload_bytes = 1000", &ehi::defaults::sample_records());
    let (job, _, staff) = in_review(&unlimited).await;
    let shown = page(&unlimited, &staff, &format!("/staff{job}")).await;
    assert!(shown.contains("At most 5 files at a time, 1,000 bytes each."), "{shown}");
}
