//! Check 24 (`infra/docs/checks.md`): SMART's ehi-app exports a record as the sandbox's own client, with every habit that was seen on the
//! wire: the bare link, the redirect with one slash, the quick polling, one document per file, and the refresh token that it never changes.

use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{ANNA, BASE_URL, Launch, TestResponse, World, parameter, text};

use crate::browsing::Browser;

/// The address of ehi-app's backend.
const BACKEND: &str = "http://127.0.0.1:8000";
/// The origin of its app for staff.
const STAFF_APP: &str = "http://localhost:3000";

/// ehi-app at a server with the settings of the sandbox.
struct EhiApp {
    world: World,
    launch: Launch,
    /// The password of `admin`.
    password: String,
    refresh_token: String,
    token: String,
}

impl EhiApp {
    /// Discovers the server, and gets the patient's permission.
    async fn authorized() -> Self {
        let (settings, passwords, _) = ehi::defaults::sandbox_settings().expect("settings");
        let settings = format!("base_url = \"{BASE_URL}\"\n{settings}");
        let world = World::of(&settings, &ehi::defaults::sample_records());
        let discovered = world.get("/fhir/.well-known/smart-configuration").send().await.json();
        assert_eq!(discovered["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(discovered["authorization_endpoint"], format!("{BASE_URL}/auth/authorize"));
        let mut launch = Launch::new(ehi::defaults::TEST_CLIENT);
        // It adds a query of its own to its registered redirect URI.
        launch.redirect_uri = format!("{BACKEND}/api/institutions/1/redirect?job=17&time=1700000000");
        "offline_access openid fhirUser launch/patient patient/$ehi-export".clone_into(&mut launch.scope);
        let code = world.code(&launch, ANNA).await;
        let tokens = world.redeem(&launch, &code).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text());
        let tokens = tokens.json();
        assert_eq!(tokens["patient"], ANNA);
        let password = passwords.into_iter().find(|(name, _)| *name == "admin").expect("an account").1;
        let (token, refresh_token) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
        Self { world, launch, password, refresh_token, token }
    }

    /// Refreshes without a client id, with its first refresh token; the response must have a refresh token.
    async fn refresh(&mut self) {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", self.refresh_token.as_str())];
        let refreshed = self.world.post("/auth/token").form(&fields).send().await;
        assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text());
        assert!(refreshed.json()["refresh_token"].is_string(), "{}", refreshed.text());
        self.token = text(&refreshed.json()["access_token"]);
    }

    /// Polls the status as quickly as the app does; every response must have this status.
    async fn polls(&self, job: &str, status: StatusCode) -> TestResponse {
        let mut last = self.world.status(&self.token, job).await;
        for _ in 0..40 {
            assert_eq!(last.status, status, "{}", last.text());
            last = self.world.status(&self.token, job).await;
        }
        last
    }

    /// Starts the export; returns the path of its job and the address to which it sends the patient.
    async fn kick_off(&self) -> (String, String) {
        let path = format!("/fhir/Patient/{ANNA}/$ehi-export");
        let started = self.world.post(&path).bearer(&self.token).send().await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
        let link = started.header("link").to_owned();
        let (form, relation) = link.split_once("; ").expect("a relation");
        assert!(form.starts_with(BASE_URL) && form.contains('?'), "{link}");
        assert_eq!(relation, "rel=\"patient-interaction\"");
        // It pastes its own address with one slash.
        (started.job(), format!("{form}&redirect={}/jobs", BACKEND.replacen("//", "/", 1)))
    }

    /// Fills in the form with the patient's browser, which is redirected to the app.
    async fn fill_in(&self, form: &str) {
        let mut browser = Browser::open(&self.world, form).await;
        browser.press("next", &[]).await;
        browser.press("next", &[("authorizations.hiv", "on")]).await;
        let sent = browser.submit("send", &[("agree", "on")]).await;
        assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, format!("{BACKEND}/jobs")));
    }

    /// Signs the staff app in from its own origin, with credentials.
    async fn sign_in_staff(&self) -> TestResponse {
        let preflight = self.world.request(Method::OPTIONS, "/admin/login");
        let preflight = preflight.header("access-control-request-method", "POST").header("origin", STAFF_APP);
        assert!(preflight.send().await.status.is_success());
        let fields = [("username", "admin"), ("password", self.password.as_str())];
        let signed_in =
            self.world.post("/admin/login").header("origin", STAFF_APP).form(&fields).send().await;
        assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.text());
        assert!(signed_in.header(SET_COOKIE.as_str()).starts_with("sid="));
        allows_staff_app(&signed_in);
        signed_in
    }

    /// Sends a request of the staff app.
    async fn staff(
        &self,
        method: Method,
        path: &str,
        staff: &TestResponse,
        body: Option<Value>,
    ) -> TestResponse {
        let call = self.world.request(method, path).header("origin", STAFF_APP).cookie(staff);
        let response = match body {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        };
        allows_staff_app(&response);
        response
    }
}

/// Checks that a browser gives the response to a page of the staff app.
fn allows_staff_app(response: &TestResponse) {
    assert_eq!(response.header("access-control-allow-origin"), STAFF_APP);
    assert_eq!(response.header("access-control-allow-credentials"), "true");
}

/// Checks what the staff app reads of a job without checking whether it is there.
fn assert_readable(job: &Value) {
    assert!(job["attachments"].is_array() && job["patient"]["name"].is_string(), "{job}");
    let parameters = job["parameters"].as_object().expect("parameters");
    assert!(parameters.len() == 10 && parameters.values().all(|part| part["notes"].is_string()), "{job}");
    assert!(job["authorizations"].as_object().is_some_and(|topics| topics.len() == 8), "{job}");
}

/// Reviews the export as the staff app does: lists it, attaches a letter and a scan, removes the scan, and approves.
async fn review(app: &EhiApp, job: &str) {
    let staff = app.sign_in_staff().await;
    let list = app.staff(Method::GET, "/admin/jobs", &staff, None).await;
    assert_readable(&list.json()[0]);
    let unchanged = app.world.get("/admin/jobs").cookie(&staff).header("origin", STAFF_APP);
    let unchanged = unchanged.header("if-none-match", list.header("etag")).send().await;
    assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    let field = |head: &str, content: &str| {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    let body = field("name=\"action\"", "addAttachments")
        + &field("name=\"attachments\"; filename=\"letter.txt\"", "With regards")
        + &field("name=\"attachments\"; filename=\"scan 1.txt\"", "a scan")
        + "--XX--\r\n";
    let call = app.world.post(&format!("/admin{job}/add-files")).cookie(&staff).header("origin", STAFF_APP);
    let attached = call.body("multipart/form-data; boundary=XX", body).send().await;
    assert_eq!(attached.status, StatusCode::OK, "{}", attached.text());
    assert_readable(&attached.json());
    let url = text(&attached.json()["attachments"][1]["url"]);
    let names = json!({ "params": [url.rsplit('/').next().expect("a name")] });
    let left =
        app.staff(Method::POST, &format!("/admin{job}/remove-files"), &staff, Some(names)).await.json();
    assert_eq!(left["attachments"].as_array().map(Vec::len), Some(1), "{left}");
    let approved = app.staff(Method::POST, &format!("/admin{job}/approve"), &staff, None).await;
    assert_eq!((approved.status, text(&approved.json()["status"])), (StatusCode::OK, "approved".to_owned()));
    let nothing =
        app.staff(Method::GET, "/admin/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651", &staff, None).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(!nothing.outcome().is_empty());
}

/// Downloads the files and the attachments as the app does; returns the titles of the attachments.
async fn download(app: &EhiApp, manifest: &Value) -> Vec<String> {
    assert_eq!((&manifest["requiresAccessToken"], &manifest["error"]), (&json!(true), &json!([])));
    let load = async |url: &Value| {
        let file = app.world.get(&text(url)).bearer(&app.token).send().await;
        assert_eq!(file.status, StatusCode::OK, "{url}: it follows no redirect");
        file
    };
    let mut titles = Vec::new();
    for output in manifest["output"].as_array().expect("files") {
        let file = load(&output["url"]).await;
        assert!(file.header(CONTENT_TYPE.as_str()).starts_with("application/fhir+ndjson"));
        assert_eq!(output["count"], file.lines().len(), "{output}");
        if output["type"] != "DocumentReference" {
            continue;
        }
        // It reads the whole file as one JSON document.
        let document = file.json();
        let is_tagged =
            document["meta"]["tag"].as_array().into_iter().flatten().any(|tag| tag["code"] == "ehi-export");
        for content in document["content"].as_array().into_iter().flatten().filter(|_| is_tagged) {
            let attachment = &content["attachment"];
            assert!(content["format"].is_object(), "{content}");
            let loaded = load(&attachment["url"]).await;
            assert_eq!(attachment["size"], loaded.body.len(), "{content}");
            titles.push(text(&attachment["title"]));
        }
    }
    titles
}

/// Check 24.
#[tokio::test]
async fn ehi_app_exports_a_record_with_its_redirect() {
    let mut app = EhiApp::authorized().await;
    let (job, form) = app.kick_off().await;
    app.polls(&job, StatusCode::ACCEPTED).await;
    app.fill_in(&form).await;
    app.polls(&job, StatusCode::ACCEPTED).await;
    app.world.work().await;
    app.polls(&job, StatusCode::ACCEPTED).await;
    for _ in 0..2 {
        // It refreshes after fifteen minutes, each time with its first refresh token.
        app.world.advance(16 * 60);
        app.refresh().await;
    }
    review(&app, &job).await;
    let manifest = app.polls(&job, StatusCode::OK).await.json();
    let titles = download(&app, &manifest).await;
    assert!(titles.iter().any(|title| title == "letter.txt"), "{titles:?}");
    assert!(titles.len() > 1 && !titles.iter().any(|title| title.contains("scan 1")), "{titles:?}");
    let deleted = app.world.request(Method::DELETE, &format!("{job}/status")).bearer(&app.token).send().await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{}", deleted.text());
    let gone = app.polls(&job, StatusCode::NOT_FOUND).await;
    assert!(!gone.outcome().is_empty());
}

/// The patient does not agree, and a redirect to a stranger is not followed.
#[tokio::test]
async fn ehi_app_is_told_of_a_refusal_and_no_other_address_gets_the_patient() {
    let app = EhiApp::authorized().await;
    let login = app.world.get(&app.launch.authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = app.world.post("/patient-login").form(&fields).send().await;
    let fields = [("request", request.as_str()), ("decision", "deny")];
    let back = app.world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    assert!(back.starts_with(&app.launch.redirect_uri), "{back}");
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    let (_, form) = app.kick_off().await;
    let (form, _) = form.split_once("&redirect=").expect("a redirect");
    let stranger = app.world.get(&format!("{form}&redirect=http:/evil.example.org/jobs")).send().await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST, "{}", stranger.text());
}
