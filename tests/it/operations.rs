//! `template.yaml` in operation: metrics and alarms, what is kept and protected, how much runs at once.

use std::collections::BTreeSet;

use platform::telemetry::Metric;

use crate::template::{functions, of_queues, resources, template, value};

#[test]
fn the_dashboard_and_the_alarms_know_the_metrics() {
    let text = template();
    for metric in Metric::ALL {
        assert!(text.contains(&format!("\"{}\"", metric.name())), "{} is on no dashboard", metric.name());
    }
    assert!(text.contains(&format!("MetricName: {}", Metric::ExportsFailed.name())));
    // Two stages in one account are two curves.
    for shown in text.split("[\"EhiExport\", \"").skip(1) {
        let (metric, dimension) = shown.split_once("\", ").expect("a name");
        assert!(dimension.starts_with("\"Stage\", \"${Stage}\""), "{metric} of all stages");
    }
    for (id, alarm) in resources(&text, "AWS::CloudWatch::Alarm") {
        // An expression has each of its metrics on a line.
        let of_ours = ["Namespace: EhiExport\n", "Namespace: EhiExport,"].map(|of| alarm.matches(of).count());
        let of_stage = alarm.matches("[{ Name: Stage, Value: !Ref Stage }]").count();
        assert_eq!(of_ours.iter().sum::<usize>(), of_stage, "{id}: of all stages");
    }
}

#[test]
fn no_alarm_counts_the_messages_of_a_queue_that_a_function_empties() {
    let text = template();
    let emptied: Vec<_> = resources(&text, "AWS::Lambda::EventSourceMapping")
        .into_values()
        .map(|mapping| {
            let (_, queue) = mapping.split_once("EventSourceArn: !GetAtt ").expect("a queue");
            queue.split('.').next().unwrap_or_default().to_owned()
        })
        .collect();
    assert!(emptied.contains(&"DeadLetterQueue".to_owned()), "{emptied:?}");
    for (id, alarm) in resources(&text, "AWS::CloudWatch::Alarm") {
        // Where nobody takes them, messages stay long enough to be counted.
        let counts = alarm.contains("MetricName: ApproximateNumberOfMessagesVisible")
            && !alarm.contains("MetricName: Invocations");
        let of_emptied = emptied.iter().any(|queue| alarm.contains(&format!("!GetAtt {queue}.QueueName")));
        assert!(!(counts && of_emptied), "{id} watches what is gone before it is measured");
    }
    let dead_letters = &resources(&text, "AWS::CloudWatch::Alarm")["DeadLettersAlarm"];
    assert!(
        dead_letters.contains("MetricName: Invocations") && dead_letters.contains("!Ref DeadLettersFunction")
    );
}

/// Functions whose metric an alarm with an expression reads.
fn watched<'a>(alarm: &'a str, metric: &str) -> BTreeSet<&'a str> {
    let lines = alarm.lines().filter(|line| line.contains(&format!("MetricName: {metric},")));
    lines
        .filter_map(|line| line.split_once("Name: FunctionName, Value: !Ref "))
        .map(|(_, name)| name.split(' ').next().unwrap_or_default())
        .collect()
}

#[test]
fn what_lambda_refuses_is_watched_for_each_function_and_for_no_other() {
    let text = template();
    let alarms = resources(&text, "AWS::CloudWatch::Alarm");
    let throttles = ["RequestThrottlesAlarm", "WorkerThrottlesAlarm"].map(|id| &alarms[id]);
    let seen: BTreeSet<_> =
        throttles.iter().flat_map(|alarm| watched(alarm, "Throttles")).map(str::to_owned).collect();
    assert_eq!(seen, functions().into_keys().collect());
    for alarm in throttles {
        // An alarm reads at most ten metrics (CloudWatch, metric math).
        assert!(watched(alarm, "Throttles").len() <= 10);
    }
    let without_function = alarms
        .iter()
        .find(|(_, alarm)| alarm.contains("Namespace: AWS/Lambda") && !alarm.contains("Name: FunctionName"));
    assert_eq!(without_function, None, "it counts all functions of the account");
}

#[test]
fn a_mapping_that_is_off_rings_an_alarm() {
    let text = template();
    let alarms = resources(&text, "AWS::CloudWatch::Alarm");
    for (id, queue, function, _) in of_queues(&text) {
        let alarm = &alarms[&format!("{id}Alarm")];
        assert!(alarm.contains(&format!("Value: !GetAtt {queue}.QueueName }}")), "{id}");
        assert_eq!(watched(alarm, "Invocations"), BTreeSet::from([function.as_str()]), "{id}");
        // The longest run begins and ends within the periods that it looks at.
        let periods: u64 = value(alarm, "EvaluationPeriods").parse().expect("a number");
        let timeout: u64 = value(&functions()[&function].1, "Timeout").parse().expect("seconds");
        assert!((periods - 1) * 300 >= timeout, "{id}");
    }
    for (id, mapping) in resources(&text, "AWS::Lambda::EventSourceMapping") {
        assert!(alarms.contains_key(&format!("{id}Alarm")), "{id} has no alarm");
        let is_of_stream = mapping.contains("EventSourceArn: !GetAtt JobsTable.StreamArn");
        assert_eq!(is_of_stream, id == "AnnounceMapping", "{id}");
    }
}

/// A stream has no queue that grows: its mapping is off where exports end and the function does not run.
#[test]
fn the_mapping_of_the_stream_rings_an_alarm_where_exports_end_and_it_runs_nothing() {
    let alarm = &resources(&template(), "AWS::CloudWatch::Alarm")["AnnounceMappingAlarm"];
    assert_eq!(watched(alarm, "Invocations"), BTreeSet::from(["AnnounceFunction"]));
    for metric in [Metric::ExportsFinished, Metric::ExportsFailed] {
        let ends = format!("Namespace: EhiExport, MetricName: {}, ", metric.name());
        assert_eq!(alarm.matches(&ends).count(), 1, "{}", metric.name());
    }
    // What ends at the end of a period is announced in the next one, and rings no alarm: a period alone does not count.
    assert!(alarm.matches("RUNNING_SUM(FILL(").count() == 3, "{alarm}");
    let number = |name| value(alarm, name).parse::<u64>().expect("a number");
    let (wanted, periods) = (number("DatapointsToAlarm"), number("EvaluationPeriods"));
    assert!(wanted > 1 && periods > wanted, "{wanted} of {periods}");
}

#[test]
fn every_alarm_says_its_stage_and_reaches_somebody() {
    for (id, alarm) in resources(&template(), "AWS::CloudWatch::Alarm") {
        assert!(alarm.contains("AlarmDescription: !Sub \"Stage ${Stage}: "), "{id}");
        assert!(alarm.contains("AlarmActions: [!Ref Alarms]"), "{id}");
        assert!(alarm.contains("TreatMissingData: notBreaching"), "{id}");
    }
    let alarms = resources(&template(), "AWS::CloudWatch::Alarm");
    assert!(alarms["ServerErrorsAlarm"].contains("MetricName: 5xx"));
    assert!(
        alarms["CleanupAlarm"].contains("MetricName: Errors")
            && alarms["CleanupAlarm"].contains("!Ref CleanupFunction")
    );
}

#[test]
fn everything_that_costs_or_holds_data_has_the_stage_as_a_tag() {
    let text = template();
    for kind in [
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
        "AWS::Logs::LogGroup",
        "AWS::CloudWatch::Alarm",
        "AWS::IAM::Role",
    ] {
        let found = resources(&text, kind);
        assert!(!found.is_empty(), "{kind}");
        for (id, resource) in found {
            assert!(resource.contains("      Tags: [{ Key: stage, Value: !Ref Stage }]\n"), "{id}");
        }
    }
}

#[test]
fn tables_are_protected_in_production_and_old_versions_of_records_expire() {
    let text = template();
    for (id, table) in resources(&text, "AWS::DynamoDB::Table") {
        assert!(table.contains("DeletionProtectionEnabled: !If [Protects, true, false]"), "{id}");
    }
    assert!(text.contains(
        "  Protects: !Or [!Equals [!Ref DeletionProtection, \"true\"], !Equals [!Ref Stage, prod]]\n"
    ));
    for (id, bucket) in resources(&text, "AWS::S3::Bucket") {
        let is_versioned = bucket.contains("VersioningConfiguration: { Status: Enabled }");
        assert_eq!(bucket.contains("NoncurrentVersionExpiration"), is_versioned, "{id}");
    }
}

/// The key of a bucket that was there before, for the functions that read records and for nothing but reading.
#[test]
fn who_reads_records_may_decrypt_them_with_the_key_of_their_bucket() {
    for (id, (_, function)) in functions() {
        let reads = function.contains("- Sid: Records\n");
        assert_eq!(function.contains("Sid: RecordsKey"), reads, "{id}");
        let Some((_, key)) = function.split_once("Sid: RecordsKey") else { continue };
        assert!(key.contains("Action: [kms:Decrypt]\n"), "{id}");
        assert!(key.contains("Resource: !Ref RecordsKmsKeyArn\n"), "{id}");
        let (_, via) = key.split_once("\"kms:ViaService\": [").expect("a service");
        assert!(via.starts_with("!Sub \"s3.${AWS::Region}.${AWS::URLSuffix}\"]"), "{id}");
    }
}

#[test]
fn one_worker_is_refused_and_what_is_reserved_is_what_may_run() {
    let text = template();
    for (size, id) in [("Small", "SmallGeneratorFunction"), ("Large", "LargeGeneratorFunction")] {
        let (_, parameter) = text.split_once(&format!("\n  {size}Concurrency:\n")).expect("a parameter");
        let parameter = parameter.split("ConstraintDescription").next().unwrap_or_default();
        // SQS refuses a mapping with fewer than two.
        assert!(parameter.contains("AllowedPattern: \"0|[2-9]|[1-9][0-9]{1,2}|1000\"\n"), "{parameter}");
        let reserved = format!("ReservedConcurrentExecutions: !If [Reserves, !Ref {size}Concurrency, ");
        assert!(functions()[id].1.contains(&reserved), "{id}");
        let mapping = &resources(&text, "AWS::Lambda::EventSourceMapping")[&format!("{size}Mapping")];
        assert!(mapping.contains(&format!("MaximumConcurrency: !Ref {size}Concurrency")), "{size}");
    }
    // A new account runs ten functions at once; half of them stay for requests.
    let default = |size: &str| {
        let (_, parameter) = text.split_once(&format!("\n  {size}Concurrency:\n")).expect("a parameter");
        value(parameter, "Default").trim_matches('"').parse::<u32>().expect("a number")
    };
    assert!(default("Small") + default("Large") <= 5);
}

/// Without a shift of traffic functions are called as they are; with one, everybody calls their alias.
#[test]
fn whoever_calls_a_function_calls_the_version_that_takes_over() {
    let text = template();
    for id in functions().into_keys() {
        let by_alias = format!("!If [Shifts, !Ref {id}.Alias, ");
        assert!(text.contains(&by_alias), "{id}");
        assert!(functions()[&id].1.contains("AutoPublishCodeSha256: !Ref DeploymentId\n"), "{id}");
    }
    let kinds = [
        "AWS::ApiGatewayV2::Integration",
        "AWS::Lambda::Permission",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Events::Rule",
    ];
    for (id, caller) in kinds.into_iter().flat_map(|kind| resources(&text, kind)) {
        let calls = caller.lines().filter(|line| line.contains("Function"));
        for call in calls.filter(|line| line.contains("!Ref ") || line.contains("!GetAtt ")) {
            assert!(call.contains("!If [Shifts, !Ref "), "{id}: {call}");
        }
    }
    // A step back needs alarms that see what a new version does wrong.
    let (_, preference) = text.split_once("\n    DeploymentPreference:\n").expect("a preference");
    let alarms = preference.split("Alarms: [").nth(1).expect("alarms").split(']').next().unwrap_or_default();
    let known = resources(&text, "AWS::CloudWatch::Alarm");
    assert!(
        alarms.split(", ").all(|alarm| known.contains_key(alarm.trim_start_matches("!Ref "))),
        "{alarms}"
    );
    // Each shift that can be chosen is one that SAM is told of.
    let (_, parameter) = text.split_once("\n  TrafficShift:\n").expect("a parameter");
    let shifts =
        parameter.split("AllowedValues: [").nth(1).expect("values").split(']').next().unwrap_or_default();
    for shift in shifts.split(", ") {
        let enabled = format!("    {shift}: {{ Enabled: \"{}\" }}\n", shift != "None");
        assert!(text.contains(&enabled), "{shift}");
    }
}

#[test]
fn the_page_of_costs_has_as_many_metrics_as_are_paid_for() {
    let page = std::fs::read_to_string(crate::house::root().join("infra/docs/cost.md")).expect("a page");
    let alarms = resources(&template(), "AWS::CloudWatch::Alarm");
    let watched: usize = alarms.values().map(|alarm| alarm.matches("MetricStat").count().max(1)).sum();
    assert!(page.contains(&format!("| alarms: {watched} metrics |")), "{watched}");
    // And what the log filters count.
    let own = Metric::ALL.len() + 1;
    assert!(page.contains(&format!("| {own} metrics of our own,")), "{own}");
}
