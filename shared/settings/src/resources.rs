//! The resources of a deployment. `template.yaml` sets the variables that name them, for each function those of its
//! ports.

use std::collections::HashMap;

/// The variables and their meanings.
pub const VARIABLES: [(&str, &str); 16] = [
    ("EHI_STAGE", "the deployment's stage, a dimension of its metrics"),
    (
        "EHI_STACK",
        "the name of the deployment's stack, which no other in the account has; a dimension as well",
    ),
    ("EHI_JOBS_TABLE", "the DynamoDB table of jobs and chunks"),
    ("EHI_GRANTS_TABLE", "the DynamoDB table of codes, refresh tokens and sessions"),
    ("EHI_AUDIT_TABLE", "the DynamoDB table of the audit trail"),
    ("EHI_SMALL_QUEUE", "the URL of the SQS queue for exports of one patient"),
    ("EHI_LARGE_QUEUE", "the URL of the SQS queue for exports of many patients"),
    ("EHI_RECORDS", "the store of records: s3://bucket or s3://bucket/prefix"),
    ("EHI_FILES_BUCKET", "the S3 bucket of exported files"),
    ("EHI_SIGNING_SECRET", "the Secrets Manager secret from which the signing keys are derived"),
    (
        "EHI_SETTINGS_SECRET",
        "the Secrets Manager secret with the settings file: clients, staff, accounts, issuers",
    ),
    ("EHI_SIGNING_ROLE", "the role whose credentials sign links to files; the function's own when not set"),
    ("EHI_EVENT_BUS", "the EventBridge bus to which events about exports are published"),
    ("EHI_UPLOAD_PART_BYTES", "bytes of the first parts of a multipart upload; 8 MiB when not set"),
    ("EHI_COMPRESS_FILES", "true: files are stored as gzip"),
    ("EHI_DEAD_LETTERS", "true: the messages are those that failed too often"),
];

/// The values of [`VARIABLES`] that are set and not empty.
#[derive(Debug, Clone, Default)]
pub struct Resources(HashMap<&'static str, String>);

impl Resources {
    /// Reads the process's environment.
    #[expect(clippy::disallowed_methods, reason = "the settings read the environment")]
    pub fn load() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |(name, _): &(&'static str, &str)| variable(name).map(|value| (*name, value));
        Self(VARIABLES.iter().filter_map(set).filter(|(_, value)| !value.is_empty()).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}
