//! The World on a real port of this machine, served as the program serves it, with an app beside it that patients come from and
//! return to.

use std::path::Path;

use ::http::StatusCode;
use axum::Router;
use axum::response::Html;
use ehi::server::Server;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::page::Page;
use crate::{ANNA, BASE_URL, Launch, PASSWORD, World, parameter, settings, text};

/// The client id of the app.
const APP: &str = "phone-app";

/// See the [module](self). Its clock stands still, and its workers run only on request.
pub struct Site {
    pub world: World,
    pub base: String,
    /// The base URL of the app.
    pub app: String,
    _server: Option<Server>,
    serving: Vec<JoinHandle<()>>,
}

/// A site that does not serve yet.
struct Prepared {
    world: World,
    base: String,
    listener: TcpListener,
    app: String,
    serving: Vec<JoinHandle<()>>,
}

impl Prepared {
    /// Starts a site. `text` has all settings, apart from the app. `make` makes a World of them.
    async fn new(text: &str, make: impl FnOnce(&str) -> World) -> Self {
        let (listener, base) = listen().await;
        let (app_listener, app) = listen().await;
        let client = format!(
            "[[clients]]\nid = \"{APP}\"\nname = \"Pocket Health\"\nredirect_uris = [\"{app}/callback\"]\nscopes = \
             \"launch/patient offline_access openid fhirUser patient/$ehi-export patient/*.rs\"\n"
        );
        let text = text.replacen(BASE_URL, &base, 1) + &client;
        let world = make(&text);
        let serving = vec![serve(app_listener, Router::new().fallback(back_in_the_app))];
        Self { world, base, listener, app, serving }
    }
}

fn serve(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") })
}

/// An export that staff may review.
pub struct Review {
    /// The path of the job.
    pub job: String,
    pub id: String,
}

impl Site {
    /// Returns a sandbox with the sample patients.
    pub async fn new() -> Self {
        Self::with("sandbox = true").await
    }

    /// Returns a site with additional settings.
    pub async fn with(more: &str) -> Self {
        Self::over(more, &ehi::defaults::sample_records()).await
    }

    /// Returns a site with additional settings and other records.
    pub async fn over(more: &str, records: &Path) -> Self {
        Self::of(&settings(more), |text| World::of(text, records)).await
    }

    /// Returns a site with the text of all settings. `make` makes the World, from the settings with the address of the site.
    pub async fn of(text: &str, make: impl FnOnce(&str) -> World) -> Self {
        let Prepared { world, base, listener, app, serving } = Prepared::new(text, make).await;
        let server = Server::start(world.platform().clone(), listener, 0).await.expect("a server");
        Self { world, base, app, _server: Some(server), serving }
    }

    /// Returns a sandbox with additional settings, whose browsers get another router over its platform, such as one with a fault.
    pub async fn with_router(more: &str, router: impl FnOnce(&World) -> Router) -> Self {
        let records = ehi::defaults::sample_records();
        let Prepared { world, base, listener, app, mut serving } =
            Prepared::new(&settings(&format!("sandbox = true\n{more}")), |text| World::of(text, &records))
                .await;
        serving.push(serve(listener, router(&world)));
        Self { world, base, app, _server: None, serving }
    }

    /// Returns a URL of this server.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns the path of a URL of this server.
    fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&self.base).expect("an address of this server")
    }

    fn launch(&self) -> Launch {
        let mut launch = Launch::new(APP);
        launch.redirect_uri = format!("{}/callback", self.app);
        "launch/patient openid fhirUser offline_access patient/$ehi-export".clone_into(&mut launch.scope);
        launch.aud = self.at("/fhir");
        launch
    }

    /// Returns the URL to which the app sends a patient's browser.
    pub fn authorize(&self) -> String {
        self.launch().authorize().replacen(BASE_URL, &self.base, 1)
    }

    /// Exchanges the code with which a browser came back to the app for an access token.
    pub async fn token_for(&self, returned: &str) -> String {
        let code = parameter(returned, "code").expect("a code");
        let response = self.world.redeem(&self.launch(), &code).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        text(&response.json()["access_token"])
    }

    /// Returns an access token of Anna's, without a browser.
    pub async fn token(&self) -> String {
        let code = self.world.code(&self.launch(), ANNA).await;
        self.token_for(&format!("{}/callback?code={code}", self.app)).await
    }

    /// Starts an export of Anna's record; returns the path of its job, and the URL of the form.
    pub async fn kick_off(&self, token: &str) -> (String, String) {
        let path = format!("/fhir/Patient/{ANNA}/$ehi-export");
        let started = self.world.post(&path).bearer(token).send().await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
        let status = self.path(started.header("content-location"));
        let job = status.strip_suffix("/status").expect("a status URL").to_owned();
        (job, started.header("link").split(['<', '>']).nth(1).expect("a form").to_owned())
    }

    /// Starts an export that waits for the patient's choices; returns the URL of its form.
    pub async fn form(&self) -> String {
        self.kick_off(&self.token().await).await.1
    }

    /// Returns the progress of a job, as the app sees it.
    pub async fn progress(&self, token: &str, job: &str) -> String {
        self.world.status(token, job).await.header("x-progress").to_owned()
    }

    /// Creates an export that waits for review, with a note from the patient and a sensitive topic.
    pub async fn in_review(&self) -> Review {
        let (job, form) = self.kick_off(&self.token().await).await;
        let code = parameter(&form, "code").expect("a code");
        let groups =
            ["visits", "labs", "billing", "medicalRecord", "dischargeSummary", "pathology", "radiology"];
        let mut parameters: serde_json::Map<String, Value> =
            groups.iter().map(|group| ((*group).to_owned(), json!({ "enabled": true }))).collect();
        parameters["labs"]["notes"] = "Above all the blood tests of last spring, please.".into();
        let choices = json!({ "parameters": parameters, "authorizations": { "hiv": { "value": true } } });
        let chosen = self.world.post(&format!("{job}?code={code}")).json(&choices).send().await;
        assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
        self.world.work().await;
        let id = job.rsplit('/').next().expect("an id").to_owned();
        Review { job, id }
    }

    /// Signs a member of staff with all roles in, by the keyboard.
    pub async fn sign_staff_in(&self, page: &Page) {
        self.sign_in_as(page, "admin").await;
    }

    /// Signs a member of staff in, by the keyboard.
    pub async fn sign_in_as(&self, page: &Page, username: &str) {
        page.open(&self.at("/staff/login")).await;
        page.fill("User name", username).await;
        page.fill("Password", PASSWORD).await;
        page.leads(page.press(super::Key::Enter)).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("http://{address}"))
}

async fn back_in_the_app() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=en><title>Pocket Health</title><main><h1>Back in the app</h1></main></html>",
    )
}
