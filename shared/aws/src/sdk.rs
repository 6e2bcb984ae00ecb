//! The configuration of the SDK: endpoints, credentials, and retries by caller.

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::ProvideRegion;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::authorities;
use crate::calls::{self, Caller};

/// Returns the configuration of a program that people start: from the environment, the files of the AWS command line,
/// or the machine, with the time-outs and retries of this server.
pub async fn sdk() -> SdkConfig {
    sdk_loader(Caller::Worker).http_client(http_client(TrustStore::default())).load().await
}

/// Like [`sdk`], but without an HTTP client, for tests with their own.
pub fn sdk_loader(caller: Caller) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(calls::retries(caller))
        .timeout_config(calls::timeouts())
}

/// Returns the configuration of a function. Lambda sets region and credentials in variables, so no other source is
/// searched: the SDK's other sources would be a twentieth of the program and a part of each cold start. A function
/// trusts only [Amazon's authorities](authorities).
#[expect(clippy::disallowed_methods, reason = "the variables of the SDK are not settings of this server")]
pub async fn sdk_of_function(caller: Caller) -> SdkConfig {
    let flag = |name: &str| std::env::var(name).ok().map(|value| value.eq_ignore_ascii_case("true"));
    let credentials = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(credentials)
        .http_client(http_client(authorities::of_function()))
        .retry_config(calls::retries(caller))
        .timeout_config(calls::timeouts());
    config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok());
    config.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT"));
    config.set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    config.build()
}

pub(super) fn http_client(trusted: TrustStore) -> SharedHttpClient {
    let context = TlsContext::builder().with_trust_store(trusted).build().expect("a store of certificates");
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https()
}
