//! One page of the browser: its URL, its content, its look.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::protocol::{Connection, Event};
use super::{Look, Scheme, Script, screenshots};
use crate::text;

/// The JavaScript functions that the tests call in a page.
const QUESTIONS: &str = include_str!("page.js");

/// See the [module](self). A story fails if the console of a page has errors when the page is dropped.
pub struct Page {
    connection: Arc<Connection>,
    session: String,
    since: usize,
}

impl Page {
    pub(super) fn new(connection: Arc<Connection>, session: String) -> Self {
        let since = connection.event_count();
        Self { connection, session, since }
    }

    pub(super) async fn prepare(&self, script: Script) {
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({})).await;
        }
        // The page has the focus even if it is not in the foreground.
        self.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
        if script == Script::Off {
            self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        }
    }

    pub(super) async fn call(&self, method: &str, params: Value) -> Value {
        self.connection
            .call(&self.session, method, params)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Changes the window's width and the colour scheme; the page stays.
    pub async fn look(&self, look: Look) {
        let height = if look.width < 640 { 800 } else { 900 };
        let window =
            json!({ "width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", window).await;
        let scheme = json!({ "name": "prefers-color-scheme", "value": look.scheme.name() });
        let calm = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        self.call("Emulation.setEmulatedMedia", json!({ "media": "", "features": [scheme, calm] })).await;
    }

    /// Shows the page as it is printed, until [`Page::look`] is called. The person prefers this colour scheme on the screen.
    pub async fn print(&self, scheme: Scheme) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme.name() });
        self.call("Emulation.setEmulatedMedia", json!({ "media": "print", "features": [scheme] })).await;
    }

    /// Opens a URL as if it were typed.
    pub async fn open(&self, url: &str) {
        self.leads(async {
            let opened = self.call("Page.navigate", json!({ "url": url })).await;
            assert_eq!(opened["errorText"], Value::Null, "{url}");
        })
        .await;
    }

    /// Runs an action that leads to another page, and waits until that page is loaded.
    pub async fn leads<T>(&self, action: impl Future<Output = T>) -> T {
        let before = self.connection.event_count();
        let done = action.await;
        let loaded = self.connection.event(before, &self.session, "Page.loadEventFired").await;
        assert!(loaded.is_some(), "no page was loaded; still at {}", self.url().await);
        done
    }

    /// Goes back in the history, as the button of the browser does. The browser may show a page that it kept, which it does not load
    /// again.
    pub async fn back(&self) {
        let history = self.call("Page.getNavigationHistory", json!({})).await;
        let current = history["currentIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
        let last = current.and_then(|index| index.checked_sub(1)).expect("an earlier page");
        let before = self.connection.event_count();
        let entry = json!({ "entryId": history["entries"][last]["id"] });
        self.call("Page.navigateToHistoryEntry", entry).await;
        let shown = self.connection.event(before, &self.session, "Page.frameNavigated").await;
        assert!(shown.is_some(), "the browser did not go back from {}", self.url().await);
        let complete = "new Promise((done) => document.readyState === 'complete' ? done(true) : addEventListener('load', () => done(true)))";
        assert!(self.evaluate::<bool>(complete).await);
    }

    /// Runs an action that starts a download; returns the URL of the file. The browser does not store the file.
    pub async fn downloads<T>(&self, action: impl Future<Output = T>) -> String {
        self.call("Page.setDownloadBehavior", json!({ "behavior": "deny" })).await;
        let before = self.connection.event_count();
        action.await;
        let begun = self.connection.event(before, &self.session, "Page.downloadWillBegin").await;
        text(&begun.expect("a download begins").params["url"])
    }

    /// Chooses a file in the first field for files, as the dialog of the browser does.
    pub async fn choose_file(&self, path: &std::path::Path) {
        let field = json!({ "expression": "document.querySelector('input[type=file]')" });
        let field = self.call("Runtime.evaluate", field).await;
        let chosen = json!({ "files": [path], "objectId": field["result"]["objectId"] });
        self.call("DOM.setFileInputFiles", chosen).await;
    }

    /// Runs a script in every page that is opened from now on, before the scripts of the page.
    pub async fn run_before_scripts(&self, source: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    }

    /// Adds a header to all requests of the page.
    pub async fn send_header(&self, name: &str, value: &str) {
        self.call("Network.enable", json!({})).await;
        self.call("Network.setExtraHTTPHeaders", json!({ "headers": { name: value } })).await;
    }

    /// Runs an action; returns the URLs that the page requests meanwhile.
    pub async fn requested<T>(&self, action: impl Future<Output = T>) -> Vec<String> {
        self.call("Network.enable", json!({})).await;
        let before = self.connection.event_count();
        action.await;
        let events = self.connection.events_of(&self.session, before);
        let requests = events.iter().filter(|event| event.method == "Network.requestWillBeSent");
        requests.map(|event| text(&event.params["request"]["url"])).collect()
    }

    /// Returns the value of an expression, also if pages may not run scripts.
    pub async fn evaluate<T: DeserializeOwned>(&self, expression: &str) -> T {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut evaluated = self.call("Runtime.evaluate", asked).await;
        assert_eq!(evaluated["exceptionDetails"], Value::Null, "{expression}");
        serde_json::from_value(evaluated["result"]["value"].take()).expect("another type")
    }

    /// Returns the result of a function of `page.js`.
    pub(super) async fn ask<T: DeserializeOwned>(&self, question: &str) -> T {
        self.evaluate(&format!("({QUESTIONS}).{question}")).await
    }

    pub async fn url(&self) -> String {
        self.evaluate("location.href").await
    }

    /// Returns the HTTP status of the page's response.
    pub async fn status(&self) -> u16 {
        self.evaluate("performance.getEntriesByType('navigation')[0].responseStatus").await
    }

    pub async fn title(&self) -> String {
        self.evaluate("document.title").await
    }

    /// Returns the text of the first heading.
    pub async fn heading(&self) -> String {
        self.evaluate("document.querySelector('h1')?.innerText ?? ''").await
    }

    /// Returns all visible text.
    pub async fn text(&self) -> String {
        self.evaluate("document.body.innerText").await
    }

    /// Clicks on the element with this role and this name, as a screen reader announces them, at its position on the screen.
    pub async fn click(&self, role: &str, name: &str) {
        let at: Option<[f64; 2]> = self.ask(&format!("place({}, {})", json!(role), json!(name))).await;
        let Some([x, y]) = at else {
            panic!("no {role} '{name}' at {}:\n{}", self.url().await, self.text().await);
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Returns whether there is an element with this role and this name.
    pub async fn has(&self, role: &str, name: &str) -> bool {
        self.ask(&format!("has({}, {})", json!(role), json!(name))).await
    }

    /// Returns the console's errors since the page was created: from scripts, the content policy, and files that were not found. The
    /// status of a page itself is not included, because an error page should have one.
    pub(super) fn console_errors(&self) -> Vec<String> {
        let events = self.connection.events_of(&self.session, self.since);
        let pages: Vec<_> = events.iter().filter_map(address).collect();
        events.iter().filter_map(|event| console_error(event, &pages)).collect()
    }

    /// Returns the errors of the console, and forgets them: the story expects them.
    pub fn take_console_errors(&mut self) -> Vec<String> {
        let errors = self.console_errors();
        self.since = self.connection.event_count();
        errors
    }

    /// Writes a screenshot of the whole page to `<story>-<width>-<scheme>.png`.
    pub async fn screenshot(&self, story: &str, look: Look) {
        let taken = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let image = STANDARD.decode(text(&taken["data"])).expect("base64");
        let directory = screenshots();
        std::fs::create_dir_all(&directory).expect("a directory");
        let name = format!("{story}-{}-{}.png", look.width, look.scheme.name());
        std::fs::write(directory.join(name), image).expect("written");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let errors = self.console_errors();
            assert!(errors.is_empty(), "the console has errors:\n{}", errors.join("\n"));
        }
    }
}

/// Returns the URL of a new page, if the event reports one.
fn address(event: &Event) -> Option<String> {
    let is_page = event.method == "Page.frameNavigated" && event.params["frame"]["parentId"].is_null();
    is_page.then(|| event.params["frame"]["url"].as_str().map(str::to_owned)).flatten()
}

fn console_error(event: &Event, pages: &[String]) -> Option<String> {
    let params = &event.params;
    match event.method.as_str() {
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            let url = entry["url"].as_str().unwrap_or_default();
            let is_own_status = entry["source"] == "network" && pages.iter().any(|page| page == url);
            (!is_own_status).then(|| format!("{} ({url})", entry["text"].as_str().unwrap_or_default()))
        }
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(params["args"].to_string()),
        _ => None,
    }
}
