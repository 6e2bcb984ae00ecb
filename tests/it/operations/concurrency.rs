//! Requests cannot use all concurrency of the account, and neither can workers.

use std::collections::BTreeSet;

use serde_json::json;
use tests::template::Template;

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
    // A new account runs ten functions at once; half of them stay for requests.
    assert!(defaults <= 5);
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
fn matches(pattern: &str, text: &str) -> bool {
    let schema = json!({ "pattern": format!("^(?:{pattern})$") });
    jsonschema::is_valid(&schema, &json!(text))
}
