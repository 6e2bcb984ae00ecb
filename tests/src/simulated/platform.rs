//! The real AWS platform over the simulated account.

use std::sync::Arc;

use aws::lambda::messages::Consumer;
use aws::{Aws, Caller, sdk_loader};
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use contract::SeededRandom;
use domain::clock::{Clock, Random};
use domain::ports::queue::Worker;
use platform::Platform;
use platform::hidden::VISIBILITY;
use serde_json::Value;
use settings::Settings;
use settings::resources::Resources;

use super::names::{AUDIT_TABLE, FILES_BUCKET, GRANTS_TABLE, JOBS_TABLE, LAKE_BUCKET};
use super::sqs::{DEAD_LETTERS, LARGE_QUEUE, SMALL_QUEUE};
use super::{Client, Simulation};

/// Returns the URL of a queue.
pub fn queue_url(name: &str) -> String {
    format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}")
}

/// Returns the SDK's configuration over a client, with the time-outs and retries of the workers.
pub async fn sdk(client: &Client) -> SdkConfig {
    sdk_over(SharedHttpClient::new(client.clone()), Caller::Worker).await
}

/// Returns the SDK's configuration over another HTTP client, for this kind of caller.
pub async fn sdk_over(http: SharedHttpClient, caller: Caller) -> SdkConfig {
    let key = Credentials::new("key", "secret", None, None, "simulated");
    let loaded = sdk_loader(caller)
        .region(Region::new("us-east-1"))
        .credentials_provider(key)
        .http_client(http)
        .load()
        .await;
    // Endpoints from the environment are dropped: tests of a deployment set them.
    let mut sdk = SdkConfig::builder();
    sdk.set_behavior_version(loaded.behavior_version());
    sdk.set_region(loaded.region().cloned());
    sdk.set_credentials_provider(loaded.credentials_provider());
    sdk.set_http_client(loaded.http_client());
    sdk.set_identity_cache(loaded.identity_cache());
    sdk.set_retry_config(loaded.retry_config().cloned());
    sdk.set_sleep_impl(loaded.sleep_impl());
    sdk.set_time_source(loaded.time_source());
    sdk.set_timeout_config(loaded.timeout_config().cloned());
    sdk.build()
}

/// Returns the resources of the simulated account.
pub fn resources() -> Arc<Resources> {
    Arc::new(Resources::of(|name| {
        Some(match name {
            "EHI_JOBS_TABLE" => JOBS_TABLE.to_owned(),
            "EHI_GRANTS_TABLE" => GRANTS_TABLE.to_owned(),
            "EHI_AUDIT_TABLE" => AUDIT_TABLE.to_owned(),
            "EHI_SMALL_QUEUE" => queue_url(SMALL_QUEUE),
            "EHI_LARGE_QUEUE" => queue_url(LARGE_QUEUE),
            "EHI_FILES_BUCKET" => FILES_BUCKET.to_owned(),
            "EHI_RECORDS" => format!("s3://{LAKE_BUCKET}"),
            _ => return None,
        })
    }))
}

/// Returns the platform of one function; `random` gives it ids that differ from those of the others.
pub async fn platform(client: &Client, settings: &str, random: Arc<dyn Random>) -> Aws {
    over(client, settings, Arc::new(client.simulation().clock()), random).await
}

/// Returns a platform with another clock than the simulation's.
pub async fn with_clock(client: &Client, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Aws {
    over(client, "", clock, random).await
}

async fn over(client: &Client, settings: &str, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Aws {
    let text = format!("base_url = \"{}\"\n{settings}", crate::BASE_URL);
    let settings = Settings::parse(&text, |_| None, None).expect("valid settings");
    Aws::new(sdk(client).await, resources(), settings, None, clock, random)
}

/// Returns the consumer that passes a function's messages to this worker.
pub fn consumer(platform: &Aws, worker: Arc<dyn Worker>) -> Arc<Consumer> {
    Arc::new(Consumer {
        worker,
        visibility: platform.visibility(),
        queues: vec![queue_url(SMALL_QUEUE), queue_url(LARGE_QUEUE)],
        clock: platform.clock(),
        takes_dead_letters: false,
        hidden: VISIBILITY,
    })
}

/// Returns random values that are the same in every run.
pub fn random(seed: u64) -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(seed))
}

/// Returns the URL of the dead-letter queue, for hosts that poll it.
pub fn dead_letters() -> String {
    queue_url(DEAD_LETTERS)
}

impl Simulation {
    /// Returns a job from its row.
    pub fn job(&self, id: &domain::ids::JobId) -> Option<domain::job::Job> {
        let state = self.state();
        let document =
            state.dynamodb.row(JOBS_TABLE, id.as_str(), "job")?.get("document")?.text()?.to_owned();
        serde_json::from_str(&document).ok()
    }

    /// Returns the row of a job, as the stream of its table shows it.
    pub fn job_row(&self, id: &domain::ids::JobId) -> Option<Value> {
        let state = self.state();
        serde_json::to_value(state.dynamodb.row(JOBS_TABLE, id.as_str(), "job")?).ok()
    }
}
