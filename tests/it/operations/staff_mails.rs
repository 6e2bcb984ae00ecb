//! The mails to staff about exports that wait for review.

use domain::event::JobEvent;
use domain::job::JobState;
use serde_json::{Value, json};
use settings::Settings;
use tests::template::{Deployed, Template, matches_pattern};

use super::concurrency::matches;

/// Returns the base URL that the functions of a stack have.
fn base_url(stack: &Deployed) -> String {
    let variables = &stack.template().document()["Globals"]["Function"]["Environment"]["Variables"];
    let url = tests::text(&stack.evaluate(&variables["EHI_BASE_URL"]));
    let settings = Settings::parse("", |name| (name == "EHI_BASE_URL").then(|| url.clone()), None);
    settings.expect("settings").base_url
}

/// Returns an event of a stack, as EventBridge shows it to rules.
fn event(stack: &Deployed, state: JobState) -> Value {
    let jobs = crate::template::changes::jobs();
    let job = jobs.iter().find(|job| job.state() == state).expect("a job in each state");
    let event = JobEvent::of_change(Some(JobState::Running), job).expect("an event");
    let event = event.into_cloud_event(&base_url(stack), "dev");
    json!({ "source": "ehi-export", "detail-type": event.event_type, "detail": event.to_json() })
}

#[test]
fn staff_get_mails_about_the_exports_of_their_own_stack() {
    // All of them have the stage `dev`, and may be on the default bus of one account.
    let with = |parameters: &[(&str, &str)]| {
        Deployed::new(Template::load(), parameters, &[("Api", "a1b2c3".to_owned())])
    };
    let stacks = [
        with(&[("BaseUrl", "https://one.example.org")]),
        with(&[("BaseUrl", "https://one.example.org:8443")]),
        with(&[("DomainName", "two.example.org")]),
        with(&[]),
    ];
    for (place, own) in stacks.iter().enumerate() {
        let rule = own.template().resources("AWS::Events::Rule")["WaitingForReview"];
        let pattern = own.evaluate(&rule["Properties"]["EventPattern"]);
        for (other, stack) in stacks.iter().enumerate() {
            let waits = event(stack, JobState::InReview);
            assert_eq!(matches_pattern(&pattern, &waits), place == other, "{pattern} and {waits}");
        }
        assert!(!matches_pattern(&pattern, &event(own, JobState::Complete)), "{pattern}");
    }
}

/// The settings remove a slash at the end, and the rule would compare with the address that has it.
#[test]
fn a_base_url_has_no_slash_at_its_end() {
    let template = Template::load();
    let pattern = tests::text(&template.document()["Parameters"]["BaseUrl"]["AllowedPattern"]);
    for good in ["", "http://localhost:8888", "https://ehi.example.org", "https://example.org/ehi"] {
        assert!(matches(&pattern, good), "{good:?}");
    }
    for wrong in ["ehi.example.org", "https://ehi.example.org/", "https://example.org/ehi//", "https://"] {
        assert!(!matches(&pattern, wrong), "{wrong:?}");
    }
}
