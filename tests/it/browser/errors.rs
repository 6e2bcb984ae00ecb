//! Checks 1, 2 and 39 (`infra/docs/checks.md`): every error page in Chromium, with its number and its next step.

use std::sync::Arc;

use domain::clock::Clock;
use domain::error::Store;
use jiff::SignedDuration;
use platform::Platform;
use tests::browser::{Audience, Browser, Key, Look, Page, Script, Site};
use tests::faults::{Faults, Faulty, Strike};
use tests::service::{assertion, signed};
use tests::{ANNA, Launch, World, in_browser};

use super::{opened, passes};

/// Checks that the page in the browser is the page of this error.
async fn assert_error(page: &Page, status: u16, title: &str) {
    assert_eq!(
        (page.status().await, page.heading().await.as_str()),
        (status, title),
        "{}",
        page.text().await
    );
    assert!(page.title().await.starts_with(title), "{}", page.title().await);
    let number = "document.querySelector('main .small')?.innerText ?? ''";
    let number = page.evaluate::<String>(number).await;
    let id = number.strip_prefix("Request number: ").unwrap_or_default();
    assert!(id.len() >= 8, "{number}");
    let step = "document.querySelector('main a.button').href";
    assert!(page.evaluate::<String>(step).await.starts_with("http://127.0.0.1:"));
}

/// Sends a form from the page that is open, as a page of a stranger would.
async fn send_form(page: &Page, address: &str, fields: &[(&str, &str)]) {
    let fields = serde_json::json!(fields);
    let send = format!(
        "(() => {{ const form = document.createElement('form'); form.method = 'post'; form.action = '{address}';
        for (const [name, value] of {fields}) {{
            const field = document.createElement('textarea'); field.name = name; field.value = value; form.append(field);
        }}
        document.body.append(form); form.submit(); return null; }})()"
    );
    page.leads(page.evaluate::<Option<bool>>(&send)).await;
}

/// Returns a sandbox with a fault for browsers.
async fn faulty_site(fault: impl FnOnce(&World) -> Arc<Faults>) -> Site {
    Site::with_router("", |world| {
        let faulty = Faulty::new(world.platform().clone(), fault(world));
        web::host::host(ehi::server::routers(&faulty).expect("its ports"), faulty.context())
    })
    .await
}

/// 403: a page of another origin sends a form with the cookie of a member of staff.
#[in_browser]
async fn a_form_of_another_site_gets_a_page() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.app).await;
    let reject = site.at(&format!("/staff/jobs/{}/reject", review.id));
    send_form(&page, &reject, &[("because", "harm"), ("reason", "")]).await;
    assert_error(&page, 403, "Nothing was changed").await;
    passes(&page, "error-403", Audience::Staff).await;
    let staff = site.world.staff().await;
    let shown = site.world.get(&format!("/admin{}", review.job)).cookie(&staff).send().await;
    assert_eq!(shown.json()["status"], "retrieved", "nothing was rejected");
}

/// 409: a colleague decided first.
#[in_browser]
async fn a_decision_that_comes_too_late_gets_a_page() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}/reject", review.id))).await;
    page.tab_until("a reason", |stop| stop.role == "radio").await;
    page.press(Key::Space).await;
    crate::my::approved(&site.world, &review.job).await;
    page.leads(page.click("button", "Reject")).await;
    assert_eq!(page.status().await, 409, "{}", page.text().await);
    assert!(page.text().await.contains("Approved already by admin at "), "{}", page.text().await);
    passes(&page, "staff-job-too-late", Audience::Staff).await;
}

/// An app's request whose time is over.
#[in_browser]
async fn a_permission_that_comes_too_late_gets_a_page() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    page.open(&site.authorize()).await;
    page.leads(page.click("button", &format!("Anna Lindqvist {ANNA}"))).await;
    site.world.advance(2 * 3600);
    page.leads(page.click("button", "Allow")).await;
    assert_error(&page, page.status().await, "Please start again in your app").await;
    passes(&page, "error-app", Audience::Patients).await;
}

/// 413: a form that is larger than every form of the pages.
#[in_browser]
async fn a_form_that_is_too_large_gets_a_page() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    page.open(&site.at("/")).await;
    send_form(&page, &site.at("/patient-login"), &[("next", "/my"), ("patient", &"x".repeat(300_000))]).await;
    assert_error(&page, 413, "What you sent is too large").await;
    passes(&page, "error-413", Audience::Patients).await;
}

/// 413: without scripts, the page of an export says that a file is too large.
#[in_browser]
async fn a_file_that_is_too_large_is_refused_by_the_server() {
    let site = Site::with("sandbox = true\nmax_upload_bytes = 100000").await;
    let browser = Browser::open().await;
    let page = browser.page(Look::DESK, Script::Off).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    let choose = "(() => { const data = new DataTransfer(); data.items.add(new File([new Uint8Array(150000)], 'scan.pdf'));
        document.querySelector('input[type=file]').files = data.files; return null; })()";
    page.evaluate::<Option<bool>>(choose).await;
    page.leads(page.click("button", "Attach")).await;
    assert_eq!(page.status().await, 413, "{}", page.text().await);
    let limits = "Nothing was attached. At most 5 files at a time, 98 kB each.";
    assert!(page.text().await.contains(limits), "{}", page.text().await);
    assert!(page.has("button", "Attach").await, "the file can be chosen again");
}

/// 413: a browser sends all of a file before it reads the response. The server reads only a part of it, and the page is shown all the
/// same.
#[in_browser]
async fn a_file_of_two_gigabytes_gets_the_page_that_names_the_limits() {
    let site = Site::with("sandbox = true\nlimits = { drain_bytes = 1000000 }").await;
    let browser = Browser::open().await;
    let page = browser.page(Look::DESK, Script::Off).await;
    let review = site.in_review().await;
    site.sign_staff_in(&page).await;
    page.open(&site.at(&format!("/staff/jobs/{}", review.id))).await;
    let directory = tempfile::tempdir().expect("a directory");
    let video = directory.path().join("video.mp4");
    // The file has no bytes on the disk.
    std::fs::File::create(&video).and_then(|file| file.set_len(2 * 1024 * 1024 * 1024)).expect("written");
    page.choose_file(&video).await;
    page.leads(page.click("button", "Attach")).await;
    assert_eq!(page.status().await, 413, "{}", page.text().await);
    assert!(page.heading().await.contains("Anna Lindqvist"), "{}", page.heading().await);
    let limits = "Nothing was attached. At most 5 files at a time, 10 MB each.";
    assert!(page.text().await.contains(limits), "{}", page.text().await);
    assert!(page.has("button", "Attach").await, "another file can be chosen");
}

/// 429: a service has as many exports as it may have.
#[in_browser]
async fn too_many_requests_get_a_page() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    let (header, mut claims) = assertion("direct-service", site.world.now());
    claims["aud"] = site.at("/auth/token").into();
    let granted = site.world.by_assertion(&signed(&header, &claims), "system/*.read").await;
    let token = tests::text(&granted.json()["access_token"]);
    for _ in 0..3 {
        site.world.get("/fhir/$export").bearer(&token).send().await;
    }
    page.send_header("Authorization", &format!("Bearer {token}")).await;
    page.open(&site.at("/fhir/$export")).await;
    assert_error(&page, 429, "Too many copies are not ready yet").await;
    passes(&page, "error-429", Audience::Patients).await;
}

/// 429: the sign-in pages say how long to wait, and keep the name.
#[in_browser]
async fn too_many_wrong_passwords_say_how_long_to_wait() {
    let (site, browser) = (Site::with("sandbox = false").await, Browser::open().await);
    for (start, user, audience) in
        [(site.authorize(), "anna", Audience::Patients), (site.at("/staff/login"), "admin", Audience::Staff)]
    {
        let page = browser.page(Look::DESK, Script::On).await;
        page.open(&start).await;
        let name = if audience == Audience::Staff { "staff" } else { "patient" };
        for number in 0..6 {
            let fields = [("#username", user), ("#password", "not it")];
            for (field, text) in fields {
                page.evaluate::<String>(&format!("document.querySelector('{field}').value = '{text}'")).await;
            }
            page.leads(page.evaluate::<Option<bool>>("(document.querySelector('main form').submit(), null)"))
                .await;
            assert!(page.title().await.starts_with("Error: "), "{}", page.title().await);
            if number == 0 {
                assert_eq!(page.status().await, 401);
                assert!(page.text().await.contains("Name or password is wrong. Try again."));
                passes(&page, &format!("{name}-sign-in-wrong"), audience).await;
            }
        }
        assert_eq!(page.status().await, 429);
        assert!(page.text().await.contains("There were too many tries. Wait "), "{}", page.text().await);
        assert_eq!(page.evaluate::<String>("document.querySelector('#username').value").await, user);
        passes(&page, &format!("{name}-sign-in-locked"), audience).await;
    }
}

/// 500: a defect; 503: a store does not respond, or the server cannot start.
#[in_browser]
async fn faults_of_the_server_get_a_page() {
    type Fault = fn(&World) -> Arc<Faults>;

    let defect: Fault = |_| Faults::at(0, Strike::Defect);
    let outage: Fault = |world| {
        let until = world.clock().now() + SignedDuration::from_hours(1);
        Faults::outage(Store::Database, 0, world.clock().clone(), until)
    };
    let browser = Browser::open().await;
    for (name, fault, status, title) in [
        ("error-500", defect, 500, "Something broke here. Try again later."),
        ("error-503", outage, 503, "This is not available now. Try again later."),
    ] {
        let site = faulty_site(fault).await;
        let page = browser.page(Look::DESK, Script::On).await;
        let review = site.in_review().await;
        site.sign_staff_in(&page).await;
        page.open(&site.at(&format!("/staff/jobs/{}/files/Observation.ndjson", review.id))).await;
        assert_error(&page, status, title).await;
        passes(&page, name, Audience::Staff).await;
    }
}

/// An app whose request is wrong sends the patient to an error page.
#[in_browser]
async fn a_request_of_an_unknown_app_gets_a_page() {
    let (site, _browser, page) = opened(Look::PHONE, Script::On).await;
    let mut launch = Launch::new("app");
    launch.client = "nobody".to_owned();
    page.open(&launch.authorize().replacen(tests::BASE_URL, &site.base, 1)).await;
    assert_error(&page, 400, "This app cannot ask for access here").await;
    passes(&page, "error-unknown-app", Audience::Patients).await;
}
