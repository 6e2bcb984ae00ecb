//! Presigned requests: links that download a file directly from the bucket, and forms that upload one directly to it.
//! If the deployment has a role for signing, its credentials are used, which allow nothing else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_lc_rs::hmac;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Config, Credentials, ProvideCredentials};
use aws_sdk_s3::presigning::PresigningConfig;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::{Clock, hex};
use domain::error::{Error, Result};
use domain::ports::files::{Announced, Linked, UploadForm};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::Mutex;

use crate::calls::failed;

/// The maximum lifetime of a link or form.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The maximum difference between the clocks of this server and of S3. A link is valid from this time before now.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Credentials that expire earlier than this are replaced by new ones.
const MIN_CREDENTIALS_LEFT: SignedDuration = SignedDuration::from_mins(10);

/// Signs links and forms.
pub(super) struct Presigner {
    sdk: SdkConfig,
    client: Client,
    role: Option<String>,
    clock: Arc<dyn Clock>,
    credentials: Mutex<Option<Credentials>>,
}

impl Presigner {
    pub(super) fn new(sdk: SdkConfig, client: Client, role: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self { sdk, client, role, clock, credentials: Mutex::default() }
    }

    /// Returns a URL that downloads an object.
    pub(super) async fn download(
        &self,
        bucket: &str,
        key: &str,
        lifetime: SignedDuration,
        file: Linked<'_>,
    ) -> Result<String> {
        let credentials = self.credentials().await?;
        let signing = PresigningConfig::builder()
            .start_time(SystemTime::from(self.now() - SKEW))
            .expires_in(Duration::try_from(self.lifetime(&credentials, lifetime) + SKEW).unwrap_or_default())
            .build()
            .map_err(Error::internal)?;
        let get = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .response_content_disposition(file.disposition())
            .set_response_content_type(file.shown_as.map(str::to_owned))
            .response_cache_control("private, no-store");
        let signed = get
            .customize()
            .config_override(Config::builder().credentials_provider(credentials))
            .presigned(signing)
            .await
            .map_err(failed("presigning GetObject"))?;
        Ok(signed.uri().to_owned())
    }

    /// Returns a form that uploads one object (S3, POST Object; Signature Version 4, POST policy).
    pub(super) async fn upload(&self, bucket: &str, key: &str, upload: Announced<'_>) -> Result<UploadForm> {
        let Announced { content_type, max_bytes, lifetime, redirect } = upload;
        let credentials = self.credentials().await?;
        let now = self.now();
        let expires = now + self.lifetime(&credentials, lifetime);
        let region = self.sdk.region().map_or("us-east-1", |region| region.as_ref());
        let (day, at) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
        let scope = format!("{day}/{region}/s3/aws4_request");
        let mut fields = vec![
            ("key", key.to_owned()),
            ("Content-Type", content_type.to_owned()),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("x-amz-credential", format!("{}/{scope}", credentials.access_key_id())),
            ("x-amz-date", at),
        ];
        fields.extend(redirect.map(|url| ("success_action_redirect", url.to_owned())));
        fields.extend(credentials.session_token().map(|token| ("x-amz-security-token", token.to_owned())));
        let mut conditions = vec![json!({ "bucket": bucket }), json!(["content-length-range", 1, max_bytes])];
        conditions.extend(fields.iter().map(|(name, value)| json!(["eq", format!("${name}"), value])));
        let policy = json!({ "expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "conditions": conditions });
        let policy = STANDARD.encode(policy.to_string());
        let mut key = format!("AWS4{}", credentials.secret_access_key()).into_bytes();
        for part in [day.as_str(), region, "s3", "aws4_request", &policy] {
            key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        fields.extend([("policy", policy), ("x-amz-signature", hex(&key))]);
        let url = match self.sdk.endpoint_url() {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None if region.starts_with("cn-") => format!("https://{bucket}.s3.{region}.amazonaws.com.cn"),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        };
        Ok(UploadForm {
            url,
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Limits a lifetime to [`MAX_LIFETIME`] and to that of the credentials that sign.
    fn lifetime(&self, credentials: &Credentials, lifetime: SignedDuration) -> SignedDuration {
        let left = credentials
            .expiry()
            .and_then(|expiry| Timestamp::try_from(expiry).ok())
            .map_or(MAX_LIFETIME, |expiry| expiry.duration_since(self.now()));
        lifetime.min(MAX_LIFETIME).min(left).max(SignedDuration::from_secs(1))
    }

    async fn credentials(&self) -> Result<Credentials> {
        let mut known = self.credentials.lock().await;
        if let Some(credentials) = &*known {
            let expiry = credentials.expiry().and_then(|expiry| Timestamp::try_from(expiry).ok());
            if expiry.is_some_and(|expiry| expiry.duration_since(self.now()) > MIN_CREDENTIALS_LEFT) {
                return Ok(credentials.clone());
            }
        }
        let credentials = match &self.role {
            Some(role) => self.assume(role).await?,
            None => {
                let own = self.sdk.credentials_provider();
                let own =
                    own.ok_or_else(|| Error::unavailable("there are no credentials to sign links with"))?;
                own.provide_credentials().await.map_err(Error::unavailable)?
            }
        };
        *known = Some(credentials.clone());
        Ok(credentials)
    }

    /// Returns credentials of the signing role.
    async fn assume(&self, role: &str) -> Result<Credentials> {
        let sts = aws_sdk_sts::Client::new(&self.sdk);
        let call = sts.assume_role().role_arn(role).role_session_name("ehi-links").duration_seconds(3_600);
        let assumed = call.send().await.map_err(failed("AssumeRole"))?;
        let given = assumed.credentials.ok_or_else(|| Error::unavailable("AssumeRole: no credentials"))?;
        let expiry = SystemTime::try_from(given.expiration).map_err(Error::internal)?;
        let (id, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        Ok(Credentials::new(id, secret, Some(token), Some(expiry), "AssumeRole"))
    }
}
