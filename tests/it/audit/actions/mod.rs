//! Every action of the audit trail, by a request that does it: the request leaves exactly one event, with who did what to whose record,
//! and with which result.

mod apps;
mod forms;
mod patients;
mod sign_ins;
mod staff;

use std::collections::BTreeSet;

use domain::audit::Action;
use http::StatusCode;
use serde_json::{Value, json};
use tests::simulated::account::Setup;
use tests::simulated::{Record, run_with_large_stack};
use tests::{ANNA, Call, TestResponse, World, text};

use super::next_of;
use crate::tokens::{Issuer, claims};

/// The actions without a request. The stories of mails, and `audit::program`, check their events.
const OF_THE_SERVER: [Action; 2] = [Action::MailSent, Action::SettingsChanged];

/// The member of staff who reads the trail. No case signs in as this user of the other issuer.
const READER: &str = "reader";

/// Returns the lines of the settings that trust an issuer. The role AUDIT of its tokens is that of an auditor.
fn trusting(issuer: &Issuer) -> String {
    format!(
        "issuers = [{{ issuer = \"https://login.example.org\", jwks = '{}', staff = true, staff_roles = {{ AUDIT = [\"auditor\"] }} }}]",
        issuer.jwks()
    )
}

#[tokio::test]
async fn every_action_leaves_one_event_here() {
    let issuer = Issuer::new();
    let settings = format!("sandbox = true\n{}", trusting(&issuer));
    let world = World::with(&settings, &ehi::defaults::sample_records());
    Box::pin(every_action_leaves_one_event(&world, &issuer)).await;
}

#[test]
fn every_action_leaves_one_event_on_aws() {
    run_with_large_stack(async || {
        let issuer = Issuer::new();
        let setup = Setup { settings: trusting(&issuer).leak(), ..Setup::default() };
        let world = World::simulated(setup, &Record::default());
        Box::pin(every_action_leaves_one_event(&world, &issuer)).await;
    });
}

/// A new action needs a case here, or a story of its own.
async fn every_action_leaves_one_event(world: &World, issuer: &Issuer) {
    let mut trail = Trail::follow(world, issuer).await;
    Box::pin(sign_ins::check(&mut trail)).await;
    Box::pin(apps::check(&mut trail)).await;
    Box::pin(forms::check(&mut trail)).await;
    Box::pin(staff::check(&mut trail)).await;
    Box::pin(staff::check_decisions(&mut trail)).await;
    Box::pin(staff::check_roles(&mut trail)).await;
    Box::pin(patients::check(&mut trail)).await;
    Box::pin(patients::check_endings(&mut trail)).await;
    let expected = Action::ALL.iter().filter(|action| !OF_THE_SERVER.contains(action));
    let expected: BTreeSet<_> = expected.map(|action| action.name().to_owned()).collect();
    assert_eq!(trail.failures, Vec::<String>::new());
    assert_eq!(trail.seen, expected);
}

/// The event of a request that leaves none.
const NOTHING: &str = "";

/// A request, the status of its response, and its event: `action by actor of patients about object: result`, or [`NOTHING`].
type Case<'w, 'e> = (Call<'w>, StatusCode, &'e str);

/// The audit trail of a World, which is read after each request.
struct Trail<'w> {
    world: &'w World,
    issuer: &'w Issuer,
    reader: String,
    known: BTreeSet<String>,
    /// The actions of the cases.
    seen: BTreeSet<String>,
    failures: Vec<String>,
}

impl<'w> Trail<'w> {
    async fn follow(world: &'w World, issuer: &'w Issuer) -> Self {
        let mut trail = Self {
            world,
            issuer,
            reader: String::new(),
            known: BTreeSet::new(),
            seen: BTreeSet::new(),
            failures: Vec::new(),
        };
        trail.reader = trail.auditor(READER);
        trail.skip().await;
        trail
    }

    /// Returns the token of an auditor of the other issuer.
    fn auditor(&self, subject: &str) -> String {
        let mut claims = claims();
        (claims["sub"], claims["roles"]) = (subject.into(), json!(["AUDIT"]));
        self.issuer.token(&claims)
    }

    /// Returns the events since the last call, without those of reading them.
    async fn new_events(&mut self) -> Vec<Value> {
        let (mut events, mut next) = (Vec::new(), Some("/admin/audit?_count=2000".to_owned()));
        while let Some(url) = next.take() {
            let page = self.world.get(&url).bearer(&self.reader).send().await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text());
            next = next_of(&page);
            if !page.body.is_empty() {
                events.extend(page.lines());
            }
        }
        events.retain(|event| self.known.insert(text(&event["id"])));
        events.retain(|event| event["agent"][0]["who"]["identifier"]["value"] != READER);
        events
    }

    /// Ignores the events of the requests that prepare a case.
    async fn skip(&mut self) {
        self.new_events().await;
    }

    /// Sends the requests one after the other, and checks the only event of each.
    async fn each<const N: usize>(&mut self, cases: [Case<'w, '_>; N]) {
        for (call, status, expected) in cases {
            let response = call.send().await;
            if response.status != status {
                let failure =
                    format!("{} instead of {status}: {expected}: {}", response.status, response.text());
                self.failures.push(failure);
            }
            self.left(expected).await;
        }
    }

    /// Checks the only event since the last call.
    async fn left(&mut self, expected: &str) {
        if expected == NOTHING {
            return self.left_nothing("a case").await;
        }
        let events = self.new_events().await;
        let described: Vec<_> = events.iter().map(described).collect();
        if described != [expected] {
            self.failures.push(format!("{described:?} instead of {expected}"));
        }
        let action = expected.split(' ').next().expect("an action");
        self.seen.insert(action.to_owned());
    }

    async fn left_nothing(&mut self, case: &str) {
        let events = self.new_events().await;
        if !events.is_empty() {
            self.failures.push(format!("{case} has left {events:?}"));
        }
    }

    /// Sends a request that prepares a case.
    async fn prepare(&mut self, call: Call<'w>, status: StatusCode) -> TestResponse {
        let response = call.send().await;
        assert_eq!(response.status, status, "{}", response.text());
        self.skip().await;
        response
    }
}

/// Returns an event as a sentence; see [`Case`]. The name of an attachment is not in it.
fn described(event: &Value) -> String {
    let entities = || event["entity"].as_array().into_iter().flatten();
    let who = &event["agent"][0]["who"];
    let who = who["reference"].as_str().or(who["identifier"]["value"].as_str()).expect("an actor");
    let patients: Vec<_> = entities()
        .filter_map(|entity| entity["what"]["reference"].as_str()?.strip_prefix("Patient/"))
        .collect();
    let is_object = |entity: &&Value| {
        entity["what"]["identifier"]["system"].as_str().is_some_and(|system| system.ends_with("/objects"))
    };
    let object = entities().find(is_object).map(|entity| text(&entity["what"]["identifier"]["value"]));
    let object = object.map(|object| match object.starts_with("attachment ") {
        true => "attachment".to_owned(),
        false => object,
    });
    let whose = if patients.is_empty() { String::new() } else { format!(" of {}", patients.join(", ")) };
    let about = object.map(|object| format!(" about {object}")).unwrap_or_default();
    let outcome = text(&event["outcomeDesc"]);
    let (action, outcome) = outcome.split_once(": ").expect("an action and a result");
    format!("{action} by {who}{whose}{about}: {outcome}")
}

/// Returns the path of an export of Anna that waits for its form, and the link to the form.
async fn waiting(world: &World, token: &str) -> (String, String) {
    let path = format!("/auto-approve/fhir/Patient/{ANNA}/$ehi-export");
    let started = world.post(&path).bearer(token).send().await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
    let link = started.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    (started.job(), link)
}
