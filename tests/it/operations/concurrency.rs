//! Requests cannot use all concurrency of the account, and neither can workers.

use std::collections::BTreeSet;

use serde_json::json;
use tests::simulated::account::deployed;
use tests::template::Template;

use crate::house::root;
use crate::template::called;

#[test]
fn one_worker_is_refused_and_the_reserved_concurrency_is_the_limit() {
    let template = Template::load();
    let mappings = template.resources("AWS::Lambda::EventSourceMapping");
    let mut defaults = 0;
    for (size, id) in [("Small", "SmallGeneratorFunction"), ("Large", "LargeGeneratorFunction")] {
        let name = format!("{size}Concurrency");
        let parameter = &template.document()["Parameters"][&name];
        // SQS refuses a mapping with fewer than two.
        assert_eq!(parameter["AllowedPattern"], "0|[2-9]|[1-9][0-9]{1,2}|1000", "{size}");
        let limit = json!({ "Ref": name });
        let reserved = &template.functions()[id].1["Properties"]["ReservedConcurrentExecutions"];
        assert_eq!(reserved["Fn::If"], json!(["Reserves", limit, { "Ref": "AWS::NoValue" }]), "{id}");
        let mapping = mappings[format!("{size}Mapping").as_str()]["Properties"].to_string();
        assert!(mapping.contains(&format!("\"MaximumConcurrency\":{limit}")), "{size}: {mapping}");
        defaults +=
            parameter["Default"].as_str().and_then(|most| most.parse::<u32>().ok()).expect("a number");
    }
    // A new account runs ten functions at once; workers use half of them at most.
    assert!(defaults <= 5);
}

/// A new table has this number of shards (DynamoDB, on-demand capacity: it begins with 4,000 writes a second, and a partition has
/// 1,000).
const SHARDS: u64 = 4;

/// A mail server that does not respond holds each function for the time of a mail. It must not hold those that requests need.
#[test]
fn mails_wait_in_few_functions_and_never_in_more_than_are_reserved() {
    for (reserves, at_once) in [("false", 4), ("true", 8)] {
        let deployed = deployed(&[("ReserveConcurrency", reserves)]);
        let mappings = deployed.template().resources("AWS::Lambda::EventSourceMapping");
        for (mapping, function) in [("MailMapping", "MailFunction"), ("AnnounceMapping", "AnnounceFunction")]
        {
            let properties = &mappings[mapping]["Properties"];
            let factor = properties.get("ParallelizationFactor").map(|factor| deployed.evaluate(factor));
            let most = SHARDS * factor.map_or(1, |factor| factor.as_u64().expect("a number"));
            let reserved =
                &deployed.template().functions()[function].1["Properties"]["ReservedConcurrentExecutions"];
            let reserved = deployed.evaluate(reserved);
            assert!(reserved.is_null() || reserved == json!(most), "{function}: {reserved} for {most}");
            assert!(most <= at_once, "{function}: {most}");
        }
    }
}

/// AWS requires that this number of concurrent executions of an account is not reserved.
const UNRESERVED: u64 = 100;

#[test]
fn concurrency_is_reserved_for_each_function_that_no_request_starts() {
    let template = Template::load();
    let called_by_requests: BTreeSet<_> = template
        .resources("AWS::ApiGatewayV2::Integration")
        .into_values()
        .map(|integration| called(&integration["Properties"]["IntegrationUri"]))
        .collect();
    let mut fixed = 0;
    for (id, (_, function)) in template.functions() {
        let reserved = &function["Properties"]["ReservedConcurrentExecutions"];
        assert_eq!(reserved.is_null(), called_by_requests.contains(id), "{id}: {reserved}");
        let Some(choice) = reserved["Fn::If"].as_array() else { continue };
        assert_eq!((&choice[0], &choice[2]), (&json!("Reserves"), &json!({ "Ref": "AWS::NoValue" })), "{id}");
        // The generators reserve what their parameters say.
        fixed += choice[1].as_u64().unwrap_or_default();
    }
    let mapping = template.resources("AWS::Lambda::EventSourceMapping")["DeadLettersMapping"];
    let limit = &mapping["Properties"]["ScalingConfig"]["MaximumConcurrency"];
    let reserved =
        &template.functions()["DeadLettersFunction"].1["Properties"]["ReservedConcurrentExecutions"];
    assert_eq!(limit, &reserved["Fn::If"][1]);
    let description = &template.document()["Parameters"]["ReserveConcurrency"]["Description"];
    let sum = fixed + UNRESERVED;
    assert!(tests::text(description).ends_with(&format!("the sum of both limits and {sum}")), "{sum}");
    let page = crate::docs::page("aws.md");
    assert!(page.contains(&format!("the sum of the two limits and {sum}")), "{sum}");
    let quota = sum + limits_in_production();
    let configuration = std::fs::read_to_string(root().join("samconfig.toml")).expect("a configuration");
    assert!(configuration.contains(&format!("needs a quota of {quota} concurrent executions")), "{quota}");
}

/// Returns the sum of both limits of the stage `prod`, which reserves them.
fn limits_in_production() -> u64 {
    let configuration = std::fs::read_to_string(root().join("samconfig.toml")).expect("a configuration");
    let configuration: toml::Table = configuration.parse().expect("TOML");
    let parameters = configuration["prod"]["deploy"]["parameters"]["parameter_overrides"].as_array();
    let parameters: Vec<_> = parameters.expect("parameters").iter().filter_map(|one| one.as_str()).collect();
    assert!(parameters.contains(&"ReserveConcurrency=true"), "{parameters:?}");
    let limit = |size: &str| {
        let value = parameters.iter().find_map(|one| one.strip_prefix(&format!("{size}Concurrency=")));
        value.and_then(|value| value.parse::<u64>().ok()).expect("a limit")
    };
    limit("Small") + limit("Large")
}

#[test]
fn the_limits_of_workers_are_0_or_what_sqs_accepts() {
    let template = Template::load();
    for size in ["Small", "Large"] {
        let parameter = &template.document()["Parameters"][format!("{size}Concurrency")];
        let pattern = tests::text(&parameter["AllowedPattern"]);
        let accepted = (0..=1_100).filter(|number| matches(&pattern, &number.to_string()));
        assert!(accepted.eq([0].into_iter().chain(2..=1_000)), "{size}");
        for wrong in ["", "01", "-1", "+2", "2 ", "1e3", "0x2", "two"] {
            assert!(!matches(&pattern, wrong), "{size}: {wrong:?}");
        }
    }
}

/// Returns whether CloudFormation accepts a text: a pattern must match it completely.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let schema = json!({ "pattern": format!("^(?:{pattern})$") });
    jsonschema::is_valid(&schema, &json!(text))
}
