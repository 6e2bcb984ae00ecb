//! The list of exports for staff: its order, its search, its pages, and the approval of several exports at once.

use domain::ports::audit::{AuditQuery, all};
use futures_util::TryStreamExt;
use http::StatusCode;
use serde_json::json;
use tests::{ANNA, BRUNO, TestResponse, World, both_hosts};

use crate::admin::in_review;
use crate::review::{decide, hidden};

/// Returns the paths of the jobs on a page of the list, in their order.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("/staff/jobs/").skip(1);
    links.filter_map(|rest| Some(format!("/jobs/{}", rest.split('"').next()?))).collect()
}

async fn list(world: &World, staff: &TestResponse, query: &str) -> String {
    let page = world.get(&format!("/staff{query}")).cookie(staff).send().await;
    assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.text());
    page.text()
}

/// Returns the value of a job's tick box.
fn tick(page: &str, job: &str) -> String {
    let start = format!("name=\"job\" value=\"{}.", job.trim_start_matches("/jobs/"));
    let at = page.find(&start).unwrap_or_else(|| panic!("no tick box of {job}: {page}"));
    page[at + "name=\"job\" value=\"".len()..].split('"').next().expect("a value").to_owned()
}

/// Check 31: a part of the name in any spelling, the birth date, the record number and the id each find Anna, and not Bruno.
#[both_hosts]
async fn a_patient_is_found_by_name_birth_date_record_number_and_id(world: World) {
    let (anna, _, staff) = in_review(&world).await;
    let bruno = world.kick_off(&world.token(BRUNO).await, "", BRUNO).await;
    for search in [
        "lindq",
        "LINDQ",
        "líndq",
        "anna l",
        "lindqvist, anna",
        "1961-04-12",
        "4/12/1961",
        "mrn-1000",
        "MRN 1000",
        ANNA,
        "li\u{200f}nd",
    ] {
        let query: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let found = listed(&list(&world, &staff, &format!("?tab=all&q={query}")).await);
        assert!(found.contains(&anna) && !found.contains(&bruno), "{search}: {found:?}");
    }
    for search in ["%25", "_", "%F0%9F%98%80", "indqvist", "1961-04-13", "MRN-100", "anna%20bruno"] {
        let page = list(&world, &staff, &format!("?tab=all&q={search}")).await;
        assert_eq!(listed(&page), Vec::<String>::new(), "{search}");
        assert!(page.contains("Nothing found here"), "{page}");
    }
    // The number on the patient's receipt leads to the export.
    let numbered =
        world.get(&format!("/staff?q={}", anna.trim_start_matches("/jobs/"))).cookie(&staff).send().await;
    assert!(numbered.location().ends_with(&format!("/staff{anna}")), "{}", numbered.location());
}

/// This is check 30.
#[tokio::test]
async fn exports_in_review_are_listed_oldest_first_and_all_others_newest_first() {
    let world = World::new();
    let staff = world.staff().await;
    let empty = list(&world, &staff, "").await;
    assert!(empty.contains("Nothing needs review.") && listed(&empty).is_empty(), "{empty}");
    let mut reviewed = Vec::new();
    for patient in [ANNA, BRUNO, ANNA] {
        let token = world.token(patient).await;
        reviewed.push(world.kick_off(&token, "/no-form", patient).await);
        world.advance(60);
    }
    world.work().await;
    let token = world.token(ANNA).await;
    let waiting = world.kick_off(&token, "", ANNA).await;
    world.advance(60);
    let collecting = world.kick_off(&token, "/no-form", ANNA).await;
    let page = list(&world, &staff, "").await;
    assert_eq!(listed(&page), reviewed);
    for tab in [
        "Needs review <span class=\"count\">3<",
        "Collecting <span class=\"count\">1<",
        "Waiting <span class=\"count\">1<",
        "Ready <span class=\"count\">0<",
        ">All<",
    ] {
        assert!(page.contains(tab), "{tab}: {page}");
    }
    assert_eq!(listed(&list(&world, &staff, "?tab=waiting").await), std::slice::from_ref(&waiting));
    assert_eq!(listed(&list(&world, &staff, "?tab=collecting").await), std::slice::from_ref(&collecting));
    let newest_first: Vec<_> = reviewed.iter().cloned().chain([waiting, collecting]).rev().collect();
    assert_eq!(listed(&list(&world, &staff, "?tab=all").await), newest_first);
    let row = page.split("<tr").nth(2).expect("a row");
    for shown in [
        "Anna Lindqvist",
        "April 12, 1961",
        "MRN-1000",
        ANNA,
        "Needs review",
        "March 1, 2026",
        "March 31, 2026",
    ] {
        assert!(row.contains(shown), "{shown}: {row}");
    }
}

/// Deletes an export as the page of staff does.
async fn delete(world: &World, staff: &TestResponse, job: &str) {
    let path = format!("/staff{job}/delete");
    let question = world.get(&path).cookie(staff).send().await.text();
    let deleted = decide(world, staff, &path, &hidden(&question, "version"), &[]).await;
    assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
}

#[tokio::test]
async fn deleted_exports_are_listed_until_their_deletion_cannot_be_undone() {
    let world = World::new();
    let (job, token, staff) = in_review(&world).await;
    let (final_one, _, _) = in_review(&world).await;
    world.request(http::Method::DELETE, &format!("/admin{final_one}")).cookie(&staff).send().await;
    let cancelled = world.kick_off(&token, "", ANNA).await;
    world.request(http::Method::DELETE, &format!("{cancelled}/status")).bearer(&token).send().await;
    let tab = |count: usize| format!(">Deleted <span class=\"count\">{count}<");
    let nothing = list(&world, &staff, "?tab=deleted").await;
    assert!(nothing.contains("There is no deleted export that can be restored."), "{nothing}");
    assert!(nothing.contains(&tab(0)) && listed(&nothing).is_empty(), "{nothing}");
    delete(&world, &staff, &job).await;
    assert!(list(&world, &staff, "").await.contains(&tab(1)));
    for (query, is_listed) in [
        ("?tab=deleted", true),
        ("?tab=deleted&q=lindq", true),
        ("?tab=deleted&app=app", true),
        ("?tab=deleted&q=keller", false),
        ("?tab=all", false),
        ("", false),
    ] {
        let page = list(&world, &staff, query).await;
        let expected = if is_listed { std::slice::from_ref(&job) } else { &[] };
        assert_eq!(listed(&page), expected, "{query}");
        assert_eq!(page.contains("Deleted. You can undo it until March 2, 2026"), is_listed, "{page}");
    }
    let numbered = |job: &str| world.get(&format!("/staff?q={}", job.trim_start_matches("/jobs/")));
    let found = numbered(&job).cookie(&staff).send().await;
    assert!(found.location().ends_with(&format!("/staff{job}")), "{}", found.location());
    assert_eq!(numbered(&final_one).cookie(&staff).send().await.status, StatusCode::OK, "it has no page");
    world.post(&format!("/staff{job}/undo")).cookie(&staff).send().await;
    assert!(listed(&list(&world, &staff, "?tab=deleted").await).is_empty());
    delete(&world, &staff, &job).await;
    world.advance(24 * 3600);
    let staff = world.staff().await;
    let page = list(&world, &staff, "?tab=deleted").await;
    assert!(listed(&page).is_empty() && page.contains(&tab(0)), "{page}");
    assert_eq!(numbered(&job).cookie(&staff).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn deleted_exports_have_pages_and_are_found_among_many_cancelled_ones() {
    let world = World::new();
    let (token, mut jobs) = (world.token(ANNA).await, Vec::new());
    for _ in 0..30 {
        jobs.push(world.kick_off(&token, "/no-form", ANNA).await);
        world.work().await;
        world.advance(1);
    }
    jobs.reverse();
    let staff = world.staff().await;
    for job in &jobs {
        delete(&world, &staff, job).await;
    }
    let pages = async || {
        let (mut address, mut found, mut pages) = ("?tab=deleted".to_owned(), Vec::new(), Vec::new());
        loop {
            let page = list(&world, &staff, &address).await;
            pages.push(listed(&page).len());
            found.extend(listed(&page));
            let next = page.split("<a href=\"").find(|link| link.contains("Next page"));
            let Some(next) = next else { return (found, pages) };
            let next = next.split('"').next().expect("an address").replace("&#38;", "&");
            address = next.strip_prefix("/staff").expect("the list").to_owned();
        }
    };
    assert_eq!(pages().await, (jobs.clone(), vec![25, 5]));
    assert!(list(&world, &staff, "").await.contains(">Deleted <span class=\"count\">30<"));
    for _ in 0..120 {
        let cancelled = world.kick_off(&token, "", ANNA).await;
        world.request(http::Method::DELETE, &format!("{cancelled}/status")).bearer(&token).send().await;
    }
    assert_eq!(pages().await, (jobs.clone(), vec![25, 5]));
    // The newest hundred do not tell the number.
    assert!(list(&world, &staff, "").await.contains(">Deleted</a>"));
    world.advance(1);
    let (restorable, _, _) = in_review(&world).await;
    delete(&world, &staff, &restorable).await;
    assert!(list(&world, &staff, "").await.contains(">Deleted <span class=\"count\">1+<"));
}

#[tokio::test]
async fn exports_that_are_due_soon_are_marked() {
    let world = World::new();
    let token = world.token(ANNA).await;
    world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let day = 24 * 3600;
    for (days, expected) in [
        (24, None),
        (1, Some("5 days left")),
        (4, Some("1 day left")),
        (1, Some("Due today")),
        (1, Some("Overdue")),
    ] {
        world.advance(days * day);
        let page = list(&world, &world.staff().await, "").await;
        assert!(page.contains("March 31, 2026"), "{page}");
        assert_eq!(page.contains("class=\"urgent\""), expected.is_some(), "{days}: {page}");
        assert!(expected.is_none_or(|expected| page.contains(expected)), "{expected:?}: {page}");
    }
}

#[tokio::test]
async fn a_list_has_pages_and_keeps_its_filters() {
    let world = World::new();
    let mut jobs = Vec::new();
    for _ in 0..60 {
        let token = world.token(ANNA).await;
        jobs.push(world.kick_off(&token, "", ANNA).await);
        world.advance(3600);
    }
    jobs.reverse();
    let staff = world.staff().await;
    let mut address = "?tab=waiting&q=lindq&app=app&from=2026-03-01&to=2026-03-31".to_owned();
    let mut found = Vec::new();
    for rows in [25, 25, 10] {
        let page = list(&world, &staff, &address).await;
        assert_eq!(listed(&page).len(), rows);
        found.extend(listed(&page));
        assert!(
            page.contains("value=\"lindq\"") && page.contains("<option value=\"app\" selected>"),
            "{page}"
        );
        let next = page.split("<a href=\"").find(|link| link.contains("page=") && link.contains("Next page"));
        assert_eq!(next.is_some(), rows == 25);
        let Some(next) = next else { break };
        let next = next.split('"').next().expect("an address").replace("&#38;", "&");
        address = next.strip_prefix("/staff").expect("the list").to_owned();
    }
    assert_eq!(found, jobs);
    // The range includes both days.
    for (from, to, expected) in
        [("2026-03-02", "2026-03-02", 24), ("2026-03-03", "", 24), ("", "2026-03-01", 12)]
    {
        let address = format!("?tab=waiting&from={from}&to={to}");
        let (page, mut found) = (list(&world, &staff, &address).await, 0);
        found += listed(&page).len();
        assert_eq!(found, expected, "{address}");
    }
    assert_eq!(listed(&list(&world, &staff, "?tab=all&app=service").await), Vec::<String>::new());
    assert_eq!(listed(&list(&world, &staff, "?tab=all&app=%20a%20b").await), Vec::<String>::new());
    let wrong = list(&world, &staff, "?tab=all&from=2026-02-30&q=lindq").await;
    assert!(wrong.contains("<a href=\"#from\">Asked from: this is not a real date.</a>"), "{wrong}");
    assert!(
        wrong.contains("value=\"2026-02-30\"")
            && wrong.contains("value=\"lindq\"")
            && listed(&wrong).is_empty()
    );
    assert_eq!(world.get("/staff?page=x").cookie(&staff).send().await.status, StatusCode::BAD_REQUEST);
}

/// Check 36 for several exports: each is approved once, and the page tells the second reviewer who approved it first.
#[both_hosts]
async fn several_exports_are_approved_at_once_and_failures_are_named(world: World) {
    let (one, token, staff) = in_review(&world).await;
    let (two, _, _) = in_review(&world).await;
    let (changed, _, _) = in_review(&world).await;
    let (gone, _, _) = in_review(&world).await;
    let waiting = world.kick_off(&token, "", ANNA).await;
    let mut ticks = Vec::new();
    for job in [&one, &two, &changed, &gone] {
        let (mut address, mut found) = ("?tab=review&q=lindq".to_owned(), None);
        while found.is_none() {
            let page = list(&world, &staff, &address).await;
            found = listed(&page).contains(job).then(|| tick(&page, job));
            let next = page.split("<a href=\"").find(|link| link.contains("Next page"));
            let Some(next) = next else { break };
            address =
                next.split('"').next().expect("an address").replace("&#38;", "&").replacen("/staff", "", 1);
        }
        ticks.push(found.expect("it is listed"));
    }
    ticks.push(format!("{}.1", waiting.trim_start_matches("/jobs/")));
    ticks.extend(["nonsense".to_owned(), ticks[0].clone()]);
    let file: [(&str, &str, &[u8]); 1] = [("a.txt", "text/plain", b"x")];
    world.post(&format!("/admin{changed}/add-files")).cookie(&staff).files(&file).send().await;
    world.request(http::Method::DELETE, &format!("/admin{gone}")).cookie(&staff).send().await;
    let fields: Vec<_> = ticks.iter().map(|tick| ("job", tick.as_str())).collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let question = world.get(&format!("/staff/approve?{query}")).cookie(&staff).send().await;
    assert_eq!(question.status, StatusCode::OK);
    let question = question.text();
    assert!(
        question.contains("Approve 2 exports?") && question.contains("Born April 12, 1961"),
        "{question}"
    );
    for why in [
        "Somebody changed it after you looked.",
        "This export is gone.",
        "Its state is now \"Waiting for the patient\"",
    ] {
        assert!(question.replace("&#34;", "\"").contains(why), "{why}: {question}");
    }
    let status = async |job: &str| world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(
        status(&one).await["status"],
        "retrieved",
        "the export is approved only after the button is pressed"
    );
    let send = || world.post("/staff/approve").cookie(&staff).form(&fields);
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
    let (first, second) = tokio::join!(send().send(), send().send());
    for response in [&first, &second] {
        assert!(response.text().contains("Somebody changed it after you looked."), "{}", response.text());
    }
    let again = send().send().await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text().contains("Nothing was approved"), "{}", again.text());
    assert_eq!(again.text().matches("Approved already by admin at").count(), 2, "{}", again.text());
    for job in [&one, &two] {
        let job = status(job).await;
        let events = job["history"].as_array().expect("a history");
        assert_eq!(
            (&job["status"], events.iter().filter(|event| event["what"] == "approved").count()),
            (&json!("approved"), 1)
        );
    }
    for job in [&changed, &waiting] {
        assert_ne!(status(job).await["status"], "approved");
    }
    let none = world.get("/staff/approve").cookie(&staff).send().await.text();
    assert!(none.contains("Tick at least one export"), "{none}");
    for response in [
        world.get("/staff/approve").bearer(&token).send().await,
        world.post("/staff/approve").bearer(&token).form(&fields).send().await,
    ] {
        assert_eq!(response.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(world.post("/staff/approve").form(&fields).send().await.status, StatusCode::UNAUTHORIZED);
}

/// A name is always shown as text, for any characters in it.
/// Check 38: who looked at a list with a patient's name is in the audit trail.
#[tokio::test]
async fn the_audit_trail_has_the_patients_whom_a_list_shows() {
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let page = list(&world, &staff, "").await;
    let question = format!("/staff/approve?job={}", tick(&page, &job));
    for path in [question.as_str(), "/admin/jobs"] {
        assert_eq!(world.get(path).cookie(&staff).send().await.status, StatusCode::OK, "{path}");
    }
    list(&world, &staff, "?tab=review&q=nobody-has-this-name").await;
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*world.platform().audit(), query).try_collect().await.expect("entries");
    let shown = entries.iter().filter(|entry| entry.event.object.as_deref() == Some("list of exports"));
    let shown: Vec<Vec<_>> =
        shown.map(|entry| entry.event.shown.iter().map(ToString::to_string).collect()).collect();
    assert_eq!(shown.iter().filter(|shown| *shown == &[ANNA]).count(), 3, "{shown:?}");
    assert_eq!(shown.iter().filter(|shown| shown.is_empty()).count(), 1, "{shown:?}");
}

#[tokio::test]
async fn a_name_with_accents_and_markup_is_shown_as_text() {
    let lake = tempfile::tempdir().expect("a directory");
    let name = "<b>\u{202e}Zoë\u{202c}😀</b>";
    let patient = json!({ "resourceType": "Patient", "id": "odd", "name": [{ "text": name }] });
    std::fs::create_dir_all(lake.path().join("Patient/odd")).expect("a directory");
    std::fs::write(lake.path().join("Patient/odd/records.ndjson"), format!("{patient}\n")).expect("written");
    let world = World::with("sandbox = true", lake.path());
    let token = world.token("odd").await;
    let job = world.kick_off(&token, "", "odd").await;
    let staff = world.staff().await;
    for search in ["zoe", "ZOË", "b"] {
        let query: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let page = list(&world, &staff, &format!("?tab=waiting&q={query}")).await;
        assert_eq!(listed(&page), std::slice::from_ref(&job), "{search}");
        assert!(page.contains("<bdi>&#60;b&#62;\u{202e}Zoë\u{202c}😀&#60;/b&#62;</bdi>"), "{page}");
    }
}
