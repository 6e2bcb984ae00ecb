//! Staff: the API and the pages.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, BRUNO, PASSWORD, TestResponse, World, both_hosts, text};

use crate::review::{decide, hidden};

/// Returns the path of an export in review, its token, and a response with the cookie of a member of staff.
pub(crate) async fn in_review(world: &World) -> (String, String, TestResponse) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    (job, token, world.staff().await)
}

#[tokio::test]
async fn a_session_is_renewed_by_use_and_ends() {
    let world = World::new();
    let staff =
        world.post("/admin/login").json(&json!({ "username": "admin", "password": PASSWORD })).send().await;
    assert_eq!(staff.json(), json!({ "username": "admin" }));
    let cookie = staff.header("set-cookie");
    assert!(
        cookie.starts_with("sid=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    for _ in 0..4 {
        world.advance(300);
        assert_eq!(world.get("/admin/jobs").cookie(&staff).send().await.status, StatusCode::OK);
    }
    world.advance(601);
    assert_eq!(world.get("/admin/jobs").cookie(&staff).send().await.status, StatusCode::UNAUTHORIZED);
    let staff = world.staff().await;
    let out = world.get("/admin/logout").cookie(&staff).send().await;
    assert!(out.status == StatusCode::OK && out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.get("/admin/jobs").cookie(&staff).send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn five_failed_sign_ins_are_slowed_down_and_reveal_nothing() {
    let world = World::new();
    let login = |username: &str, password: &str| {
        world.post("/admin/login").json(&json!({ "username": username, "password": password })).send()
    };
    for username in ["admin", "nobody"] {
        for _ in 0..5 {
            let refused = login(username, "wrong").await;
            assert_eq!(
                (refused.status, refused.json()),
                (StatusCode::UNAUTHORIZED, json!({ "error": "user name or password is wrong" }))
            );
        }
        let slowed = login(username, PASSWORD).await;
        assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(slowed.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds <= 60));
    }
    world.advance(60);
    assert_eq!(login("admin", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_list_is_newest_first_filtered_and_paged() {
    let world = World::new();
    let mut jobs = Vec::new();
    for patient in [ANNA, BRUNO, ANNA] {
        let token = world.token(patient).await;
        jobs.push(world.kick_off(&token, "", patient).await);
        world.advance(1);
    }
    let staff = world.staff().await;
    let list = async |query: &str| {
        let response = world.get(&format!("/admin/jobs{query}")).cookie(&staff).send().await;
        let ids: Vec<_> = response
            .json()
            .as_array()
            .expect("a list")
            .iter()
            .map(|job| format!("/jobs/{}", text(&job["id"])))
            .collect();
        (ids, response)
    };
    let (all, response) = list("").await;
    assert_eq!(all, jobs.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(response.json()[0]["patient"], json!({ "id": ANNA, "name": "Anna Lindqvist" }));
    let etag = response.header("etag").to_owned();
    let unchanged = world.get("/admin/jobs").cookie(&staff).header("if-none-match", &etag).send().await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    assert_eq!(list(&format!("?patient={BRUNO}")).await.0, [jobs[1].clone()]);
    assert_eq!(list("?status=approved").await.0, Vec::<String>::new());
    assert_eq!(list("?status=awaiting-input").await.0.len(), 3);
    let (first, response) = list("?_count=2").await;
    let next = response.header("link").split(['<', '>']).nth(1).expect("a next page").to_owned();
    let (second, response) = list(next.strip_prefix(&format!("{BASE_URL}/admin/jobs")).expect("ours")).await;
    assert_eq!([first, second].concat(), all);
    assert_eq!(response.header("link"), "");
    for wrong in ["?status=x", "?_count=x", "?patient=../x", "?page=x"] {
        let response = world.get(&format!("/admin/jobs{wrong}")).cookie(&staff).send().await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

/// The snapshot contains times, so this story needs a fixed clock.
#[tokio::test]
async fn the_job_has_everything_a_staff_app_reads() {
    let world = World::new();
    let (job, token, staff) = in_review(&world).await;
    let own = world.get(&job).bearer(&token).send().await.json();
    assert_eq!(own["manifest"], Value::Null, "its owner waits for the review");
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(world.get(&job).cookie(&staff).send().await.json(), shown);
    let files = shown["manifest"]["output"].as_array().expect("staff see what they review");
    assert!(files.iter().any(|file| file["type"] == "Observation"), "{files:?}");
    insta::assert_json_snapshot!("job-for-staff", shown, {
        ".id" => "[id]",
        ".manifest" => "[manifest]",
        ".parameters" => "[parameters]",
        ".authorizations" => "[authorizations]",
    });
    assert_eq!(shown["parameters"]["labs"]["notes"], "");
    assert_eq!(
        shown["authorizations"]["genetic"],
        json!({ "name": "Genetic tests", "value": false, "text": "" })
    );
}

#[both_hosts]
async fn changes_that_the_state_does_not_allow_are_409(world: World) {
    let (job, token, staff) = in_review(&world).await;
    let act = |job: &str, action: &str| world.post(&format!("/admin{job}/{action}")).cookie(&staff).send();
    let waiting = world.kick_off(&token, "", ANNA).await;
    for action in ["approve", "reject"] {
        let refused = act(&waiting, action).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.outcome().contains("awaiting-input"));
    }
    assert_eq!(act(&job, "approve").await.status, StatusCode::OK);
    assert_eq!(act(&job, "approve").await.status, StatusCode::CONFLICT);
    assert_eq!(act(&job, "reject").await.status, StatusCode::CONFLICT);
    let gone = world.request(Method::DELETE, &format!("/admin{job}")).cookie(&staff).send().await;
    assert_eq!((gone.status, gone.json()["status"].clone()), (StatusCode::OK, json!("approved")));
    assert_eq!(act(&job, "approve").await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
}

#[both_hosts]
async fn of_two_simultaneous_decisions_one_is_recorded(world: World) {
    for _ in 0..10 {
        let (job, _, staff) = in_review(&world).await;
        let approve = || world.post(&format!("/admin{job}/approve")).cookie(&staff).send();
        let reject = world.post(&format!("/admin{job}/reject")).cookie(&staff).send();
        let (one, two, three) = tokio::join!(approve(), approve(), reject);
        let statuses = [one.status, two.status, three.status];
        let won = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        let lost = statuses.iter().filter(|status| **status == StatusCode::CONFLICT).count();
        assert_eq!((won, lost), (1, 2), "{statuses:?}");
        // A DELETE always ends the job, even if staff decide about it at the same time.
        let (job, token, staff) = in_review(&world).await;
        let approve = world.post(&format!("/admin{job}/approve")).cookie(&staff).send();
        let delete = world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send();
        let (approved, deleted) = tokio::join!(approve, delete);
        // An approval before the DELETE succeeds; after the DELETE there is no job to approve.
        match approved.status {
            StatusCode::OK => assert_eq!(approved.json()["status"], "approved"),
            status => assert_eq!(status, StatusCode::NOT_FOUND, "{}", approved.text()),
        }
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        assert_eq!(world.status(&token, &job).await.status, StatusCode::NOT_FOUND);
    }
}

#[both_hosts]
async fn another_site_cannot_use_the_cookie(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let approve = |origin: &str| {
        world.post(&format!("/admin{job}/approve")).cookie(&staff).header("origin", origin).send()
    };
    assert_eq!(approve("https://evil.example.org").await.status, StatusCode::FORBIDDEN);
    assert_eq!(approve("null").await.status, StatusCode::FORBIDDEN);
    let cross_site =
        world.post(&format!("/admin{job}/approve")).cookie(&staff).header("sec-fetch-site", "cross-site");
    assert_eq!(cross_site.send().await.status, StatusCode::FORBIDDEN);
    assert_eq!(approve("http://localhost:3000").await.status, StatusCode::OK, "the registered staff app");
}

#[both_hosts]
async fn a_patient_has_no_access_to_routes_of_staff(world: World) {
    let (job, token, _) = in_review(&world).await;
    for path in ["approve", "reject", "add-files", "remove-files"] {
        let response = world.post(&format!("/admin{job}/{path}")).bearer(&token).send().await;
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{path}");
    }
    let session = world.sign_patient_in(ANNA, "/jobs/x").await;
    assert_eq!(world.get("/admin/jobs").cookie(&session).send().await.status, StatusCode::UNAUTHORIZED);
}

#[both_hosts]
async fn pages_of_staff_do_the_same_as_the_api(world: World) {
    let (job, token, _) = in_review(&world).await;
    let page = format!("/staff{job}");
    assert_eq!(world.get("/staff").send().await.location(), format!("{BASE_URL}/staff/login"));
    let back = page.replace('/', "%2F");
    assert_eq!(world.get(&page).send().await.location(), format!("{BASE_URL}/staff/login?next={back}"));
    let wrong = world.post("/staff/login").form(&[("username", "admin"), ("password", "x")]).send().await;
    assert!(wrong.status == StatusCode::UNAUTHORIZED && wrong.text().contains("wrong"));
    let staff =
        world.post("/staff/login").form(&[("username", "admin"), ("password", PASSWORD)]).send().await;
    assert_eq!(staff.status, StatusCode::SEE_OTHER);
    // With `no-referrer` a browser would send the forms of this page with `Origin: null`, which the server refuses.
    assert_eq!(staff.header("referrer-policy"), "same-origin");
    let list = world.get("/staff").cookie(&staff).send().await.text();
    assert!(list.contains("Anna Lindqvist") && list.contains(&page), "{list}");
    let shown = world.get(&page).cookie(&staff).send().await.text();
    assert!(
        shown.contains("Observation.ndjson")
            && shown.contains("Approve")
            && shown.contains("asked for an export")
    );
    let file: [(&str, &str, &[u8]); 1] = [("<b>.txt", "text/plain", b"x")];
    assert_eq!(
        world.post(&format!("{page}/add-files")).cookie(&staff).files(&file).send().await.status,
        StatusCode::SEE_OTHER
    );
    let shown = world.get(&page).cookie(&staff).send().await.text();
    assert!(shown.contains("&#60;b&#62;.txt") && !shown.contains("<b>"), "what others wrote is escaped");
    let (remove, version) = (format!("{page}/remove-files"), hidden(&shown, "version"));
    let removed = decide(&world, &staff, &remove, &version, &[("name", "_b_.txt")]).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER);
    assert!(world.get(&page).cookie(&staff).send().await.text().contains("Nothing is attached"));
    let question = world.get(&format!("{page}/approve")).cookie(&staff).send().await.text();
    let approved =
        decide(&world, &staff, &format!("{page}/approve"), &hidden(&question, "version"), &[]).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER);
    assert_eq!(world.status(&token, &job).await.status, StatusCode::OK);
    let out = world.post("/staff/logout").cookie(&staff).send().await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(world.get("/staff").cookie(&staff).send().await.status, StatusCode::SEE_OTHER);
}

/// The page is checked before and after the workers have run.
#[tokio::test]
async fn the_review_page_shows_what_was_requested() {
    const COMPLETE: &str = "No form: the complete record";
    let world = World::new();
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let page = async |job: &str| world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    let waiting = world.kick_off(&token, "", ANNA).await;
    let shown = page(&waiting).await;
    assert!(shown.contains("The patient has not chosen yet") && !shown.contains(COMPLETE), "{shown}");
    assert!(!shown.contains("Private topics"));
    let labs = json!({ "parameters": {
        "labs": { "enabled": true, "from": "2020" }, "visits": { "enabled": false, "notes": "not the <last> one" },
    } });
    let anna = world.sign_patient_in(ANNA, "/my").await;
    world.post(&waiting).cookie(&anna).json(&labs).send().await;
    let shown = page(&waiting).await;
    assert!(shown.contains("Lab tests") && shown.contains("From January 1, 2020"), "{shown}");
    assert!(shown.contains("s words: \u{201c}not the &#60;last&#62; one\u{201d}"), "{shown}");
    assert!(!shown.contains(COMPLETE) && shown.contains("Private topics") && !shown.contains("Chosen"));
    let complete = world.kick_off(&token, "/no-form", ANNA).await;
    assert!(page(&complete).await.contains(COMPLETE));
    let service = world.service("service", "system/*.rs").await;
    let path = "/fhir/Patient/$export?_type=Patient,Observation&_since=2020-01-01T00:00:00Z&_elements=id";
    let bulk = world.get(path).bearer(&service).send().await.job();
    let shown = page(&bulk).await;
    for expected in
        ["the records of all patients", "Observation, Patient", "January 1, 2020", "Only the elements: id"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains(COMPLETE));
}

/// The form states the day on which the permission for private topics ends. The files are kept for a day after the approval.
#[tokio::test]
async fn an_export_is_not_approved_after_the_permission_has_ended() {
    let world = World::with("sandbox = true\npages.due_days = 10", &ehi::defaults::sample_records());
    let token = world.token(ANNA).await;
    let choose = async |hiv: bool| {
        let job = world.kick_off(&token, "", ANNA).await;
        let choices = json!({
            "parameters": { "labs": { "enabled": true } }, "authorizations": { "hiv": { "value": hiv } },
        });
        let chosen = world.post(&job).bearer(&token).json(&choices).send().await;
        assert_eq!(chosen.status, StatusCode::OK);
        world.work().await;
        job
    };
    let (late, without, in_time) = (choose(true).await, choose(false).await, choose(true).await);
    let approve = async |job: &str, staff: &TestResponse| {
        world.post(&format!("/admin{job}/approve")).cookie(staff).send().await
    };
    world.advance(10 * 24 * 3600 - 60);
    assert_eq!(approve(&in_time, &world.staff().await).await.status, StatusCode::OK);
    world.advance(120);
    let staff = world.staff().await;
    let refused = approve(&late, &staff).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.outcome().contains("permission for private topics has ended"));
    assert_eq!(approve(&without, &staff).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_not_the_one_of_the_route_is_refused_with_the_reason() {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    let world = World::new();
    let (job, _, staff) = in_review(&world).await;
    let names = "the body must be {\"params\": [name]}";
    let file = "the body must be {\"name\", \"contentType\", \"size\"} in JSON";
    let (invalid, unsupported) = (StatusCode::BAD_REQUEST, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for (route, content_type, body, status, reason) in [
        ("reject", JSON, r#"{"reason":5}"#, invalid, "'reason' must be a text"),
        ("reject", JSON, r#"{"reason":"a","reason":"b"}"#, invalid, "the body is not JSON"),
        ("reject", "text/plain", "a", unsupported, "the body must be JSON or a urlencoded form"),
        ("remove-files", FORM, "params=a", invalid, names),
        ("remove-files", JSON, "", invalid, names),
        ("remove-files", JSON, r#"{"params":"a"}"#, invalid, "'params' must be a list of names"),
        ("remove-files", JSON, r#"{"params":["a",1]}"#, invalid, "'params' must be a list of names"),
        ("uploads", JSON, r#"{"name":"a"}"#, invalid, file),
        ("uploads", FORM, "name=a&size=1", invalid, file),
    ] {
        let call = world.post(&format!("/admin{job}/{route}")).cookie(&staff).body(content_type, body);
        let refused = call.send().await;
        assert_eq!(refused.status, status, "{route} {body}");
        assert!(refused.outcome().contains(reason), "{route} {body}: {}", refused.outcome());
    }
    // The first value of a repeated field counts.
    let password = PASSWORD.replace(' ', "+");
    let first = format!("username=admin&username=nobody&password={password}&password=x");
    for (content_type, body, status) in [
        (JSON, "[]", StatusCode::UNAUTHORIZED),
        (JSON, r#"{"username":1,"password":{}}"#, StatusCode::UNAUTHORIZED),
        ("text/plain", "a", unsupported),
        (FORM, &first, StatusCode::OK),
    ] {
        let call = world.post("/admin/login").body(content_type, body);
        assert_eq!(call.send().await.status, status, "{body}");
    }
    let call = world.post(&format!("/admin{job}/reject")).cookie(&staff);
    let rejected = call.body(FORM, "reason=the+first&reason=the+second").send().await;
    assert_eq!(rejected.status, StatusCode::OK);
    assert!(rejected.text().contains("the first") && !rejected.text().contains("the second"));
}
