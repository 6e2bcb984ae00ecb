//! The stage as a tag of the resources, and the resources that the operator's own key encrypts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::template::Template;

/// The types of resources that CloudFormation cannot tag.
const WITHOUT_TAGS: [&str; 9] = [
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::CloudWatch::Dashboard",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
];

/// The types whose tags are a map, and not a list.
const WITH_A_MAP: [&str; 3] =
    ["AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::Stage"];

/// Returns the resources by their types.
fn by_kind(template: &Template) -> BTreeMap<&str, Vec<(&String, &Value)>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, resource) in template.document()["Resources"].as_object().expect("resources") {
        kinds.entry(resource["Type"].as_str().expect("a type")).or_default().push((id, resource));
    }
    kinds
}

#[test]
fn every_resource_that_can_have_tags_has_the_stage_as_one() {
    let template = Template::load();
    let (map, list) =
        (json!({ "stage": { "Ref": "Stage" } }), json!([{ "Key": "stage", "Value": { "Ref": "Stage" } }]));
    // Functions have the tags of all functions.
    assert_eq!(template.document()["Globals"]["Function"]["Tags"], map);
    let kinds = by_kind(&template);
    for kind in WITHOUT_TAGS.iter().chain(&WITH_A_MAP) {
        assert!(kinds.contains_key(kind), "the template has no {kind}");
    }
    for (kind, resources) in kinds {
        let expected = match kind {
            "AWS::Serverless::Function" => continue,
            _ if WITHOUT_TAGS.contains(&kind) => &Value::Null,
            _ if WITH_A_MAP.contains(&kind) => &map,
            _ => &list,
        };
        for (id, resource) in resources {
            assert_eq!(&resource["Properties"]["Tags"], expected, "{id}");
        }
    }
}

/// The types of resources that `KmsKeyArn` encrypts, as the pages name them.
const ENCRYPTED: [(&str, &str); 5] = [
    ("AWS::DynamoDB::Table", "tables"),
    ("AWS::S3::Bucket", "buckets"),
    ("AWS::SQS::Queue", "queues"),
    ("AWS::SNS::Topic", "topics"),
    ("AWS::SecretsManager::Secret", "secrets"),
];

#[test]
fn the_pages_name_the_resources_that_the_key_of_the_operator_encrypts() {
    let template = Template::load();
    let key = json!({ "Ref": "KmsKeyArn" }).to_string();
    let mut encrypted = BTreeSet::new();
    for (kind, resources) in by_kind(&template) {
        let properties = resources.iter().map(|(_, resource)| resource["Properties"].to_string());
        let users = properties.filter(|properties| properties.contains(&key)).count();
        // Policies name the key to permit its use.
        if users > 0 && !["AWS::IAM::Role", "AWS::Serverless::Function"].contains(&kind) {
            assert_eq!(users, resources.len(), "some of {kind} have another key");
            encrypted.insert(kind);
        }
    }
    assert_eq!(encrypted, ENCRYPTED.iter().map(|(kind, _)| *kind).collect());
    let [others @ .., last] = ENCRYPTED.map(|(_, name)| name);
    let list = format!("{} and {last}", others.join(", "));
    let description = tests::text(&template.document()["Parameters"]["KmsKeyArn"]["Description"]);
    assert!(description.starts_with(&format!("The ARN of a customer managed key for {list};")));
    let page = crate::docs::page("aws.md");
    assert!(
        page.contains(&format!("`KmsKeyArn` is the key for the {list} that the stack creates")),
        "{list}"
    );
}
