//! A public base URL with a path: every URL, form, link, redirect and cookie stays below it.

use http::StatusCode;
use tests::{ANNA, BASE_URL, Launch, PASSWORD, TestResponse, World, parameter, text};

const BASE: &str = "http://localhost:8888/ehi";

/// Checks the targets of a page's links and forms.
fn page(response: TestResponse) -> TestResponse {
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    let html = response.text();
    let targets = ["href=\"", "action=\""].into_iter().flat_map(|attribute| html.split(attribute).skip(1));
    let targets: Vec<_> = targets.filter_map(|rest| rest.split('"').next()).collect();
    assert!(targets.len() > 1, "{html}");
    for target in targets {
        let is_ours = target == "/ehi" || target.starts_with("/ehi/") || target.starts_with(BASE);
        assert!(is_ours || target.starts_with('#'), "{target} in {html}");
    }
    response
}

fn ours(url: String) -> String {
    assert!(url == BASE || url.starts_with(&format!("{BASE}/")), "{url}");
    url
}

/// Returns a token, obtained through the pages of a browser.
async fn signed_in(world: &World) -> String {
    let smart = world.get("/ehi/fhir/.well-known/smart-configuration").send().await.json();
    let endpoint = |name: &str| ours(text(&smart[name]));
    let launch = Launch { aud: format!("{BASE}/fhir"), ..Launch::new("app") };
    let query = launch.authorize().split_once('?').expect("a query").1.to_owned();
    let authorize = format!("{}?{query}", endpoint("authorization_endpoint"));
    let login = ours(world.get(&authorize).send().await.location());
    page(world.get(&login).send().await);
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/ehi/patient-login").form(&fields).send().await;
    assert!(picked.header("set-cookie").contains("; Path=/ehi;"), "{}", picked.header("set-cookie"));
    page(world.get(&ours(picked.location())).cookie(&picked).send().await);
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let back = world.post("/ehi/authorize-app").cookie(&picked).form(&fields).send().await.location();
    let code = parameter(&back, "code").expect("a code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &launch.redirect_uri),
        ("client_id", &launch.client),
        ("code_verifier", &launch.verifier),
    ];
    let response = world.post(&endpoint("token_endpoint")).form(&fields).send().await;
    assert_eq!(response.status, StatusCode::OK, "{}", response.text());
    text(&response.json()["access_token"])
}

/// Signs staff in and approves the job in their browser.
async fn approved(world: &World, job: &str) {
    let login = ours(world.get(&format!("/ehi/staff/jobs/{job}")).send().await.location());
    page(world.get(&login).send().await);
    let next = parameter(&login, "next").expect("the page");
    let fields = [("username", "admin"), ("password", PASSWORD), ("next", &next)];
    let staff = world.post("/ehi/staff/login").form(&fields).send().await;
    assert_eq!(staff.location(), format!("{BASE}/staff/jobs/{job}"));
    assert!(staff.header("set-cookie").contains("; Path=/ehi;"));
    page(world.get(&ours(staff.location())).cookie(&staff).send().await);
    page(world.get(&format!("/ehi/staff/jobs/{job}")).cookie(&staff).send().await);
    let path = format!("/ehi/staff/jobs/{job}/approve");
    let confirm = world.get(&path).cookie(&staff).send().await;
    let confirm_text = confirm.text();
    let version =
        confirm_text.split("name=\"version\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    page(confirm);
    let approve = world.post(&path).cookie(&staff).form(&[("version", version.expect("a version"))]);
    let back = approve.header("origin", BASE_URL).send().await;
    page(world.get(&ours(back.location())).cookie(&staff).send().await);
}

#[tokio::test]
async fn everything_stays_below_the_path_of_the_base_url() {
    let world = World::at(BASE, "sandbox = true", &ehi::defaults::sample_records());
    page(world.get("/ehi/").send().await);
    let token = signed_in(&world).await;
    let kick_off = world.post(&format!("/ehi/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
    assert_eq!(kick_off.status, StatusCode::ACCEPTED, "{}", kick_off.text());
    let status = ours(kick_off.header("content-location").to_owned());
    let form = kick_off.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    let (entered, first) = world.open_form(&ours(form)).await;
    let job = status.strip_suffix("/status").expect("a job").strip_prefix("http://localhost:8888");
    let cookie = format!("; Path={};", job.expect("our own"));
    assert!(entered.header("set-cookie").contains(&cookie), "{}", entered.header("set-cookie"));
    page(first);
    for step in ["topics", "check", "saved"] {
        page(world.get(&format!("{}?step={step}", ours(entered.location()))).cookie(&entered).send().await);
    }
    let job = status.strip_suffix("/status").expect("a job").to_owned();
    let choices = serde_json::json!({ "parameters": { "labs": { "enabled": true } } });
    let chosen = world.post(&job).bearer(&token).json(&choices).send().await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
    world.work().await;
    approved(&world, job.rsplit('/').next().expect("an id")).await;
    let manifest = world.get(&status).bearer(&token).send().await;
    assert_eq!(manifest.status, StatusCode::OK, "{}", manifest.text());
    let manifest = manifest.json();
    ours(text(&manifest["request"]));
    for file in manifest["output"].as_array().expect("output") {
        let file = world.get(&ours(text(&file["url"]))).bearer(&token).send().await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(
            !file.text().contains("http://localhost:8888/jobs"),
            "attachments are below the path as well"
        );
    }
    let nothing = world.get("/ehi/nothing").send().await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

/// A proxy may remove the path before it passes a request on.
#[tokio::test]
async fn a_proxy_may_remove_the_path() {
    let world = World::at(BASE, "sandbox = true", &ehi::defaults::sample_records());
    let statement = world.get("/fhir/metadata").send().await;
    assert_eq!(text(&statement.json()["implementation"]["url"]), format!("{BASE}/fhir"));
}
