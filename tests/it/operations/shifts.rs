//! Shifts of traffic to a new version, the alarms that return it to the old one, and the requests that the pipeline sends meanwhile.

use std::collections::BTreeSet;

use serde_json::json;
use tests::World;
use tests::template::{Template, evaluate};

use super::{ALARM, watched};
use crate::house::root;

/// One damaged or very large record raises the alarms of logged errors, of failed exports and of workers that end unexpectedly. With them,
/// no stage could deploy the version that repairs the fault.
#[test]
fn a_new_version_is_stopped_by_failed_and_crashed_requests_only() {
    let template = Template::load();
    let document = template.document();
    let alarms = &document["Globals"]["Function"]["DeploymentPreference"]["Alarms"];
    let [share, failed, crashed] =
        ["ShiftErrorsAlarm", "ServerErrorsAlarm", "RequestCrashesAlarm"].map(|id| json!({ "Ref": id }));
    assert_eq!(alarms, &json!({ "Fn::If": ["WatchesShifts", [share, failed, crashed], [failed]] }));
    let known = template.resources(ALARM);
    assert_eq!(known["ServerErrorsAlarm"]["Properties"]["MetricName"], "5xx");
    let serving: BTreeSet<_> = template.serving().into_keys().collect();
    assert_eq!(watched(known["RequestCrashesAlarm"], "Errors"), serving);
}

/// A canary has a tenth of the requests, and `ServerErrorsAlarm` needs five failures in a minute: alone, it would overlook a version that
/// fails always in a stage with less than 50 requests a minute.
#[test]
fn one_failed_request_stops_a_shift_in_a_stage_with_few_requests() {
    let template = Template::load();
    let alarm = template.resources(ALARM)["ShiftErrorsAlarm"];
    assert_eq!(alarm["Condition"], "WatchesShifts");
    let exists = &template.document()["Conditions"]["WatchesShifts"];
    assert_eq!(exists, &json!({ "Fn::And": [{ "Condition": "Shifts" }, { "Condition": "UsesTls" }] }));
    let properties = &alarm["Properties"];
    let metrics = properties["Metrics"].as_array().expect("metrics");
    let [failing, errors, requests] = &metrics[..] else { panic!("{metrics:?}") };
    assert_eq!((&errors["Id"], &requests["Id"]), (&json!("errors"), &json!("requests")));
    for (metric, name) in [(errors, "5xx"), (requests, "Count")] {
        let of_api = json!([{ "Name": "ApiId", "Value": { "Ref": "Api" } }]);
        let read = json!({ "Namespace": "AWS/ApiGateway", "MetricName": name, "Dimensions": of_api });
        assert_eq!(metric["MetricStat"], json!({ "Stat": "Sum", "Period": 60, "Metric": read }));
    }
    assert!(failing["Expression"].is_string(), "the next test evaluates it");
    // CodeDeploy reads the state from time to time, so it lasts for some minutes.
    let compared = (&properties["ComparisonOperator"], &properties["Threshold"]);
    assert_eq!(compared, (&json!("GreaterThanOrEqualToThreshold"), &json!(1)));
    assert_eq!((&properties["DatapointsToAlarm"], &properties["EvaluationPeriods"]), (&json!(1), &json!(5)));
}

/// The pipeline requests each function ten times a minute. A canary gets one of the ten; a function that has moved gets all of them.
#[test]
fn a_shift_is_stopped_by_the_share_or_by_the_number_of_failed_requests() {
    let template = Template::load();
    let known = template.resources(ALARM);
    let share = tests::text(&known["ShiftErrorsAlarm"]["Properties"]["Metrics"][0]["Expression"]);
    let number = known["ServerErrorsAlarm"]["Properties"]["Threshold"].as_u64().expect("a number");
    for (requests, failed, by_share, by_number) in [
        (0, 0, false, false),
        (1, 1, true, false),
        (80, 0, false, false),
        (80, 1, true, false),
        (200, 1, true, false),
        (200, 10, true, true),
        (201, 1, false, false),
        (400, 2, true, false),
        (401, 2, false, false),
        // With these requests alone, a function that fails always is not found before it gets half of all requests.
        (5_000, 1, false, false),
        (5_000, 4, false, false),
        (5_000, 5, false, true),
        (5_000, 10, false, true),
        (5_000, 25, true, true),
    ] {
        // A metric without a request has no value.
        let metrics = |name: &str| match name {
            "errors" => (failed > 0).then_some(failed),
            "requests" => (requests > 0).then_some(requests),
            other => panic!("no metric has the id {other}"),
        };
        let stops = (evaluate(&share, &metrics) == 1, failed >= number);
        assert_eq!(stops, (by_share, by_number), "{failed} of {requests}");
    }
    let page = crate::docs::page("aws.md");
    assert!(
        page.contains("to at least one of 200 requests of a minute (`ShiftErrorsAlarm`) or to five of them")
    );
    assert!(page.contains(
        "In a stage with more than 200 requests a minute, these requests are too few for the alarms"
    ));
}

/// Returns the paths that `.github/requests.sh` requests.
fn requested() -> Vec<String> {
    let script = std::fs::read_to_string(root().join(".github/requests.sh")).expect("a script");
    let list = script.lines().find_map(|line| line.strip_prefix("for path in ")?.strip_suffix("; do"));
    let words = list.expect("a loop over paths").split(' ');
    words.map(|word| word.trim_matches('\'').to_owned()).collect()
}

/// The requests need no token, and a response without a fault of the server is a success. The server of this test has settings, as a stage
/// must: without them, each request gets 503, so the pipeline cannot deploy a stage that has none.
#[tokio::test]
async fn the_pipeline_sends_a_request_to_each_function_that_serves_requests() {
    let template = Template::load();
    let (routes, paths) = (template.routes(), requested());
    let called: BTreeSet<_> = paths.iter().map(|path| routes.function("GET", path)).collect();
    assert_eq!(called, template.serving().into_keys().collect());
    assert_eq!(called.len(), paths.len(), "{paths:?}");
    let world = World::new();
    for path in paths {
        let response = world.get(&path).send().await;
        assert!(response.status.as_u16() < 500, "{path}: {}", response.status);
    }
    let workflow = root().join(".github/workflows/deploy-stage.yml");
    let workflow = std::fs::read_to_string(workflow).expect("a workflow");
    assert_eq!(workflow.matches(".github/requests.sh \"$URL\"").count(), 2, "during the shift and after it");
    assert!(!workflow.contains("/dev/null"), "the log has the requests that failed");
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
