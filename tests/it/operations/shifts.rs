//! Shifts of traffic to a new version, and the alarms that return it to the old one.

use std::collections::BTreeSet;

use serde_json::json;
use tests::template::Template;

use super::{ALARM, watched};
use crate::house::root;

/// One damaged or very large record raises the alarms of logged errors, of failed exports and of workers that end unexpectedly. With them,
/// no stage could deploy the version that repairs the fault.
#[test]
fn a_new_version_is_stopped_by_failed_and_crashed_requests_only() {
    let template = Template::load();
    let document = template.document();
    let alarms = &document["Globals"]["Function"]["DeploymentPreference"]["Alarms"];
    let [failed, crashed] = ["ServerErrorsAlarm", "RequestCrashesAlarm"].map(|id| json!({ "Ref": id }));
    assert_eq!(alarms, &json!({ "Fn::If": ["UsesTls", [failed, crashed], [failed]] }));
    let known = template.resources(ALARM);
    assert_eq!(known["ServerErrorsAlarm"]["Properties"]["MetricName"], "5xx");
    let serving: BTreeSet<_> = template.serving().into_keys().collect();
    assert_eq!(watched(known["RequestCrashesAlarm"], "Errors"), serving);
}

#[test]
fn messages_of_lambda_about_crashes_are_counted() {
    let template = Template::load();
    let document = template.document();
    let known = template.resources(ALARM);
    assert_eq!(known["CrashesAlarm"]["Properties"]["MetricName"], "Crashes");
    let filter = &document["Resources"]["Crashes"]["Properties"];
    for message in ["Task timed out", "Runtime exited", "panicked at"] {
        assert!(tests::text(&filter["FilterPattern"]).contains(&format!("?\"{message}\"")), "{message}");
    }
    let transformations = filter["MetricTransformations"].as_array().expect("one");
    let [transformation] = &transformations[..] else { panic!("{transformations:?}") };
    assert_eq!(transformation["MetricName"], "Crashes");
    assert_eq!(transformation["MetricNamespace"], known["CrashesAlarm"]["Properties"]["Namespace"]);
}

/// Returns the number of minutes that a shift takes, from its name: `Canary10Percent5Minutes`, `Linear10PercentEvery1Minute`.
fn minutes(shift: &str) -> u64 {
    let (percent, time) = shift.split_once("Percent").expect("a share");
    let number = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().expect("a number")
    };
    let steps = if percent.starts_with("Linear") { 100 / number(percent) } else { 1 };
    steps * number(time)
}

/// The credentials of the pipeline are valid for an hour (aws-actions/configure-aws-credentials), in which the stack is also updated.
#[test]
fn every_shift_ends_before_the_credentials_of_the_pipeline_expire() {
    let template = Template::load();
    let document = template.document();
    let shifts = document["Parameters"]["TrafficShift"]["AllowedValues"].as_array().expect("values");
    let enabled = &document["Mappings"]["TrafficShifts"];
    assert_eq!(enabled.as_object().expect("shifts").len(), shifts.len());
    for shift in shifts.iter().map(tests::text) {
        // The template tells SAM about each shift that can be chosen.
        let is_shift = shift != "None";
        assert_eq!(enabled[&shift]["Enabled"], is_shift.to_string(), "{shift}");
        assert!(!is_shift || minutes(&shift) <= 30, "{shift} takes {} minutes", minutes(&shift));
    }
    let configuration = std::fs::read_to_string(root().join("samconfig.toml")).expect("a configuration");
    for chosen in configuration.split("\"TrafficShift=").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(shifts.contains(&json!(chosen)), "{chosen}");
    }
}

/// A task sends the next task to the queue from which it came. Lambda stops a chain of more than about 16 such invocations, unless
/// the function allows it (Lambda, recursive loop detection).
#[test]
fn functions_that_send_to_their_own_queue_may_do_so_without_end() {
    let template = Template::load();
    for (id, (_, function)) in template.functions() {
        let statements = function["Properties"]["Policies"][0]["Statement"].as_array().expect("statements");
        let resources = |sid: &str| {
            statements.iter().find(|one| one["Sid"] == sid).map(|one| one["Resource"].to_string())
        };
        let loops = match (resources("Queue"), resources("Messages")) {
            (Some(sends), Some(takes)) => sends.contains(&takes),
            _ => false,
        };
        assert_eq!(loops, ["SmallGeneratorFunction", "LargeGeneratorFunction"].contains(&id), "{id}");
        let expected = if loops { json!("Allow") } else { json!(null) };
        assert_eq!(function["Properties"]["RecursiveLoop"], expected, "{id}");
    }
}
