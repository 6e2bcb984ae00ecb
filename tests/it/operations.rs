//! Operation of `template.yaml`: metrics and alarms, retention and protection of data; [`concurrency`]; [`shifts`] of traffic;
//! [`tags`] and the key of a stack; [`staff_mails`]; the [`way_back`] to the version before.

mod concurrency;
mod shifts;
mod staff_mails;
mod tags;
mod way_back;

use std::collections::BTreeSet;

use platform::telemetry::{DIMENSIONS, Metric, NAMESPACE};
use serde_json::{Value, json};
use tests::template::Template;

use crate::template::{QueueMapping, called, queue_mappings};

const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Returns the metrics that an alarm reads: its own, or those of its expression.
fn metrics(alarm: &Value) -> Vec<&Value> {
    let properties = &alarm["Properties"];
    match properties["Metrics"].as_array() {
        Some(all) => {
            all.iter().map(|one| &one["MetricStat"]["Metric"]).filter(|one| !one.is_null()).collect()
        }
        None => vec![properties],
    }
}

/// Returns the value of a metric's dimension; null if it has no such dimension.
fn dimension<'m>(metric: &'m Value, name: &str) -> &'m Value {
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
    dimensions.into_iter().find(|one| one["Name"] == name).map_or(&Value::Null, |one| &one["Value"])
}

/// Returns the functions whose metric an alarm reads.
fn watched<'a>(alarm: &'a Value, metric: &str) -> BTreeSet<&'a str> {
    let metrics = metrics(alarm).into_iter().filter(|one| one["MetricName"] == metric);
    metrics.filter_map(|one| dimension(one, "FunctionName")["Ref"].as_str()).collect()
}

#[test]
fn the_dashboard_and_the_alarms_know_the_metrics() {
    let template = Template::load();
    let dashboard = template.resources("AWS::CloudWatch::Dashboard")["Dashboard"];
    let shown = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("a text");
    for metric in Metric::ALL {
        assert!(shown.contains(&format!("\"{}\"", metric.name())), "{} is on no dashboard", metric.name());
    }
    // Two stacks in one account are two separate curves, also if they have the same stage.
    let values = ["Stage", "AWS::StackName"];
    let of_stack: Vec<_> =
        DIMENSIONS.iter().zip(values).map(|(name, value)| format!("\"{name}\", \"${{{value}}}\"")).collect();
    for shown in shown.split(&format!("[\"{NAMESPACE}\", \"")).skip(1) {
        let (metric, dimensions) = shown.split_once("\", ").expect("a name");
        assert!(dimensions.starts_with(&of_stack.join(", ")), "{metric} of all stacks");
    }
    let alarms = template.resources(ALARM);
    let read: Vec<_> = alarms.values().flat_map(|alarm| metrics(alarm)).collect();
    assert!(read.iter().any(|metric| metric["MetricName"] == Metric::ExportsFailed.name()));
    // CloudWatch finds a metric only by all of its dimensions.
    let of_stack =
        DIMENSIONS.iter().zip(values).map(|(name, value)| json!({ "Name": name, "Value": { "Ref": value } }));
    let of_stack: Vec<_> = of_stack.collect();
    for metric in read.into_iter().filter(|metric| metric["Namespace"] == NAMESPACE) {
        assert_eq!(metric["Dimensions"], json!(of_stack), "{metric}: of all stacks");
    }
    let variables = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
    for (name, value) in [("EHI_STAGE", "Stage"), ("EHI_STACK", "AWS::StackName")] {
        assert_eq!(variables[name], json!({ "Ref": value }));
    }
}

#[test]
fn the_bucket_keeps_files_longer_than_an_export_can_wait_and_be_kept() {
    let template = Template::load();
    let document = template.document();
    let most = |name: &str| document["Parameters"][name]["MaxValue"].as_u64().expect("seconds") / 86_400;
    let rules = &document["Resources"]["FilesBucket"]["Properties"]["LifecycleConfiguration"]["Rules"];
    let kept = rules[0]["ExpirationInDays"].as_u64().expect("days");
    // Staff may change an export three times, each time at the end of its retention.
    assert!(kept > 4 * most("UnfinishedRetentionSeconds") + most("RetentionSeconds"), "{kept}");
    assert_eq!(rules[0]["Prefix"], "exports/");
}

#[test]
fn no_alarm_counts_the_messages_of_a_queue_that_a_function_empties() {
    let template = Template::load();
    let mappings = queue_mappings(&template);
    let emptied: Vec<_> = mappings
        .iter()
        .map(|mapping| json!({ "Fn::GetAtt": format!("{}.QueueName", mapping.queue) }))
        .collect();
    assert!(mappings.iter().any(|mapping| mapping.queue == "DeadLetterQueue"));
    let alarms = template.resources(ALARM);
    for (id, alarm) in &alarms {
        // If no function takes the messages, they stay long enough to be counted.
        let metrics = metrics(alarm);
        let reads = |name: &str| metrics.iter().any(|metric| metric["MetricName"] == name);
        let counts = reads("ApproximateNumberOfMessagesVisible") && !reads("Invocations");
        let of_emptied = metrics.iter().any(|metric| emptied.contains(dimension(metric, "QueueName")));
        assert!(!(counts && of_emptied), "{id} counts messages that are gone before they are measured");
    }
    let dead_letters = watched(alarms["DeadLettersAlarm"], "Invocations");
    assert_eq!(dead_letters, BTreeSet::from(["DeadLettersFunction"]));
}

#[test]
fn messages_that_wait_raise_an_alarm_for_each_queue_of_workers() {
    let template = Template::load();
    let alarms = template.resources(ALARM);
    for (queue, minutes) in [("SmallQueue", 5), ("LargeQueue", 60)] {
        let properties = &alarms[format!("{queue}AgeAlarm").as_str()]["Properties"];
        let watched = (&properties["MetricName"], &properties["Statistic"]);
        assert_eq!(watched, (&json!("ApproximateAgeOfOldestMessage"), &json!("Maximum")), "{queue}");
        assert_eq!(
            dimension(properties, "QueueName"),
            &json!({ "Fn::GetAtt": format!("{queue}.QueueName") })
        );
        let compared = (&properties["ComparisonOperator"], &properties["Threshold"]);
        assert_eq!(compared, (&json!("GreaterThanOrEqualToThreshold"), &json!(minutes * 60)), "{queue}");
        let description = tests::text(&properties["AlarmDescription"]["Fn::Sub"]);
        assert!(description.contains(&format!("{minutes} minutes")), "{queue}: {description}");
    }
}

/// A rule that is disabled has no errors, and a function that is not run writes no metric.
#[test]
fn a_cleanup_that_does_not_run_raises_an_alarm() {
    let template = Template::load();
    let alarm = template.resources(ALARM)["CleanupMissingAlarm"];
    assert_eq!(watched(alarm, "Invocations"), BTreeSet::from(["CleanupFunction"]));
    let properties = &alarm["Properties"];
    assert_eq!(properties["TreatMissingData"], "breaching");
    assert_eq!(
        (&properties["ComparisonOperator"], &properties["Threshold"]),
        (&json!("LessThanThreshold"), &json!(1))
    );
    // CloudWatch evaluates one day at most.
    let number = |name: &str| properties[name].as_u64().expect("a number");
    assert_eq!(number("Period") * number("EvaluationPeriods"), 86_400);
}

#[test]
fn throttles_are_watched_for_each_function_of_the_template_only() {
    let template = Template::load();
    let alarms = template.resources(ALARM);
    let throttles =
        ["RequestThrottlesAlarm", "WorkerThrottlesAlarm"].map(|id| watched(alarms[id], "Throttles"));
    let seen: BTreeSet<_> = throttles.iter().flatten().copied().collect();
    // The functions that read the stream have alarms about what is late. A table that has grown has more shards than they have reserved
    // executions, so they can be throttled without a problem.
    let of_stream = [("EventsAlarm", "AnnounceFunction"), ("MailsAlarm", "MailFunction")];
    let expected = template.functions().into_keys().filter(|id| of_stream.iter().all(|(_, own)| own != id));
    assert_eq!(seen, expected.collect());
    for (id, function) in of_stream {
        assert_eq!(watched(alarms[id], "IteratorAge"), BTreeSet::from([function]), "{id}");
    }
    for watched in throttles {
        // An alarm reads at most ten metrics (CloudWatch, metric math).
        assert!(watched.len() <= 10);
    }
    for (id, alarm) in alarms {
        for metric in metrics(alarm).into_iter().filter(|metric| metric["Namespace"] == "AWS/Lambda") {
            assert!(
                dimension(metric, "FunctionName").is_object(),
                "{id} counts all functions of the account"
            );
        }
    }
}

#[test]
fn a_disabled_mapping_raises_an_alarm() {
    let template = Template::load();
    let (alarms, functions) = (template.resources(ALARM), template.functions());
    for QueueMapping { id, queue, function, .. } in queue_mappings(&template) {
        let alarm = alarms[format!("{id}Alarm").as_str()];
        let name = json!({ "Fn::GetAtt": format!("{queue}.QueueName") });
        assert!(metrics(alarm).iter().any(|metric| dimension(metric, "QueueName") == &name), "{id}");
        assert_eq!(watched(alarm, "Invocations"), BTreeSet::from([function]), "{id}");
        // The longest run starts and ends within the periods that the alarm evaluates.
        let periods = alarm["Properties"]["EvaluationPeriods"].as_u64().expect("a number");
        let timeout = functions[function].1["Properties"]["Timeout"].as_u64().expect("seconds");
        assert!((periods - 1) * 300 >= timeout, "{id}");
    }
    for (id, mapping) in template.resources("AWS::Lambda::EventSourceMapping") {
        assert!(alarms.contains_key(format!("{id}Alarm").as_str()), "{id} has no alarm");
        let of_stream = json!({ "Fn::GetAtt": "JobsTable.StreamArn" });
        let is_of_stream = mapping["Properties"]["EventSourceArn"] == of_stream;
        assert_eq!(is_of_stream, ["AnnounceMapping", "MailMapping"].contains(&id), "{id}");
    }
}

/// A stream has no queue that grows: its mapping is disabled if exports end and the function does not run.
#[test]
fn the_mappings_of_the_stream_raise_an_alarm_if_exports_end_and_they_do_not_run() {
    let template = Template::load();
    for (mapping, function) in [("AnnounceMapping", "AnnounceFunction"), ("MailMapping", "MailFunction")] {
        watches_the_stream(template.resources(ALARM)[format!("{mapping}Alarm").as_str()], function);
    }
}

fn watches_the_stream(alarm: &Value, function: &str) {
    assert_eq!(watched(alarm, "Invocations"), BTreeSet::from([function]));
    for ends in [Metric::ExportsFinished, Metric::ExportsFailed] {
        let read = metrics(alarm).into_iter().filter(|metric| metric["MetricName"] == ends.name());
        assert_eq!(read.count(), 1, "{}", ends.name());
    }
    // An export that ends at the end of a period is announced in the next one and must raise no alarm, so one period alone is not enough.
    let properties = &alarm["Properties"];
    let expression = properties["Metrics"][0]["Expression"].as_str().expect("an expression");
    assert_eq!(expression.matches("RUNNING_SUM(FILL(").count(), 3, "{expression}");
    let number = |name: &str| properties[name].as_u64().expect("a number");
    let (wanted, periods) = (number("DatapointsToAlarm"), number("EvaluationPeriods"));
    assert!(wanted > 1 && periods > wanted, "{wanted} of {periods}");
}

#[test]
fn every_alarm_names_its_stage_and_has_an_action() {
    let template = Template::load();
    let alarms = template.resources(ALARM);
    for (id, alarm) in &alarms {
        let properties = &alarm["Properties"];
        let description = properties["AlarmDescription"]["Fn::Sub"].as_str().unwrap_or_default();
        assert!(description.starts_with("Stage ${Stage}: "), "{id}");
        // One alarm only stops shifts of traffic.
        let actions = if *id == "ShiftErrorsAlarm" { json!(null) } else { json!([{ "Ref": "Alarms" }]) };
        assert_eq!(properties["AlarmActions"], actions, "{id}");
        // Most metrics are not written while nothing happens; that a cleanup does not run is a failure.
        let expected = if *id == "CleanupMissingAlarm" { "breaching" } else { "notBreaching" };
        assert_eq!(properties["TreatMissingData"], expected, "{id}");
    }
    assert_eq!(alarms["ServerErrorsAlarm"]["Properties"]["MetricName"], "5xx");
    assert_eq!(watched(alarms["CleanupAlarm"], "Errors"), BTreeSet::from(["CleanupFunction"]));
}

#[test]
fn tables_are_protected_in_production_and_old_versions_of_records_expire() {
    let template = Template::load();
    for (id, table) in template.resources("AWS::DynamoDB::Table") {
        let protected = json!({ "Fn::If": ["Protects", true, false] });
        assert_eq!(table["Properties"]["DeletionProtectionEnabled"], protected, "{id}");
    }
    let in_production = json!({ "Fn::Or": [
        { "Fn::Equals": [{ "Ref": "DeletionProtection" }, "true"] },
        { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] },
    ] });
    assert_eq!(template.document()["Conditions"]["Protects"], in_production);
    for (id, bucket) in template.resources("AWS::S3::Bucket") {
        let properties = &bucket["Properties"];
        let is_versioned = properties["VersioningConfiguration"]["Status"] == "Enabled";
        let expires =
            properties["LifecycleConfiguration"].to_string().contains("NoncurrentVersionExpiration");
        assert_eq!(expires, is_versioned, "{id}");
    }
}

/// The resources that call functions, and where each names its function.
const CALLERS: [(&str, &str); 4] = [
    ("AWS::ApiGatewayV2::Integration", "/Properties/IntegrationUri"),
    ("AWS::Lambda::Permission", "/Properties/FunctionName"),
    ("AWS::Lambda::EventSourceMapping", "/Properties/FunctionName"),
    ("AWS::Events::Rule", "/Properties/Targets/0/Arn"),
];

/// Without a traffic shift the functions are called directly; with one, every caller uses their alias.
#[test]
fn every_caller_of_a_function_calls_the_version_that_takes_over() {
    let template = Template::load();
    let mut all_called = BTreeSet::new();
    for (kind, place) in CALLERS {
        for (id, caller) in template.resources(kind) {
            let function = caller.pointer(place).unwrap_or_else(|| panic!("{id} calls nothing"));
            // A rule may also send to a topic, which is not a function.
            let is_topic = function["Ref"].as_str().is_some_and(|topic| topic.ends_with("Topic"));
            if !is_topic {
                all_called.insert(called(function));
            }
        }
    }
    assert_eq!(all_called, template.functions().into_keys().collect());
    for (id, (_, function)) in template.functions() {
        assert_eq!(function["Properties"]["AutoPublishCodeSha256"], json!({ "Ref": "DeploymentId" }), "{id}");
    }
}

/// EventBridge cannot publish to a topic whose policy has a condition (EventBridge, using resource-based policies).
#[test]
fn the_topic_of_staff_lets_event_bridge_publish_without_a_condition_and_an_alarm_watches_that() {
    let template = Template::load();
    for (id, policy) in template.resources("AWS::SNS::TopicPolicy") {
        let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_array().expect("statements");
        for statement in statements {
            let is_rule = statement["Principal"]["Service"] == "events.amazonaws.com";
            assert!(is_rule && statement.get("Condition").is_none(), "{id}: {statement}");
        }
    }
    let alarm = template.resources(ALARM)["StaffMailAlarm"];
    assert_eq!(alarm["Condition"], "HasStaffEmail");
    let dimensions = &alarm["Properties"]["Dimensions"]["Fn::If"];
    assert_eq!(dimensions[0], "HasDefaultBus");
    // The metrics of a rule name its bus, unless it is the default one. The ARN is `…:rule/name`, or `…:rule/bus/name`.
    for (place, bus, part) in [(1, None, 1), (2, Some(json!({ "Ref": "EventBusName" })), 2)] {
        let properties = json!({ "Dimensions": dimensions[place] });
        assert_eq!(dimension(&properties, "EventBusName"), &bus.unwrap_or_default());
        let parts = json!({ "Fn::Split": ["/", { "Fn::GetAtt": "WaitingForReview.Arn" }] });
        assert_eq!(dimension(&properties, "RuleName"), &json!({ "Fn::Select": [part, parts] }));
    }
}

#[test]
fn the_cost_page_has_the_number_of_paid_metrics() {
    let page = std::fs::read_to_string(crate::house::root().join("infra/docs/cost.md")).expect("a page");
    let template = Template::load();
    let watched = |exists: &dyn Fn(&str) -> bool| -> usize {
        let alarms = template.resources(ALARM).into_values();
        let alarms = alarms.filter(|alarm| exists(alarm["Condition"].as_str().unwrap_or("UsesTls")));
        alarms.map(|alarm| metrics(alarm).len()).sum()
    };
    // Some alarms exist only if the stack sends mails to patients or to staff, or shifts traffic.
    let of_all = watched(&|condition| condition == "UsesTls");
    assert!(page.contains(&format!("| alarms: {of_all} metrics |")), "{of_all}");
    let of_patients = watched(&|condition| condition.contains("Mails"));
    let of_shifts = watched(&|condition| condition == "WatchesShifts");
    for sentence in [
        format!("(`PatientMail`) add two alarms with {of_patients} metrics"),
        format!("(`TrafficShift`) add one alarm with {of_shifts} metrics"),
    ] {
        assert!(page.contains(&sentence), "infra/docs/cost.md does not say '{sentence}'");
    }
    // One more metric comes from the log filters. That of crashes has values only in the hours with a crash.
    let own = Metric::ALL.len() + 1;
    assert!(page.contains(&format!("| {own} custom metrics,")), "{own}");
}
