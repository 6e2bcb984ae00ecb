//! Staff without a session: the sign-in leads back to the page, and what was typed before the session ended is shown again.

mod buttons;

use http::StatusCode;
use tests::{ANNA, BASE_URL, PASSWORD, TestResponse, World, both_hosts, parameter};

use crate::admin::in_review;
use crate::audit::roles;
use crate::review::left_out::ask;
use crate::review::{decide, hidden, page};
use crate::started::{unchanged_form, with_texts};

/// Returns the value of a hidden field as a browser sends it.
fn sent(page: &str, name: &str) -> String {
    hidden(page, name)
        .replace("&#34;", "\"")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

/// Sends the form of the sign-in page.
async fn sign_in(world: &World, password: &str, more: &[(&str, &str)]) -> TestResponse {
    let fields = [&[("username", "admin"), ("password", password)], more].concat();
    world.post("/staff/login").form(&fields).send().await
}

/// Signs in with the page that a form without a session gets, and returns the session and the page that follows.
async fn signed_in_again(world: &World, refused: &TestResponse) -> (TestResponse, String, String) {
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let form = refused.text();
    assert!(form.contains("You were signed out before this arrived"), "{form}");
    let (next, kept) = (sent(&form, "next"), sent(&form, "kept"));
    let fields = [("next", &*next), ("kept", &kept)];
    // A wrong password loses nothing.
    let wrong = sign_in(world, "wrong", &fields).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let form = wrong.text();
    assert_eq!((sent(&form, "next"), sent(&form, "kept")), (next.clone(), kept.clone()));
    let staff = sign_in(world, PASSWORD, &fields).await;
    let address = staff.location();
    assert!(address.starts_with(&format!("{BASE_URL}{next}")), "{address}");
    let shown = page(world, &staff, &address).await;
    assert!(shown.contains("This is what you typed. Nothing was changed"), "{shown}");
    (staff, address, shown)
}

async fn state(world: &World, staff: &TestResponse, job: &str) -> String {
    let shown = world.get(&format!("/admin{job}")).cookie(staff).send().await.json();
    shown["status"].as_str().expect("a status").to_owned()
}

/// Wrong passwords would lock the account of the other stories of a deployment.
#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_opened() {
    let world = World::new();
    let (job, _, _) = in_review(&world).await;
    for path in
        [&format!("/staff{job}"), &format!("/staff{job}/files/Patient.ndjson?at=0&one=1"), "/staff?q=a+b"]
    {
        let login = world.get(path).send().await.location();
        assert_eq!(parameter(&login, "next").as_deref(), Some(path));
        let form = world.get(&login).send().await;
        assert_eq!((form.status, sent(&form.text(), "next")), (StatusCode::OK, path.to_owned()));
        let wrong = sign_in(&world, "wrong", &[("next", path)]).await;
        assert_eq!((wrong.status, sent(&wrong.text(), "next")), (StatusCode::UNAUTHORIZED, path.to_owned()));
        let staff = sign_in(&world, PASSWORD, &[("next", path)]).await;
        assert_eq!(staff.location(), format!("{BASE_URL}{path}"));
        page(&world, &staff, &staff.location()).await;
    }
    for other in [
        "",
        "/",
        "/admin/logout",
        "/staffer",
        "//example.org/staff",
        "https://example.org/staff",
        "/staff//example.org",
        "/staff\\example.org",
        "/staff/../admin/logout",
        "/staff/%2E%2e/admin/logout",
        "/staff\r\nx: y",
        "/staff/login",
        "/staff/login?next=/staff/login",
        "/staff/logout",
    ] {
        let query: String = url::form_urlencoded::byte_serialize(other.as_bytes()).collect();
        let form = world.get(&format!("/staff/login?next={query}")).send().await.text();
        assert!(!form.contains("name=\"next\""), "{other:?}: {form}");
        let staff = sign_in(&world, PASSWORD, &[("next", other), ("kept", "reason=x")]).await;
        assert_eq!(staff.location(), format!("{BASE_URL}/staff"), "{other:?}");
    }
}

#[both_hosts]
async fn a_rejection_that_arrives_after_the_session_is_shown_again_and_not_executed(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let path = format!("/staff{job}/reject");
    let version = hidden(&page(&world, &staff, &path).await, "version");
    let typed = [("because", "harm"), ("reason", "Ask Dr. <Who> & \"Co\"")];
    let fields = [&[("version", &*version)], &typed[..]].concat();
    let send = || world.post(&path).form(&fields);
    let (staff, address, shown) = signed_in_again(&world, &send().send().await).await;
    assert!(!address.contains("Who"), "no text is in the address: {address}");
    assert!(shown.contains("Ask Dr. &#60;Who&#62; &#38; &#34;Co&#34;</textarea>"), "{shown}");
    assert!(shown.contains("value=\"harm\" checked"), "{shown}");
    assert_eq!(state(&world, &staff, &job).await, "retrieved", "the export is in review");
    assert!(page(&world, &staff, &address).await.contains("Ask Dr."), "loading it again loses nothing");
    let unknown = page(&world, &staff, &format!("{path}?kept=0123456789abcdef")).await;
    assert!(!unknown.contains("Ask Dr.") && !unknown.contains("This is what you typed"), "{unknown}");
    let done = decide(&world, &staff, &path, &hidden(&shown, "version"), &typed).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let outcome = world.status(&token, &job).await.outcome();
    assert!(outcome.contains("Ask Dr. <Who> & \"Co\""), "{outcome}");
    // Another site must not prefill a form, a program gets no page, and a token is refused as before.
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::UNAUTHORIZED);
    assert!(!other_site.text().contains("name=\"kept\""), "{}", other_site.text());
    let program = send().header("accept", "application/json").send().await;
    assert_eq!(
        (program.status, program.header("content-type")),
        (StatusCode::UNAUTHORIZED, "application/fhir+json")
    );
    assert_eq!(send().bearer(&token).send().await.status, StatusCode::FORBIDDEN);
    // What is too long for a hidden field is not carried.
    let long = [("version", &*version), ("reason", &"x".repeat(20_000))];
    let long = world.post(&path).form(&long).send().await;
    assert_eq!(long.status, StatusCode::UNAUTHORIZED);
    let form = long.text();
    assert!(form.contains("the page is shown again.") && !form.contains("name=\"kept\""), "{form}");
    // Nothing is typed on this page.
    let approve = world.post(&format!("/staff{job}/approve")).form(&[("version", &version)]).send().await;
    let form = approve.text();
    assert_eq!(sent(&form, "next"), format!("/staff{job}/approve"));
    assert!(!form.contains("name=\"kept\""), "{form}");
}

#[both_hosts]
async fn a_reason_to_leave_something_out_that_arrives_after_the_session_is_shown_again(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let (question, id) = ask(&world, &staff, &job, "Observation").await;
    let begin = format!(" action=\"/staff{job}/leave-out?");
    let at = question.find(&begin).expect("a form") + " action=\"".len();
    let action = question[at..].split('"').next().expect("an address").replace("&#38;", "&");
    let names = ["version", "file", "at", "hash"];
    let values = names.map(|name| hidden(&question, name));
    let mut fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    fields.push(("reason", "It is about another person."));
    let refused = world.post(&action).form(&fields).send().await;
    let (staff, _, shown) = signed_in_again(&world, &refused).await;
    assert!(shown.contains(&id) && shown.contains("It is about another person.</textarea>"), "{shown}");
    assert_eq!(names.map(|name| hidden(&shown, name)), values);
    let done = world.post(&action).cookie(&staff).form(&fields).send().await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
}

#[both_hosts(alone)]
async fn the_form_of_an_export_that_arrives_after_the_session_is_shown_again(world: World) {
    for path in [format!("/staff/patients/{ANNA}/export"), "/staff/groups/everyone/export".to_owned()] {
        let staff = world.staff().await;
        let (fields, _) = unchanged_form(&world, &staff, &path).await;
        let fields: Vec<_> =
            fields.into_iter().filter(|(name, _)| name != "parameters.labs.enabled").collect();
        let texts = [("receiver", "the ¿patient?"), ("reason", "r&d"), ("from", "2019-01-01")];
        let fields = with_texts(fields, &texts);
        let before = world.get("/admin/jobs").cookie(&staff).send().await.json();
        let refused = world.post(&path).form(&fields).send().await;
        let (staff, _, shown) = signed_in_again(&world, &refused).await;
        let number = fields.iter().find(|(name, _)| name == "number").expect("a number");
        assert_eq!(hidden(&shown, "number"), number.1);
        for part in [
            "name=\"receiver\" value=\"the ¿patient?\"",
            "name=\"reason\" value=\"r&#38;d\"",
            "name=\"from\" value=\"2019-01-01\"",
            "name=\"parameters.visits.enabled\" value=\"on\" checked",
            "name=\"parameters.labs.enabled\" value=\"on\" aria",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let after = world.get("/admin/jobs").cookie(&staff).send().await.json();
        assert_eq!(before, after, "nothing is started");
        let started = world.post(&path).cookie(&staff).form(&fields).send().await;
        assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    }
}

/// The button of the form, which needs no script.
#[tokio::test]
async fn staying_signed_in_extends_the_session_and_keeps_what_was_typed() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let path = format!("/staff{job}/reject");
    let rejection = page(&world, &staff, &path).await;
    let start = format!("/staff/patients/{ANNA}/export");
    let (fields, form) = unchanged_form(&world, &staff, &start).await;
    for shown in [&question, &rejection, &form] {
        assert!(shown.contains("data-session-seconds=\"600\""), "{shown}");
        assert!(shown.contains("We sign you out after 10 minutes"), "{shown}");
        assert!(shown.contains("name=\"stay\" value=\"1\" formnovalidate"), "{shown}");
    }
    let hidden_fields: Vec<_> = ["file", "at", "hash"].map(|name| (name, hidden(&question, name))).into();
    let mut of_question: Vec<_> = hidden_fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    of_question.extend([("reason", "typed words"), ("stay", "1")]);
    let of_rejection = [("because", "harm"), ("reason", "typed words"), ("stay", "1")];
    let of_start = with_texts(fields, &[("receiver", "typed words"), ("stay", "1")]);
    let version = hidden(&rejection, "version");
    for _ in 0..3 {
        world.advance(400);
        for stayed in [
            decide(&world, &staff, &format!("/staff{job}/leave-out"), &version, &of_question).await,
            decide(&world, &staff, &path, &version, &of_rejection).await,
            world.post(&start).cookie(&staff).form(&of_start).send().await,
        ] {
            assert_eq!(stayed.status, StatusCode::OK, "{}", stayed.text());
            let shown = stayed.text();
            assert!(shown.contains("typed words") && !shown.contains("role=\"alert\" tabindex"), "{shown}");
        }
    }
    assert_eq!(state(&world, &staff, &job).await, "retrieved", "the export is in review");
    // A colleague changes the export: staying must not hide that.
    let file: [(&str, &str, &[u8]); 1] = [("a.txt", "text/plain", b"x")];
    world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&file).send().await;
    let stayed = decide(&world, &staff, &path, &version, &of_rejection).await;
    assert_eq!(stayed.status, StatusCode::CONFLICT);
    assert!(stayed.text().contains("was changed since you opened the page"), "{}", stayed.text());
}

/// Nobody else reads it, and it is kept for as long as a session.
#[tokio::test]
async fn what_was_typed_is_kept_for_its_author_and_for_ten_minutes() {
    let world = World::of(&roles::with_members(""), &ehi::defaults::sample_records());
    let (job, _, _) = in_review(&world).await;
    let path = format!("/staff{job}/reject");
    let refused = world.post(&path).form(&[("because", "other"), ("reason", "typed words")]).send().await;
    let (staff, address, shown) = signed_in_again(&world, &refused).await;
    assert!(shown.contains("typed words"), "{shown}");
    let colleague = roles::signed_in(&world, "reviewer").await;
    let shown = page(&world, &colleague, &address).await;
    assert!(!shown.contains("typed words"), "{shown}");
    assert_eq!(world.get(&address).send().await.status, StatusCode::SEE_OTHER);
    for (seconds, is_kept) in [(590, true), (20, false)] {
        world.advance(seconds);
        assert_eq!(page(&world, &staff, &address).await.contains("typed words"), is_kept, "{seconds}");
    }
}
