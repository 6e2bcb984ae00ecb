//! The platform on AWS: DynamoDB stores jobs, expiring entries and the audit trail; SQS the tasks; S3 records and
//! files; and Secrets Manager keys and settings. This crate knows nothing of SQLite.
//!
//! A client is created at the cold start, when the function's router or worker requests the port. So a function has
//! only the clients that its policy allows it to use. Functions take [`Aws`] as a type parameter: a `dyn Platform` would
//! refer to every port, and each program would then contain the clients of all services.

mod audit;
mod authorities;
mod blocks;
mod calls;
mod chunks;
mod expiring;
mod files;
mod guess;
mod items;
mod job_rows;
mod jobs;
mod jobs_table;
mod join;
mod lake;
pub mod lambda;
mod listing;
mod objects;
mod presign;
mod queue;
mod ranges;
mod records;
mod sdk;
mod secrets;
mod shared_objects;
mod table;
mod upload;

use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use domain::clock::{Clock, Random};
use domain::error::{Error, Result, Store};
use domain::ports::audit::AuditLog;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{Files, Joiner};
use domain::ports::jobs::Jobs;
use domain::ports::queue::Queue;
use domain::ports::records::Records;
use domain::request::SizeClass;
use jiff::SignedDuration;
use platform::{Context, Platform};
use security::keys::Keys;
use security::verify::{VerifiedTokens, Verifier};
use settings::resources::Resources;
use settings::{Settings, is_loopback};

use self::audit::AwsAuditLog;
pub use self::calls::{Caller, RETRY_TOKENS};
use self::expiring::AwsExpiringStore;
use self::files::AwsFiles;
use self::jobs_table::AwsJobs;
use self::join::AwsJoiner;
use self::objects::Bucket;
use self::presign::Presigner;
use self::queue::AwsQueue;
pub use self::queue::{SqsInbox, Visibility};
use self::records::AwsRecords;
pub use self::sdk::{sdk, sdk_loader, sdk_of_function};
use self::secrets::Stored;
use self::table::Table;

/// The size of the first parts of a multipart upload in bytes.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The ports on AWS.
pub struct Aws {
    sdk: SdkConfig,
    resources: Arc<Resources>,
    context: Context,
    keys: Option<Arc<Keys>>,
    clients: Clients,
}

/// The clients of the services. Each is created when the first port uses it, and all ports share it.
#[derive(Default)]
struct Clients {
    sqs: OnceLock<aws_sdk_sqs::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
}

impl Aws {
    /// Creates a platform from settings and keys that were read before.
    pub fn new(
        sdk: SdkConfig,
        resources: Arc<Resources>,
        settings: Settings,
        keys: Option<Keys>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let context = Context { settings: Arc::new(settings), clock, random };
        Self { sdk, resources, context, keys: keys.map(Arc::new), clients: Clients::default() }
    }

    /// Connects a function that serves requests: reads settings, and keys if the function has their secret, from Secrets Manager.
    /// Returns the platform and the version of these secrets, or `None` if they still have the version `known`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a variable is not set or the settings are wrong, and the error of a call to Secrets Manager.
    pub async fn connect(
        sdk: SdkConfig,
        resources: Arc<Resources>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        known: Option<&str>,
    ) -> Result<Option<(Self, String)>> {
        let signing = resources.get("EHI_SIGNING_SECRET");
        let settings = need(&resources, "EHI_SETTINGS_SECRET")?;
        let client = aws_sdk_secretsmanager::Client::new(&sdk);
        let stored = Box::pin(Stored::read(&client, signing, settings)).await?;
        let now = clock.now();
        let version = stored.version(now);
        if known == Some(&version) {
            return Ok(None);
        }
        let settings = stored.settings()?;
        let keys = stored.keys(now)?.map(|keys| keys.with_rsa(settings.rsa_keys())).transpose()?;
        Ok(Some((Self::new(sdk, resources, settings, keys, clock, random), version)))
    }

    /// Connects a worker. It signs and verifies nothing, so it needs no secrets, and all its settings are variables.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a setting is wrong.
    pub fn without_secrets(
        sdk: SdkConfig,
        resources: Arc<Resources>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let settings = Settings::of_text("").map_err(|wrong| Error::invalid(wrong.0.join("; ")))?;
        Ok(Self::new(sdk, resources, settings, None, clock, random))
    }

    /// Returns the receiving end of one queue, for hosts that poll.
    pub fn inbox(&self, size: SizeClass, dead_letters: &str) -> Result<SqsInbox> {
        let name = match size {
            SizeClass::Small => "EHI_SMALL_QUEUE",
            SizeClass::Large => "EHI_LARGE_QUEUE",
        };
        Ok(SqsInbox::new(self.sqs(), self.need(name)?, dead_letters.to_owned()))
    }

    /// Returns the port that changes when messages of the queues are delivered again.
    pub fn visibility(&self) -> Visibility {
        Visibility::new(self.sqs())
    }

    /// Returns the value of a variable.
    fn need(&self, name: &'static str) -> Result<String> {
        need(&self.resources, name).map(str::to_owned)
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        let create = || {
            let config = aws_sdk_sqs::config::Builder::from(&self.sdk);
            aws_sdk_sqs::Client::from_conf(config.retry_partition(calls::retry_tokens("sqs")).build())
        };
        self.clients.sqs.get_or_init(create).clone()
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let create = || {
            let config = aws_sdk_dynamodb::config::Builder::from(&self.sdk);
            aws_sdk_dynamodb::Client::from_conf(
                config.retry_partition(calls::retry_tokens("dynamodb")).build(),
            )
        };
        self.clients.dynamodb.get_or_init(create).clone()
    }

    /// Returns the bucket of the exported files.
    fn files_bucket(&self) -> Result<Bucket> {
        let (name, prefix) = (self.need("EHI_FILES_BUCKET")?, String::new());
        Ok(Bucket { client: self.s3(), name, prefix, store: Store::Files })
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        self.clients.s3.get_or_init(|| s3(&self.sdk)).clone()
    }
}

/// Returns the value of a variable. If it is not set, the error names it.
fn need<'r>(resources: &'r Resources, name: &'static str) -> Result<&'r str> {
    resources.get(name).ok_or_else(|| Error::invalid(format!("{name}: the variable is not set")))
}

/// Creates a client that uses paths for buckets, because a local emulator has no host name for each bucket.
fn s3(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    let is_local = sdk.endpoint_url().and_then(|url| url.parse().ok()).is_some_and(|url| is_loopback(&url));
    let config = aws_sdk_s3::config::Builder::from(sdk)
        .force_path_style(is_local)
        .retry_partition(calls::retry_tokens("s3"));
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Splits `s3://bucket/prefix` into the bucket and the prefix, which ends in `/` or is empty.
fn location(url: &str) -> Option<(String, String)> {
    let (bucket, prefix) =
        url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), prefix))
}

/// Returns a bucket, or a prefix of one, as a store of files, into which `ehi load` writes a lake.
///
/// # Errors
///
/// [`Error::Invalid`] if `url` is not `s3://bucket` or `s3://bucket/prefix`.
pub fn files_at(sdk: &SdkConfig, url: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Files>> {
    let (name, prefix) = location(url).ok_or_else(|| no_location(url))?;
    let client = s3(sdk);
    let presigner = Presigner::new(sdk.clone(), client.clone(), None, clock);
    Ok(Arc::new(AwsFiles::new(
        Bucket { client, name, prefix, store: Store::Files },
        presigner,
        false,
        PART_BYTES,
    )))
}

/// Returns the records of a lake in a bucket, for tools that read it.
///
/// # Errors
///
/// [`Error::Invalid`] if `url` is not `s3://bucket` or `s3://bucket/prefix`.
pub fn records_at(sdk: &SdkConfig, url: &str) -> Result<Arc<dyn Records>> {
    let (name, prefix) = location(url).ok_or_else(|| no_location(url))?;
    Ok(Arc::new(AwsRecords::new(Bucket { client: s3(sdk), name, prefix, store: Store::Records })))
}

fn no_location(url: &str) -> Error {
    Error::invalid(format!("'{url}' is not s3://bucket or s3://bucket/prefix"))
}

/// Returns the audit trail in a table, for `ehi audit`, which only reads.
pub fn audit_at(
    sdk: &SdkConfig,
    table: &str,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Arc<dyn AuditLog> {
    let client = aws_sdk_dynamodb::Client::new(sdk);
    Arc::new(AwsAuditLog { client, table: table.to_owned(), kept: SignedDuration::ZERO, clock, random })
}

impl Platform for Aws {
    fn context(&self) -> &Context {
        &self.context
    }

    fn jobs(&self) -> Result<Arc<dyn Jobs>> {
        Ok(Arc::new(AwsJobs {
            table: Table {
                client: self.dynamodb(),
                name: self.need("EHI_JOBS_TABLE")?,
                random: self.random(),
            },
            retention: self.context.settings.retention,
            clock: self.clock(),
        }))
    }

    fn queue(&self) -> Result<Arc<dyn Queue>> {
        let (small, large) = (self.need("EHI_SMALL_QUEUE")?, self.need("EHI_LARGE_QUEUE")?);
        Ok(Arc::new(AwsQueue { client: self.sqs(), small, large }))
    }

    fn files(&self) -> Result<Arc<dyn Files>> {
        let client = self.s3();
        let role = self.resources.get("EHI_SIGNING_ROLE").map(str::to_owned);
        let presigner = Presigner::new(self.sdk.clone(), client, role, self.clock());
        let bucket = self.files_bucket()?;
        let part_bytes = self.resources.get("EHI_UPLOAD_PART_BYTES").and_then(|bytes| bytes.parse().ok());
        let compress = self.resources.flag("EHI_COMPRESS_FILES");
        Ok(Arc::new(AwsFiles::new(bucket, presigner, compress, part_bytes.unwrap_or(PART_BYTES))))
    }

    fn joiner(&self) -> Result<Arc<dyn Joiner>> {
        Ok(Arc::new(AwsJoiner { bucket: self.files_bucket()? }))
    }

    fn records(&self) -> Result<Arc<dyn Records>> {
        let lake = self.need("EHI_RECORDS")?;
        let (name, prefix) = location(&lake).ok_or_else(|| {
            Error::invalid(format!("EHI_RECORDS: '{lake}' is not s3://bucket or s3://bucket/prefix"))
        })?;
        let bucket = Bucket { client: self.s3(), name, prefix, store: Store::Records };
        Ok(Arc::new(AwsRecords::new(bucket)))
    }

    fn expiring(&self) -> Result<Arc<dyn ExpiringStore>> {
        Ok(Arc::new(AwsExpiringStore {
            client: self.dynamodb(),
            table: self.need("EHI_GRANTS_TABLE")?,
            clock: self.clock(),
            random: self.random(),
        }))
    }

    fn audit(&self) -> Result<Arc<dyn AuditLog>> {
        Ok(Arc::new(AwsAuditLog {
            client: self.dynamodb(),
            table: self.need("EHI_AUDIT_TABLE")?,
            kept: self.context.settings.audit_retention,
            clock: self.clock(),
            random: self.random(),
        }))
    }

    fn keys(&self) -> Result<Arc<Keys>> {
        self.keys.clone().ok_or_else(|| {
            Error::invalid("EHI_SIGNING_SECRET: the variable is not set, so there are no keys")
        })
    }

    fn verifier(&self) -> Result<Arc<Verifier>> {
        let (keys, expiring) = (self.keys()?, self.expiring()?);
        Ok(Arc::new(Verifier::new(self.settings(), keys, self.clock(), expiring, self.verified_tokens())))
    }

    fn verified_tokens(&self) -> Arc<VerifiedTokens> {
        // Any function may revoke a token, and the others would not notice.
        Arc::new(VerifiedTokens::none())
    }
}
