//! What Secrets Manager keeps: the text that the signing keys are derived from, and the settings file.
//!
//! A rotation puts a new version of the signing secret; the old one becomes AWSPREVIOUS. Both stand in the JWK set
//! at once. The new one signs when every process has read it, so that no token is ever unknown to anybody.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use jiff::{SignedDuration, Timestamp};

use super::calls::failed;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::security::keys::{Keys, StoredKeys};

/// How long a process uses what it read.
pub(super) const CACHED: SignedDuration = SignedDuration::from_mins(5);
/// A key signs when it is so old: by then every process has it.
const SIGNS_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The secrets as they were read.
pub(super) struct Secrets {
    pub(super) keys: Keys,
    pub(super) settings: Settings,
    pub(super) read_at: Timestamp,
}

impl Secrets {
    /// Reads both. [`Error::Invalid`] names what is wrong in them.
    pub(super) async fn read(client: &Client, signing: &str, settings: &str, now: Timestamp) -> Result<Self> {
        let current = async { value(client, signing, "AWSCURRENT").await };
        let text = async { value(client, settings, "AWSCURRENT").await };
        let previous = async { value(client, signing, "AWSPREVIOUS").await };
        let (current, previous, text) = tokio::try_join!(current, previous, text)?;
        let current = current.ok_or_else(|| Error::invalid("EHI_SIGNING_SECRET: the secret has no value"))?;
        let text = text.ok_or_else(|| Error::invalid("EHI_SETTINGS_SECRET: the secret has no value"))?;
        let settings = Settings::of_text(text.secret_string().unwrap_or_default())
            .map_err(|wrong| Error::invalid(wrong.0.join("; ")))?;
        let keys = keys(&current, previous.as_ref(), now)?.with_rsa(&settings.rsa_keys)?;
        Ok(Self { keys, settings, read_at: now })
    }
}

/// One version of a secret; `None` when it has none of that stage.
async fn value(client: &Client, secret: &str, stage: &str) -> Result<Option<GetSecretValueOutput>> {
    match client.get_secret_value().secret_id(secret).version_stage(stage).send().await {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.as_service_error().is_some_and(aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError::is_resource_not_found_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed("GetSecretValue")(error)),
    }
}

fn keys(
    current: &GetSecretValueOutput,
    previous: Option<&GetSecretValueOutput>,
    now: Timestamp,
) -> Result<Keys> {
    let stored =
        |value: &GetSecretValueOutput| StoredKeys::from_seed(value.secret_string().unwrap_or_default());
    let current_keys = stored(current)?;
    let Some(previous) = previous else { return Keys::new(&current_keys) };
    let previous_keys = stored(previous)?;
    let created = current.created_date().map_or(0, aws_sdk_secretsmanager::primitives::DateTime::secs);
    let age = now.as_second().saturating_sub(created);
    if age < SIGNS_AFTER.as_secs() {
        Keys::rotating(&previous_keys, &current_keys)
    } else {
        Keys::rotating(&current_keys, &previous_keys)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::primitives::DateTime;

    use super::*;

    #[test]
    fn a_new_key_signs_when_everybody_knows_it() {
        let secret = |text: &str, created: i64| {
            GetSecretValueOutput::builder()
                .secret_string(text.repeat(40))
                .created_date(DateTime::from_secs(created))
                .build()
        };
        let (old, new) = (secret("a", 0), secret("b", 1_000));
        let first = |now: i64| {
            let keys = keys(&new, Some(&old), Timestamp::from_second(now).expect("a time")).expect("keys");
            assert_eq!(keys.jwks()["keys"].as_array().map(Vec::len), Some(2));
            keys.jwks()["keys"][0]["kid"].clone()
        };
        let kid_of = |secret: &GetSecretValueOutput| {
            keys(secret, None, Timestamp::UNIX_EPOCH).expect("keys").jwks()["keys"][0]["kid"].clone()
        };
        assert_eq!(first(1_001), kid_of(&old), "nobody else may know the new one yet");
        assert_eq!(first(1_600), kid_of(&new));
    }
}
