//! `template.yaml` against the sources: each function may do what its ports need and no more, and every route of the
//! server reaches the function that has it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use settings::resources::VARIABLES;
use web::routes::Route;

use crate::house::{root, sources};

pub(crate) fn template() -> String {
    std::fs::read_to_string(root().join("template.yaml")).expect("a template")
}

/// The resources of a type: logical id and text.
pub(crate) fn resources(text: &str, kind: &str) -> BTreeMap<String, String> {
    let (_, resources) = text.split_once("\nResources:\n").expect("resources");
    let (resources, _) = resources.split_once("\nOutputs:\n").expect("outputs");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in resources.lines() {
        let id = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        match id.filter(|id| id.chars().all(char::is_alphanumeric)) {
            Some(id) => found.push((id.to_owned(), String::new())),
            None => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    found.retain(|(_, text)| text.trim_start().starts_with(&format!("Type: {kind}\n")));
    found.into_iter().collect()
}

/// The word behind `name: `.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{name}: ")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split(['\n', ' ', '}', ',']).next().unwrap_or_default()
}

/// Each Lambda of the template: its crate, and its text.
pub(crate) fn functions() -> BTreeMap<String, (String, String)> {
    let functions = resources(&template(), "AWS::Serverless::Function");
    functions.into_iter().map(|(id, text)| (id, (value(&text, "Binary").to_owned(), text))).collect()
}

#[test]
fn the_template_has_every_function_and_no_other() {
    let deployed: BTreeSet<_> = functions().into_values().map(|(binary, _)| binary).collect();
    assert_eq!(deployed, crate::house::functions());
}

/// What each method of a port does to AWS. The methods are those of the traits in `shared/domain/src/ports`.
const ACTIONS: &[(&str, &[&str])] = &[
    ("jobs.create", &["dynamodb:PutItem"]),
    ("jobs.get", &["dynamodb:Query", "dynamodb:BatchGetItem"]),
    ("jobs.is_running", &["dynamodb:GetItem"]),
    ("jobs.replace", &["dynamodb:UpdateItem"]),
    ("jobs.remove", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchWriteItem"]),
    ("jobs.list", &["dynamodb:Query", "dynamodb:BatchGetItem"]),
    (
        "jobs.append",
        &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:BatchGetItem"],
    ),
    ("jobs.chunk", &["dynamodb:BatchGetItem"]),
    ("jobs.chunks", &["dynamodb:Query"]),
    ("jobs.results", &["dynamodb:Query"]),
    (
        "jobs.finish_chunk",
        &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:BatchGetItem"],
    ),
    ("queue.send", &["sqs:SendMessage"]),
    ("files.create_in_parts", &["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]),
    ("files.create", &["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]),
    ("files.size", &["s3:GetObject", "s3:ListBucket"]),
    ("files.open", &["s3:GetObject", "s3:ListBucket"]),
    ("files.link", &["sts:AssumeRole"]),
    ("files.upload_form", &["sts:AssumeRole"]),
    ("files.remove", &["s3:DeleteObject"]),
    (
        "files.remove_prefix",
        &["s3:ListBucket", "s3:DeleteObject", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"],
    ),
    ("files.list", &["s3:ListBucket"]),
    ("records.member", &["records s3:ListBucket"]),
    ("records.members", &["records s3:ListBucket"]),
    ("records.entries", &["records s3:ListBucket"]),
    ("records.parts", &["records s3:ListBucket"]),
    ("records.parts_of", &["records s3:ListBucket"]),
    ("records.open_records", &["records s3:GetObject"]),
    ("records.open_document", &["records s3:GetObject"]),
    ("records.area", &["records s3:ListBucket"]),
    ("records.open_area", &["records s3:GetObject"]),
    ("records.supporting", &["records s3:ListBucket", "records s3:GetObject"]),
    ("expiring.put", &["grants dynamodb:PutItem"]),
    ("expiring.get", &["grants dynamodb:GetItem"]),
    ("expiring.replace", &["grants dynamodb:UpdateItem"]),
    ("expiring.take", &["grants dynamodb:UpdateItem"]),
    ("expiring.sweep", &[]),
];

/// What the library does with the ports that a function hands it: a call in the function's source, and the methods.
const HELPERS: &[(&str, &[&str])] = &[
    ("platform.verifier()", &["expiring.get"]),
    ("jobs::all(", &["jobs.list"]),
    ("jobs.peek(", &["jobs.get"]),
    ("start(", &["jobs.create", "queue.send"]),
    (".acquire(", &["jobs.get", "expiring.get", "expiring.put", "expiring.replace"]),
    ("running_page(", &["jobs.chunks"]),
    ("resume(", &["queue.send"]),
    ("change(", &["jobs.get", "jobs.replace"]),
    ("withdraw(", &["jobs.get", "jobs.replace", "files.remove_prefix"]),
    ("cancel(", &["jobs.get", "jobs.replace", "files.remove_prefix"]),
    ("stored_page(", &["files.open"]),
    ("manifest(", &["files.open"]),
    ("download(", &["files.open", "files.link"]),
    ("attachments.find(", &["files.open", "files.size"]),
    ("packs::open(", &["files.open"]),
    ("write_all(", &["files.create"]),
    ("summary(&*", &["records.parts", "records.open_records"]),
    ("begin(STAFF", &["expiring.put"]),
    ("begin(PATIENT", &["expiring.put"]),
    ("current(STAFF", &["expiring.get", "expiring.replace"]),
    ("current(PATIENT", &["expiring.get", "expiring.replace"]),
    ("end(STAFF", &["expiring.take"]),
    ("attempts::verify(", &["expiring.get", "expiring.put", "expiring.replace"]),
];

/// The actions that the ports in a function's sources need.
fn needed(function: &str) -> BTreeSet<String> {
    let text: String = sources(&root().join("functions").join(function).join("src"))
        .into_iter()
        .map(|(_, text)| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned())
        .collect();
    // A call may be broken over lines.
    let text: String = text.split_whitespace().collect();
    let has_port = |port: &str| text.contains(&format!("platform.{port}()"));
    let methods = ACTIONS.iter().map(|(method, _)| *method).filter(|method| {
        let (port, name) = method.split_once('.').expect("a port and a method");
        let called = [format!("{port}.{name}("), format!("{port}().{name}(")];
        has_port(port) && called.iter().any(|call| text.contains(call))
    });
    let helped = HELPERS.iter().filter(|(call, _)| text.contains(&call.replace(' ', "")));
    let helped = helped.flat_map(|(_, methods)| methods.iter().copied());
    let helped = helped.filter(|method| {
        let port = method.split('.').next().unwrap_or_default();
        has_port(port) || (port == "expiring" && has_port("verifier"))
    });
    let methods: BTreeSet<&str> = methods.chain(helped).collect();
    let actions = ACTIONS.iter().filter(|(method, _)| methods.contains(method));
    let mut actions: BTreeSet<String> =
        actions.flat_map(|(_, actions)| actions.iter().map(|action| (*action).to_owned())).collect();
    if text.contains(".put_events()") {
        actions.insert("events:PutEvents".to_owned());
    }
    let main = std::fs::read_to_string(root().join("functions").join(function).join("src/main.rs"));
    if main.expect("a main").contains("serve(") {
        actions.insert("secretsmanager:GetSecretValue".to_owned());
    }
    actions
}

/// The actions that a function's policy allows, with the resource where an action has two.
fn allowed(text: &str) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for statement in text.split("- Sid: ").skip(1) {
        let sid = statement.lines().next().unwrap_or_default();
        let (_, list) = statement.split_once("Action: [").expect("a list of actions");
        let list = list.split(']').next().unwrap_or_default();
        let resource = match sid {
            "Records" | "RecordsBucket" => "records ",
            "Grants" => "grants ",
            // What reading from a queue or a stream needs, and keys of the operator's own.
            "Messages" | "Stream" | "Streams" | "Key" | "RecordsKey" => continue,
            _ => "",
        };
        assert!(!list.contains('*'), "{sid}: {list}");
        assert!(!statement.contains("Resource: \"*\"") && !statement.contains("Resource: '*'"), "{sid}");
        actions.extend(list.split(", ").map(|action| format!("{resource}{action}")));
    }
    actions
}

#[test]
fn every_function_may_do_what_its_ports_need_and_nothing_else() {
    let mut wrong = Vec::new();
    for (id, (binary, text)) in functions() {
        let mut needed = needed(&binary);
        if id == "DeadLettersFunction" {
            // The same program, of which only giving up is called.
            let giving_up = ["jobs.get", "jobs.replace", "files.remove_prefix"];
            let actions = ACTIONS.iter().filter(|(method, _)| giving_up.contains(method));
            needed =
                actions.flat_map(|(_, actions)| actions.iter().map(|action| (*action).to_owned())).collect();
        }
        let allowed = allowed(&text);
        wrong.extend(needed.difference(&allowed).map(|action| format!("{id} lacks {action}")));
        wrong.extend(allowed.difference(&needed).map(|action| format!("{id} has {action} for nothing")));
        let is_worker = text.contains("Sid: Messages");
        assert_eq!(is_worker, binary == "export-generator", "{id}");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_variable_of_the_template_is_one_that_the_functions_read() {
    let text = template();
    let settings: BTreeSet<_> =
        settings::KEYS.iter().map(|key| format!("EHI_{}", key.to_ascii_uppercase())).collect();
    let resources: BTreeSet<_> = VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut set = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, _)) =
            line.trim_start().split_once(':').filter(|(name, _)| name.starts_with("EHI_"))
        {
            assert!(settings.contains(name) || resources.contains(name), "{name}");
            set.insert(name.to_owned());
        }
    }
    assert_eq!(
        resources.difference(&set).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "all are set somewhere"
    );
}

/// Workers and cleanup have no settings file: what they need of it is a variable of all functions, or of theirs.
#[test]
fn what_workers_need_of_the_settings_is_a_variable() {
    let text = template();
    let globals =
        &text[text.find("\nGlobals:").expect("globals")..text.find("\nResources:").expect("resources")];
    for name in ["EHI_RETENTION_SECONDS", "EHI_UNFINISHED_RETENTION_SECONDS", "EHI_OUTAGE_HOURS"] {
        assert!(globals.contains(&format!("{name}: !Ref ")), "{name}");
    }
    for id in ["SmallGeneratorFunction", "LargeGeneratorFunction"] {
        let (_, function) = &functions()[id];
        for name in ["EHI_CHUNK_BYTES", "EHI_WHOLE_RECORD_OF_NEW_MEMBERS"] {
            assert!(function.contains(&format!("{name}: !Ref ")), "{id}: {name}");
        }
    }
}

/// Whether a route of API Gateway matches a path, and how closely: a greedy part comes last, then literal segments count.
fn matches(route: &str, path: &str) -> Option<(bool, usize)> {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    let mut literal = 0;
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some((true, literal)),
            (Some(part), Some(_)) if part.ends_with("+}") => return Some((false, literal)),
            (Some(part), Some(_)) if part.starts_with('{') => {}
            (Some(part), Some(segment)) if part == segment => literal += 1,
            _ => return None,
        }
    }
}

/// Checks that this function of the template is the program that has a route.
pub(crate) fn assert_is(id: &str, expected: &str, requested: &str) {
    let functions = functions();
    let (binary, _) = functions.get(id).unwrap_or_else(|| panic!("{requested} goes to {id:?}"));
    assert_eq!(binary, expected, "{requested} goes to another function");
}

#[test]
fn every_route_reaches_the_function_that_has_it() {
    let text = template();
    let routes: Vec<(String, String)> = resources(&text, "AWS::ApiGatewayV2::Route")
        .into_values()
        .map(|text| {
            let (_, key) = text.split_once("RouteKey: ").expect("a key");
            let key = key.trim_start_matches('"').split(['"', ',']).next().unwrap_or_default().to_owned();
            let (_, target) = text.split_once("integrations/${").expect("a target");
            (key, target.split("Integration").next().unwrap_or_default().to_owned())
        })
        .collect();
    for (expected, Route { method, path, .. }) in ehi::server::routes() {
        let best = routes
            .iter()
            .filter_map(|(key, function)| {
                let (of, pattern) = key.split_once(' ')?;
                let closeness = matches(pattern, &path)?;
                (of == "ANY" || of == method.as_str()).then_some(((closeness, of != "ANY"), function))
            })
            .max();
        let default = routes.iter().find(|(key, _)| key == "$default").map(|(_, function)| function);
        let function = best.map(|(_, function)| function).or(default).expect("a function");
        assert_is(&format!("{function}Function"), expected, &format!("{method} {path}"));
    }
}

/// The mappings of queues: id, queue, function, text.
pub(crate) fn of_queues(text: &str) -> Vec<(String, String, String, String)> {
    let queues = resources(text, "AWS::SQS::Queue");
    let mappings = resources(text, "AWS::Lambda::EventSourceMapping").into_iter().map(|(id, mapping)| {
        let named = |name: &str| {
            let (_, rest) = mapping.split_once(name).expect(name);
            rest.split('.').next().unwrap_or_default().to_owned()
        };
        let (source, function) =
            (named("EventSourceArn: !GetAtt "), named("FunctionName: !If [Shifts, !Ref "));
        (id, source, function, mapping)
    });
    mappings.filter(|(_, source, ..)| queues.contains_key(source)).collect()
}

#[test]
fn queues_hide_messages_for_longer_than_their_workers_take() {
    let text = template();
    let functions = functions();
    let queues = resources(&text, "AWS::SQS::Queue");
    for (id, queue, function, mapping) in of_queues(&text) {
        let seconds = |text: &str, name: &str| value(text, name).parse::<u64>().expect("seconds");
        let (hidden, longest) =
            (seconds(&queues[&queue], "VisibilityTimeout"), seconds(&functions[&function].1, "Timeout"));
        assert!(hidden > longest, "{id}: {hidden} s for {longest} s");
        assert!(mapping.contains("ReportBatchItemFailures"), "{id}");
    }
}

#[test]
fn memory_and_time_have_a_reason_each() {
    for (id, (_, text)) in functions() {
        for name in ["MemorySize", "Timeout"] {
            let lines: Vec<_> = text.lines().collect();
            let at = lines.iter().position(|line| line.trim_start().starts_with(name)).expect(name);
            assert!(lines[at - 1].trim_start().starts_with("# "), "{id}: {name} has no reason");
        }
    }
}

#[test]
fn the_sandbox_is_public_only_where_somebody_says_so() {
    let text = template();
    assert!(text.contains("EHI_SANDBOX_IN_PUBLIC: !Ref SandboxInPublic\n"));
    let (_, parameter) = text.split_once("\n  SandboxInPublic:\n").expect("a parameter");
    let parameter = parameter.split("AllowedValues").next().unwrap_or_default();
    assert!(parameter.contains("Default: \"false\""), "{parameter}");
    let (_, rule) = text.split_once("  PublicSandboxIsMeant:\n").expect("a rule");
    assert!(
        rule.lines().nth(2).is_some_and(|line| line.contains("!Equals [!Ref SandboxInPublic, \"true\"]"))
    );
}

#[test]
fn sign_ins_and_tokens_are_throttled_on_their_own_and_a_domain_is_the_only_address() {
    let text = template();
    let stage = &resources(&text, "AWS::ApiGatewayV2::Stage")["ApiStage"];
    let settings = stage.split("\n      RouteSettings:").nth(1).expect("settings of routes");
    let routes = resources(&text, "AWS::ApiGatewayV2::Route");
    for (_, Route { method, path, .. }) in ehi::server::routes() {
        let costs_a_hash = method == Method::POST && (path.ends_with("login") || path == "/auth/token");
        let key = format!("\"{method} {path}\"");
        assert_eq!(settings.contains(&format!("{key}: {{ ThrottlingRateLimit")), costs_a_hash, "{key}");
        if costs_a_hash {
            let route = routes.iter().find(|(_, text)| text.contains(&format!("RouteKey: {key}")));
            let (id, _) = route.unwrap_or_else(|| panic!("{key} is no route of the template"));
            assert!(
                value(stage, "DependsOn").len() > 1 && stage.contains(id.as_str()),
                "{id} comes after the stage"
            );
        }
    }
    let api = &resources(&text, "AWS::ApiGatewayV2::Api")["Api"];
    assert!(api.contains("DisableExecuteApiEndpoint: !If [HasDomain, true, false]"));
}

/// A key of the operator's own is used by the services that hold the data, in this region, and not by functions
/// themselves.
#[test]
fn keys_are_used_through_the_services_of_each_policy_alone() {
    let text = template();
    let mut holders: BTreeMap<_, _> = functions().into_iter().map(|(id, (_, text))| (id, text)).collect();
    holders.extend(resources(&text, "AWS::IAM::Role"));
    let mut keys = 0;
    for (id, holder) in holders {
        let mut services = BTreeSet::new();
        for action in ["dynamodb", "sqs", "s3", "secretsmanager"] {
            if holder.contains(&format!("[{action}:")) || holder.contains(&format!("Action: {action}:")) {
                services.insert(action);
            }
        }
        let Some((_, key)) = holder.split_once("Sid: Key") else { continue };
        keys += 1;
        let (_, via) = key.split_once("\"kms:ViaService\": [").unwrap_or_else(|| panic!("{id}: any service"));
        let via: BTreeSet<_> = via
            .split(']')
            .next()
            .unwrap_or_default()
            .split("!Sub \"")
            .skip(1)
            .filter_map(|service| service.split(".${AWS::Region}.${AWS::URLSuffix}").next())
            .collect();
        assert_eq!(via, services, "{id}");
    }
    assert_eq!(keys, text.matches("Resource: !Ref KmsKeyArn").count());
}
