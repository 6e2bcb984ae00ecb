//! Compares `template.yaml` with the sources: each function has exactly the permissions that it needs, every route of the server
//! reaches the function that declares it, and the [`changes`] that cause events and mails reach theirs.

pub(crate) mod changes;
mod hardened;
mod policies;
mod stories;
mod uploads;

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use settings::resources::VARIABLES;
use tests::template::Template;
use web::routes::Route;

use crate::house::root;

#[test]
fn the_template_has_every_function_and_no_other() {
    let template = Template::load();
    let deployed: BTreeSet<_> =
        template.functions().into_values().map(|(binary, _)| binary.to_owned()).collect();
    assert_eq!(deployed, crate::house::functions());
}

/// Returns the variables of a function, or of all functions.
fn variables(function: &Value) -> impl Iterator<Item = (&String, &Value)> {
    function["Environment"]["Variables"].as_object().into_iter().flatten()
}

#[test]
fn every_variable_of_the_template_is_one_that_the_functions_read() {
    let template = Template::load();
    let settings: BTreeSet<_> =
        settings::KEYS.iter().map(|key| format!("EHI_{}", key.to_ascii_uppercase())).collect();
    let resources: BTreeSet<_> = VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let of_functions = template.functions().into_values().map(|(_, function)| &function["Properties"]);
    let all = of_functions.chain([&template.document()["Globals"]["Function"]]).flat_map(variables);
    let set: BTreeSet<_> =
        all.map(|(name, _)| name.clone()).filter(|name| name.starts_with("EHI_")).collect();
    for name in &set {
        assert!(settings.contains(name) || resources.contains(name), "{name}");
    }
    let never: Vec<_> = resources.difference(&set).collect();
    assert!(never.is_empty(), "no function gets {never:?}");
}

/// Workers and cleanup have no settings file: the settings that they need are variables of all functions, or of their own.
#[test]
fn the_settings_that_workers_need_are_variables() {
    let template = Template::load();
    let is_parameter =
        |function: &Value, name: &str| function["Environment"]["Variables"][name]["Ref"].is_string();
    for name in [
        "EHI_RETENTION_SECONDS",
        "EHI_UNFINISHED_RETENTION_SECONDS",
        "EHI_AUDIT_RETENTION_YEARS",
        "EHI_OUTAGE_HOURS",
    ] {
        assert!(is_parameter(&template.document()["Globals"]["Function"], name), "{name}");
    }
    for id in ["SmallGeneratorFunction", "LargeGeneratorFunction"] {
        let (_, function) = template.functions()[id];
        for name in ["EHI_CHUNK_BYTES", "EHI_WHOLE_RECORD_OF_NEW_MEMBERS", "EHI_RECORDS_DELAY_MINUTES"] {
            assert!(is_parameter(&function["Properties"], name), "{id}: {name}");
        }
    }
}

/// Only the plan of a small export decides whether its record is large.
#[test]
fn the_workers_of_small_exports_know_which_records_are_large() {
    let template = Template::load();
    for (id, (_, function)) in template.functions() {
        let variable = &function["Properties"]["Environment"]["Variables"]["EHI_LARGE_RECORD_BYTES"];
        assert_eq!(variable.is_object(), id == "SmallGeneratorFunction", "{id}");
    }
    let default = &template.document()["Parameters"]["LargeRecordBytes"]["Default"];
    let settings = settings::Settings::parse("", |_| None, Some("http://localhost:8888")).expect("settings");
    assert_eq!(default, settings.large_record_bytes);
}

/// Checks that this function of the template is the program that has a route.
pub(crate) fn assert_is(template: &Template, id: &str, expected: &str, requested: &str) {
    let functions = template.functions();
    let (binary, _) = functions.get(id).unwrap_or_else(|| panic!("{requested} goes to {id:?}"));
    assert_eq!(*binary, expected, "{requested} goes to another function");
}

#[test]
fn every_route_reaches_the_function_that_has_it() {
    let template = Template::load();
    let routes = template.routes();
    for (expected, Route { method, path, .. }) in ehi::server::routes() {
        let function = routes.function(method.as_str(), &path);
        assert_is(&template, function, expected, &format!("{method} {path}"));
    }
}

/// The mapping of a queue to a function.
pub(crate) struct QueueMapping<'t> {
    pub(crate) id: &'t str,
    pub(crate) queue: &'t str,
    pub(crate) function: &'t str,
    pub(crate) properties: &'t Value,
}

pub(crate) fn queue_mappings(template: &Template) -> Vec<QueueMapping<'_>> {
    let queues = template.resources("AWS::SQS::Queue");
    let mappings = template.resources("AWS::Lambda::EventSourceMapping").into_iter();
    let mappings = mappings.map(|(id, mapping)| {
        let properties = &mapping["Properties"];
        let source = properties["EventSourceArn"]["Fn::GetAtt"].as_str().expect("a source");
        QueueMapping {
            id,
            queue: source.split('.').next().unwrap_or_default(),
            function: called(&properties["FunctionName"]),
            properties,
        }
    });
    mappings.filter(|mapping| queues.contains_key(mapping.queue)).collect()
}

/// Returns the function that a caller uses without a traffic shift. With a shift the caller uses this function's alias.
pub(crate) fn called(caller: &Value) -> &str {
    let [condition, shifting, function] = caller["Fn::If"].as_array().map(Vec::as_slice).unwrap_or_default()
    else {
        panic!("it calls one version: {caller}")
    };
    let id = function["Ref"].as_str().or_else(|| function["Fn::GetAtt"].as_str()?.strip_suffix(".Arn"));
    let id = id.unwrap_or_else(|| panic!("no function: {caller}"));
    assert_eq!((condition, shifting), (&json!("Shifts"), &json!({ "Ref": format!("{id}.Alias") })));
    id
}

#[test]
fn queues_hide_messages_for_longer_than_their_workers_take() {
    let template = Template::load();
    let (functions, queues) = (template.functions(), template.resources("AWS::SQS::Queue"));
    for QueueMapping { id, queue, function, properties } in queue_mappings(&template) {
        let seconds = |resource: &Value, name: &str| resource["Properties"][name].as_u64().expect("seconds");
        let hidden = seconds(queues[queue], "VisibilityTimeout");
        let longest = seconds(functions[function].1, "Timeout");
        assert!(hidden > longest, "{id}: {hidden} s for {longest} s");
        assert_eq!(properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{id}");
    }
}

/// YAML readers skip comments, so the template is read as text.
#[test]
fn each_memory_size_and_timeout_has_a_reason() {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("a template");
    for id in Template::load().functions().into_keys() {
        let (_, function) = text.split_once(&format!("\n  {id}:\n")).expect("a function");
        let lines: Vec<_> = function.lines().collect();
        for name in ["MemorySize", "Timeout"] {
            let at = lines.iter().position(|line| line.trim_start().starts_with(name)).expect(name);
            assert!(lines[at - 1].trim_start().starts_with("# "), "{id}: {name} has no reason");
        }
    }
}

#[test]
fn the_sandbox_is_public_only_if_a_parameter_says_so() {
    let template = Template::load();
    let document = template.document();
    let variable = &document["Globals"]["Function"]["Environment"]["Variables"]["EHI_SANDBOX_IN_PUBLIC"];
    assert_eq!(variable, &json!({ "Ref": "SandboxInPublic" }));
    assert_eq!(document["Parameters"]["SandboxInPublic"]["Default"], "false");
    let rule = &document["Rules"]["PublicSandboxIsMeant"];
    let meant = json!({ "Fn::Equals": [{ "Ref": "SandboxInPublic" }, "true"] });
    assert_eq!(rule["Assertions"][0]["Assert"], meant);
    let sandbox = json!({ "Fn::Equals": [{ "Ref": "Sandbox" }, "true"] });
    assert!(rule["RuleCondition"]["Fn::And"].as_array().expect("conditions").contains(&sandbox));
}

#[test]
fn sign_ins_and_tokens_have_their_own_throttles_and_a_custom_domain_is_the_only_endpoint() {
    let template = Template::load();
    let stage = template.resources("AWS::ApiGatewayV2::Stage")["ApiStage"];
    let throttles = stage["Properties"]["RouteSettings"].as_object().expect("settings of routes");
    let routes = template.resources("AWS::ApiGatewayV2::Route");
    for (_, Route { method, path, .. }) in ehi::server::routes() {
        let authenticates = ["/auth/token", "/auth/introspect", "/auth/revoke"];
        let costs_a_hash =
            method == Method::POST && (path.ends_with("login") || authenticates.contains(&path.as_str()));
        let key = format!("{method} {path}");
        let throttle = throttles.get(&key).map(|throttle| &throttle["ThrottlingRateLimit"]["Ref"]);
        assert_eq!(throttle.is_some_and(Value::is_string), costs_a_hash, "{key}");
        if costs_a_hash {
            let route = routes.iter().find(|(_, route)| route["Properties"]["RouteKey"] == key);
            let (id, _) = route.unwrap_or_else(|| panic!("{key} is no route of the template"));
            assert!(stage["DependsOn"].as_array().expect("names").contains(&json!(id)), "{id} is later");
        }
    }
    let api = template.resources("AWS::ApiGatewayV2::Api")["Api"];
    let disabled = json!({ "Fn::If": ["HasDomain", true, false] });
    assert_eq!(api["Properties"]["DisableExecuteApiEndpoint"], disabled);
}

/// Returns the statements of the policies of functions and roles, conditional ones included, by their holders.
fn statements(template: &Template) -> Vec<(&str, Vec<&Value>)> {
    let functions = template.functions().into_iter().map(|(id, (_, function))| {
        (id, function["Properties"]["Policies"][0]["Statement"].as_array().expect("statements"))
    });
    let roles = template.resources("AWS::IAM::Role").into_iter().map(|(id, role)| {
        let policy = &role["Properties"]["Policies"][0]["PolicyDocument"];
        (id, policy["Statement"].as_array().expect("statements"))
    });
    functions.chain(roles).map(|(id, all)| (id, all.iter().map(policies::statement).collect())).collect()
}

/// The operator's own key may be used only by the services that hold the data, in this region, and not by the functions
/// directly.
#[test]
fn keys_are_used_only_through_the_services_of_each_policy() {
    let template = Template::load();
    let mut keys = 0;
    for (id, statements) in statements(&template) {
        let Some(key) = statements.iter().find(|statement| statement["Sid"] == "Key") else { continue };
        keys += 1;
        assert_eq!(key["Resource"], json!({ "Ref": "KmsKeyArn" }), "{id}");
        let actions = statements.iter().flat_map(|statement| match &statement["Action"] {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        });
        let services: BTreeSet<_> = actions
            .filter_map(|action| action.as_str()?.split(':').next())
            .filter(|service| ["dynamodb", "sqs", "s3", "secretsmanager"].contains(service))
            .collect();
        assert_eq!(services_of(key), services, "{id}");
    }
    let text = template.document().to_string();
    assert_eq!(keys, text.matches("\"Resource\":{\"Ref\":\"KmsKeyArn\"}").count());
}

/// Returns the services through which a key may be used.
fn services_of(key: &Value) -> BTreeSet<&str> {
    let via = key["Condition"]["StringEquals"]["kms:ViaService"].as_array().expect("services");
    via.iter()
        .map(|via| {
            let pattern = via["Fn::Sub"].as_str().expect("a service");
            pattern.strip_suffix(".${AWS::Region}.${AWS::URLSuffix}").expect("in this region")
        })
        .collect()
}

/// The key of an existing bucket: only the functions that read records may use it, and only to decrypt.
#[test]
fn functions_that_read_records_may_decrypt_them_with_the_key_of_their_bucket() {
    let template = Template::load();
    for (id, statements) in statements(&template) {
        let of = |sid: &str| statements.iter().find(|statement| statement["Sid"] == sid);
        let (records, key) = (of("Records"), of("RecordsKey"));
        assert_eq!(records.is_some(), key.is_some(), "{id}");
        let Some(key) = key else { continue };
        assert_eq!(key["Action"], json!(["kms:Decrypt"]), "{id}");
        assert_eq!(key["Resource"], json!({ "Ref": "RecordsKmsKeyArn" }), "{id}");
        assert_eq!(services_of(key), BTreeSet::from(["s3"]), "{id}");
    }
}
