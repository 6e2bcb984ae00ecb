use super::*;

#[test]
fn on_lambda_this_server_logs_from_info_and_the_sdk_from_warn() {
    let speaks = |target| targets(ON_LAMBDA).would_enable(target, &tracing::Level::INFO);
    for ours in [
        "platform::exports",
        "aws::lambda::messages",
        "aws",
        "web::host",
        "request",
        "export_generator::plan",
    ] {
        assert!(speaks(ours), "{ours}");
    }
    for other in ["aws_config::profile", "aws_sdk_s3::operation", "aws_smithy_runtime", "hyper", "reqwest"] {
        assert!(!speaks(other), "{other}");
    }
}

#[test]
fn on_one_machine_this_server_logs_from_info() {
    let speaks = |target| targets(ON_ONE_MACHINE).would_enable(target, &tracing::Level::INFO);
    for ours in ["platform::telemetry", "platform::exports", "local::jobs", "ehi::worker", "request"] {
        assert!(speaks(ours), "{ours}");
    }
    assert!(!speaks("hyper") && !speaks("rusqlite"));
}

#[test]
fn a_line_describes_each_value_that_it_has() {
    let deployment = Deployment { stage: "dev".to_owned(), stack: "ehi-dev".to_owned() };
    let line = embedded(&[(Metric::Bytes, 7), (Metric::ExportsFinished, 1)], &deployment, 5);
    assert_eq!((&line["Bytes"], &line["ExportsFinished"]), (&json!(7), &json!(1)));
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&line["Stage"], &line["Stack"]), (&json!("dev"), &json!("ehi-dev")));
    assert_eq!(directive["Dimensions"], json!([["Stage", "Stack"]]));
    let names: Vec<_> =
        directive["Metrics"].as_array().expect("metrics").iter().map(|metric| &metric["Name"]).collect();
    assert_eq!(names, ["Bytes", "ExportsFinished"]);
    assert_eq!((&line["_aws"]["Timestamp"], &directive["Metrics"][0]["Unit"]), (&json!(5), &json!("Bytes")));
}
