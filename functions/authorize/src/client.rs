//! Which client asks, and whether it is (RFC 6749, 2.3; SMART App Launch 2.2, client authentication).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use security::assertion::{self, claimed_client};
use security::attempts::{self, Account};
use settings::Client;
use web::extract::field;
use web::respond::OAuthError;

use crate::Authorize;

type Answer<T> = Result<T, OAuthError>;

/// What a request brings to authenticate with.
enum Proof<'r> {
    /// Nothing: the client is public, or nobody.
    None,
    Secret(String),
    Assertion(&'r str),
}

fn invalid_client() -> OAuthError {
    OAuthError::new("invalid_client", "the client is not registered or did not authenticate")
}

/// The client's id and proof. More than one way at once is an error (RFC 6749, 2.3).
fn credentials<'r>(
    headers: &HeaderMap,
    fields: &'r [(String, String)],
) -> Answer<(Option<String>, Proof<'r>)> {
    let get = |name| field(fields, name).filter(|value| !value.is_empty());
    let named = get("client_id").map(str::to_owned);
    let basic = basic_credentials(headers);
    let asserts = get("client_assertion").is_some() || get("client_assertion_type").is_some();
    let ways = [basic.is_some(), get("client_secret").is_some(), asserts];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(OAuthError::new("invalid_request", "the client must authenticate in one way only"));
    }
    if let Some((id, secret)) = basic {
        return match named.is_some_and(|named| named != id) {
            true => Err(invalid_client()),
            false => Ok((Some(id), Proof::Secret(secret))),
        };
    }
    if !asserts {
        let secret = get("client_secret").map_or(Proof::None, |secret| Proof::Secret(secret.to_owned()));
        return Ok((named, secret));
    }
    if get("client_assertion_type") != Some(assertion::TYPE) {
        let text = format!("'client_assertion_type' must be {}", assertion::TYPE);
        return Err(OAuthError::new("invalid_request", text));
    }
    let text = get("client_assertion")
        .ok_or_else(|| OAuthError::new("invalid_request", "'client_assertion' is missing"))?;
    let id = claimed_client(text).ok_or(OAuthError::Assertion)?;
    match named.is_some_and(|named| named != id) {
        true => Err(OAuthError::Assertion),
        false => Ok((Some(id), Proof::Assertion(text))),
    }
}

impl Authorize {
    /// The client that the request to one of our OAuth endpoints names and that has authenticated, if it is
    /// confidential. `None` when the request names nobody.
    pub(crate) async fn client(
        &self,
        headers: &HeaderMap,
        fields: &[(String, String)],
        endpoint: &str,
    ) -> Answer<Option<&Client>> {
        let (id, proof) = credentials(headers, fields)?;
        let Some(id) = id else { return Ok(None) };
        let client = self.settings.client(&id);
        match (proof, client) {
            (Proof::Assertion(text), client) => self.asserted(text, client, endpoint).await.map(Some),
            (Proof::None, Some(client)) if client.is_public() => Ok(Some(client)),
            (Proof::Secret(secret), Some(client)) if client.secret_hash.is_some() => {
                let hash = client.secret_hash.as_deref();
                match attempts::verify(Account::Client(&id), &secret, hash, &self.guard()).await? {
                    true => Ok(Some(client)),
                    false => Err(invalid_client()),
                }
            }
            _ => Err(invalid_client()),
        }
    }

    /// The client that an assertion is from. What is wrong with it is in the log, and not in the answer.
    async fn asserted<'c>(
        &self,
        text: &str,
        client: Option<&'c Client>,
        endpoint: &str,
    ) -> Answer<&'c Client> {
        let Some(client) = client.filter(|client| client.has_keys()) else {
            tracing::warn!("an assertion of a client that is not registered with keys");
            return Err(OAuthError::Assertion);
        };
        // The token endpoint stands for the server; elsewhere the endpoint itself is as good (RFC 7523, 3).
        let audiences = [self.settings.url("/auth/token"), self.settings.url(endpoint)];
        let now = self.clock.now();
        let verified = assertion::verify(text, client, &audiences, &self.jwks, &*self.expiring, now).await?;
        verified.map_err(|reason| {
            tracing::warn!(client.id = %client.id, reason, "an assertion that does not hold");
            OAuthError::Assertion
        })?;
        Ok(client)
    }
}

/// `Authorization: Basic …`, both parts urlencoded (RFC 6749, 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    Some((plain(id), plain(secret)))
}
