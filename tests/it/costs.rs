//! Compares the costs of one export in `infra/docs/cost.md` with the calls of functions when they start, and with their sum. The calls of
//! the engine are counted over the emulator, in `aws`.

use std::sync::Arc;

use aws::{Aws, Caller};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::clock::Clock;
use serde_json::{Value, json};
use settings::resources::Resources;
use tests::faulty_client::{FaultyClient, Plan};
use tests::simulated::platform::{random, sdk_over};
use tests::simulated::{Simulation, run};

/// A Secrets Manager with two secrets that were never rotated.
#[derive(Debug)]
struct Secrets;

impl HttpConnector for Secrets {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request_body: Value =
            serde_json::from_slice(request.body().bytes().expect("a body")).expect("JSON");
        let secret = request_body["SecretId"].as_str().expect("a secret").to_owned();
        let (status, response) = match request_body["VersionStage"].as_str() {
            Some("AWSCURRENT") => {
                let text = if secret == "signing" { "a".repeat(40) } else { tests::settings("") };
                let response =
                    json!({ "Name": secret, "VersionId": "one", "SecretString": text, "CreatedDate": 0 });
                (200, response)
            }
            _ => (400, json!({ "__type": "ResourceNotFoundException", "Message": "no such version" })),
        };
        let body = SdkBody::from(response.to_string());
        let status = StatusCode::try_from(status).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body)))
    }
}

/// Returns the number of calls to Secrets Manager when a function that serves requests starts. `signs`: whether it has the
/// secret from which the keys are derived.
fn calls_of_a_start(signs: bool) -> u32 {
    run(async {
        let clock: Arc<dyn Clock> = Arc::new(Simulation::new().clock());
        let client = FaultyClient::over(http_client_fn(|_, _| SharedHttpConnector::new(Secrets)));
        let sdk = sdk_over(SharedHttpClient::from(&client), Caller::Request).await;
        let resources = Arc::new(Resources::of(|name| match name {
            "EHI_SIGNING_SECRET" => signs.then(|| "signing".to_owned()),
            "EHI_SETTINGS_SECRET" => Some("settings".to_owned()),
            _ => None,
        }));
        client.follow(Plan::Nothing);
        let connected = Aws::connect(sdk, resources, clock, random(1), None).await.expect("connected");
        assert!(connected.is_some(), "it has its secrets");
        let calls = client.operations();
        assert_eq!(calls.keys().collect::<Vec<_>>(), ["GetSecretValue"]);
        u32::try_from(calls["GetSecretValue"]).expect("few")
    })
}

fn page() -> String {
    std::fs::read_to_string(crate::house::root().join("infra/docs/cost.md")).expect("a page")
}

#[test]
fn cold_functions_read_their_secrets_as_often_as_the_cost_page_says() {
    let template = tests::template::Template::load();
    let serving = template.serving();
    let signs = |function: &Value| function["Environment"]["Variables"].get("EHI_SIGNING_SECRET").is_some();
    let words = ["five", "six", "seven", "eight"];
    let word = |number: usize| words[number - 5];
    let with_keys = serving.values().filter(|function| signs(function)).count();
    let calls: u32 = serving.values().map(|function| calls_of_a_start(signs(function))).sum();
    let price = 0.05 / 10_000.0;
    let page = page();
    // Warm functions read their secrets again every five minutes; a month has 730 hours.
    let always = f64::from(calls) * 12.0 * 730.0 * price;
    for sentence in [
        format!(
            "| Secrets Manager | {calls} calls, if all {} functions that serve requests start cold; ",
            word(serving.len())
        ),
        format!("| ${:.6} |", f64::from(calls) * price),
        format!(
            "three calls by each of {} functions, one by `my`, which has no keys | nothing without requests; ${always:.2} with",
            word(with_keys)
        ),
    ] {
        assert!(page.contains(&sentence), "infra/docs/cost.md does not say '{sentence}'");
    }
    assert_eq!((calls_of_a_start(true), calls_of_a_start(false)), (3, 1), "the page says 'three' and 'one'");
    assert_eq!(with_keys + 1, serving.len(), "the page names 'my' alone");
}

/// This test fails if a figure is changed without the sum.
#[test]
fn the_cost_of_one_export_is_the_sum_of_its_parts() {
    let page = page();
    let (_, table) = page.split_once("## One patient's export").expect("a section");
    let (table, _) = table.split_once("\n## ").expect("another section");
    let dollars = |cell: &str| cell.trim().trim_matches('*').strip_prefix('$')?.parse::<f64>().ok();
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let costs = rows.filter_map(|line| dollars(line.trim_end_matches('|').rsplit('|').next()?));
    let costs: Vec<f64> = costs.collect();
    let (together, parts) = costs.split_last().expect("rows");
    assert!(parts.len() > 10, "{parts:?}");
    let sum: f64 = parts.iter().sum();
    assert_eq!(format!("{together:.4}"), format!("{sum:.4}"), "{sum}");
    // The other pages must name the same total.
    let aws = std::fs::read_to_string(crate::house::root().join("infra/docs/aws.md")).expect("a page");
    assert!(aws.contains(&format!("one patient's export, ${together:.4}")));
}

/// Returns a cost with and without the free tiers, from a cell such as `$0.78 (the first million requests are free: $0.38)`.
fn with_and_without_free_tiers(cell: &str) -> (f64, f64) {
    let dollars = |text: &str| -> f64 {
        let number = text.trim().trim_start_matches('$');
        let end = number.find(|sign: char| sign != '.' && !sign.is_ascii_digit()).unwrap_or(number.len());
        number[..end].parse().unwrap_or_default()
    };
    let full = dollars(cell);
    let free = cell.split_once("free: ").map_or(full, |(_, rest)| dollars(rest));
    (free, full)
}

#[test]
fn the_pages_name_the_cost_of_a_deployment_without_requests() {
    let page = page();
    let (_, table) = page.split_once("## Without requests").expect("a section");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let (together, parts) = rows.split_last().expect("rows");
    let cells = parts.iter().filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let (free, full) = cells
        .map(with_and_without_free_tiers)
        .reduce(|one, other| (one.0 + other.0, one.1 + other.1))
        .expect("parts");
    assert!(free > 1.0 && full > free, "{free} and {full}");
    assert!(
        together.contains(&format!("about ${free:.0} within the free tiers, ${full:.0} without")),
        "{free} and {full}: {together}"
    );
    let read = |name: &str| std::fs::read_to_string(crate::house::root().join(name)).expect("a page");
    assert!(read("infra/docs/aws.md").contains(&format!("about ${free:.0} a month within the free tiers")));
    assert!(read("README.md").contains(&format!("on AWS costs about ${free:.0} a month")));
}
