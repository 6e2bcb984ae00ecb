//! The IAM actions and resources that an AWS request needs (Service Authorization Reference).

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::Value;

use super::request::{Call, Service};
use crate::template::Access;

const ACCOUNT: &str = "us-east-1:000000000000";

fn access(action: impl Into<String>, resource: String) -> Access {
    Access { action: action.into(), resource, prefix: None }
}

/// Returns the accesses that a request needs; `None` if the request is for a service that the functions do not use.
pub(super) fn of_request(request: &HttpRequest, body: &[u8]) -> Option<Vec<Access>> {
    if let Some(target) = request.headers().get("x-amz-target") {
        let (service, operation) = target.rsplit_once('.')?;
        let body: Value = serde_json::from_slice(body).ok()?;
        return Some(match service {
            "secretsmanager" => {
                vec![access(format!("secretsmanager:{operation}"), text(&body["SecretId"]))]
            }
            "AWSEvents" => {
                let bus = text(&body["Entries"][0]["EventBusName"]);
                vec![access(
                    format!("events:{operation}"),
                    format!("arn:aws:events:{ACCOUNT}:event-bus/{bus}"),
                )]
            }
            "AmazonSQS" => {
                let queue = text(&body["QueueUrl"]);
                let queue = queue.rsplit('/').next().unwrap_or_default();
                // A batch needs the same action.
                let action = operation.trim_end_matches("Batch");
                vec![access(format!("sqs:{action}"), format!("arn:aws:sqs:{ACCOUNT}:{queue}"))]
            }
            _ => of_dynamodb(operation, &body),
        });
    }
    if request.uri().starts_with("https://sts.") {
        let form = url::form_urlencoded::parse(body);
        let role = form.into_owned().find(|(name, _)| name == "RoleArn").map(|(_, role)| role);
        return Some(vec![access("sts:AssumeRole", role?)]);
    }
    let call = Call::read(request, body)?;
    (call.service == Service::S3).then(|| of_s3(&call))
}

fn of_dynamodb(operation: &str, body: &Value) -> Vec<Access> {
    let on = |operation: &str, table: &str| {
        access(format!("dynamodb:{operation}"), format!("arn:aws:dynamodb:{ACCOUNT}:table/{table}"))
    };
    if let Some(tables) = body["RequestItems"].as_object() {
        return tables.keys().map(|table| on(operation, table)).collect();
    }
    // Each part of a transaction needs the same access as the part alone.
    if let Some(items) = body["TransactItems"].as_array() {
        let parts = items.iter().flat_map(|item| item.as_object().into_iter().flatten());
        return parts
            .map(|(kind, part)| {
                let operation = if kind == "ConditionCheck" {
                    "ConditionCheckItem".to_owned()
                } else {
                    format!("{kind}Item")
                };
                on(&operation, &text(&part["TableName"]))
            })
            .collect();
    }
    let table = text(&body["TableName"]);
    let place = match body["IndexName"].as_str() {
        Some(index) => format!("{table}/index/{index}"),
        None => table,
    };
    vec![on(operation, &place)]
}

fn of_s3(call: &Call) -> Vec<Access> {
    let bucket = bucket_arn(&call.bucket);
    let object = |key: &str| format!("{bucket}/{key}");
    let listing = |action: &str| Access {
        prefix: Some(call.parameter("prefix").unwrap_or_default().to_owned()),
        ..access(action, bucket.clone())
    };
    match call.operation {
        "ListObjectsV2" => vec![listing("s3:ListBucket")],
        "ListMultipartUploads" => vec![listing("s3:ListBucketMultipartUploads")],
        "GetObject" | "HeadObject" => vec![access("s3:GetObject", object(&call.key))],
        "AbortMultipartUpload" => vec![access("s3:AbortMultipartUpload", object(&call.key))],
        "DeleteObject" => vec![access("s3:DeleteObject", object(&call.key))],
        "DeleteObjects" => {
            super::s3::keys_to_delete(call).iter().map(|key| access("s3:DeleteObject", object(key))).collect()
        }
        "UploadPartCopy" => {
            let source = object(&call.copy_source().unwrap_or_default());
            vec![access("s3:GetObject", source), access("s3:PutObject", object(&call.key))]
        }
        // An upload in one request or in parts.
        _ => vec![access("s3:PutObject", object(&call.key))],
    }
}

/// Returns the additional access that S3 requires to report a missing object: without it, S3 reports that access is denied.
pub(super) fn to_know_that_it_is_missing(needed: &[Access]) -> Option<Access> {
    let get = needed.iter().find(|access| access.action == "s3:GetObject")?;
    let (bucket, _) = get.resource.split_once('/')?;
    Some(access("s3:ListBucket", bucket.to_owned()))
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
