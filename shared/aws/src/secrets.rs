//! The secrets in Secrets Manager: the text from which the signing keys are derived, and the settings file.
//!
//! A rotation adds a new version of the signing secret, and the old version becomes AWSPREVIOUS. The JWK set has both
//! keys at once. The new key signs only after every process has read it, so that every process can verify every token.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use domain::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use security::keys::{Keys, StoredKeys};
use settings::Settings;

use crate::calls::failed;

/// The age at which a new key begins to sign. Every process has read it by then.
const SIGNS_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The secrets as they are stored.
pub(super) struct Stored {
    /// `None` for a function that signs and verifies no tokens.
    signing: Option<Signing>,
    settings: GetSecretValueOutput,
}

/// The versions of the signing secret.
struct Signing {
    current: GetSecretValueOutput,
    previous: Option<GetSecretValueOutput>,
}

impl Stored {
    /// Reads the settings, and the signing secret if the function has one.
    pub(super) async fn read(client: &Client, signing: Option<&str>, settings: &str) -> Result<Self> {
        let signing = async {
            match signing {
                Some(signing) => Signing::read(client, signing).await.map(Some),
                None => Ok(None),
            }
        };
        let text = async { value(client, settings, "AWSCURRENT").await };
        let (signing, text) = tokio::try_join!(signing, text)?;
        Ok(Self { signing, settings: text.ok_or_else(no_settings)? })
    }

    /// Returns a text that changes whenever keys or settings change: with a new value of a secret, and when a new key begins
    /// to sign.
    pub(super) fn version(&self, now: Timestamp) -> String {
        let id = |value: &GetSecretValueOutput| value.version_id().unwrap_or_default().to_owned();
        let settings = id(&self.settings);
        let Some(Signing { current, previous }) = &self.signing else { return settings };
        let previous = previous.as_ref().map(id).unwrap_or_default();
        format!("{} {previous} {settings} {}", id(current), signs(current, now))
    }

    /// Returns the settings. [`Error::Invalid`] names every wrong one.
    pub(super) fn settings(&self) -> Result<Settings> {
        let text = self.settings.secret_string().unwrap_or_default();
        // The secret of a new stack has only a comment.
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(no_settings());
        }
        Settings::of_text(text).map_err(|wrong| Error::invalid(wrong.0.join("; ")))
    }

    /// Returns the keys, if the function has the signing secret.
    pub(super) fn keys(&self, now: Timestamp) -> Result<Option<Keys>> {
        self.signing.as_ref().map(|signing| signing.keys(now)).transpose()
    }
}

impl Signing {
    async fn read(client: &Client, signing: &str) -> Result<Self> {
        let current = async { value(client, signing, "AWSCURRENT").await };
        let previous = async { value(client, signing, "AWSPREVIOUS").await };
        let (current, previous) = tokio::try_join!(current, previous)?;
        let current = current.ok_or_else(|| Error::invalid("EHI_SIGNING_SECRET: the secret has no value"))?;
        Ok(Self { current, previous })
    }

    /// Returns the keys. The one that signs is the first.
    fn keys(&self, now: Timestamp) -> Result<Keys> {
        let stored =
            |value: &GetSecretValueOutput| StoredKeys::from_seed(value.secret_string().unwrap_or_default());
        let current = stored(&self.current)?;
        let Some(previous) = &self.previous else { return Keys::new(&current) };
        let previous = stored(previous)?;
        match signs(&self.current, now) {
            true => Keys::rotating(&current, &previous),
            false => Keys::rotating(&previous, &current),
        }
    }
}

fn no_settings() -> Error {
    Error::invalid(
        "EHI_SETTINGS_SECRET: there are no settings; put the settings file into the secret SettingsSecretArn of the stack",
    )
}

/// Returns whether a key is old enough to sign.
fn signs(key: &GetSecretValueOutput, now: Timestamp) -> bool {
    let created = key.created_date().map_or(0, aws_sdk_secretsmanager::primitives::DateTime::secs);
    now.as_second().saturating_sub(created) >= SIGNS_AFTER.as_secs()
}

/// Reads the version of a secret at a stage. Returns `None` if there is no such version.
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

#[cfg(test)]
mod tests;
