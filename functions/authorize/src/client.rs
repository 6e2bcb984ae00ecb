//! Identifies and authenticates the calling client (RFC 6749, 2.3; SMART App Launch 2.2, client authentication).

use domain::audit::{Action, Actor, Event, Outcome};
use security::assertion;
use security::attempts::{self, Account};
use settings::Client;
use web::respond::OAuthError;

use crate::Authorize;
use crate::request::{OAuthRequest, Proof, invalid_client};

type OAuthResult<T> = Result<T, OAuthError>;

impl Authorize {
    /// Returns the client that a request to an OAuth endpoint names; `None` if it names no client. A confidential client that has not
    /// authenticated is an error.
    pub(crate) async fn client(
        &self,
        request: &OAuthRequest,
        endpoint: &str,
    ) -> OAuthResult<Option<&Client>> {
        let (id, proof) = request.credentials(|id| self.settings.client(id).is_some())?;
        let Some(id) = id else { return Ok(None) };
        let client = self.settings.client(&id);
        match (proof, client) {
            (Proof::Assertion(text), client) => self.asserted(text, client, endpoint).await.map(Some),
            (Proof::None, Some(client)) if client.is_public() => Ok(Some(client)),
            (Proof::Secret(readings), Some(client)) if client.secret_hash().is_some() => {
                let hash = client.secret_hash();
                match attempts::verify_any(Account::Client(&id), &readings, hash, &self.guard()).await? {
                    true => Ok(Some(client)),
                    false => {
                        let event = Event::new(Actor::client(&client.id), Action::SignInFailed);
                        self.audit.record(event.with(Outcome::Refused)).await?;
                        Err(invalid_client())
                    }
                }
            }
            _ => Err(invalid_client()),
        }
    }

    /// Returns the client that signed an assertion. The log has the reason of a refusal; the response does not. Anyone can send
    /// assertions that are not valid. So they are limited like wrong secrets, and after too many of them the audit trail and the log get
    /// no entry.
    async fn asserted<'c>(
        &self,
        text: &str,
        client: Option<&'c Client>,
        endpoint: &str,
    ) -> OAuthResult<&'c Client> {
        let Some(client) = client.filter(|client| client.has_keys()) else {
            tracing::warn!("refused a client assertion: the client is not registered with keys");
            return Err(OAuthError::Assertion);
        };
        // The audience is the URL of the token endpoint. Another endpoint also accepts its own URL (RFC 7523, 3).
        let audiences = [self.settings.url("/auth/token"), self.settings.url(endpoint)];
        let now = self.clock.now();
        let verified = assertion::verify(text, client, &audiences, &self.jwks, &*self.expiring, now).await?;
        if let Err(reason) = verified {
            attempts::count_failure(Account::SigningClient(client.id.as_str()), &self.guard()).await?;
            tracing::warn!(client.id = %client.id, reason, "refused a client assertion: it is not valid");
            let event = Event::new(Actor::client(&client.id), Action::SignInFailed);
            self.audit.record(event.with(Outcome::Refused)).await?;
            return Err(OAuthError::Assertion);
        }
        Ok(client)
    }
}
