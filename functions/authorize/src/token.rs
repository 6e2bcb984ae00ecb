//! `/auth/token` exchanges codes and refresh tokens for access tokens (RFC 6749, 4.1.3 and 6; RFC 7636).

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{fingerprint, same_secret};
use domain::audit::{Action, Actor, Event};
use domain::ids::ClientId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use domain::scopes::Scopes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use security::id_token::{self, IdClaims};
use security::tokens::{AccessTokenClaims, sign};
use serde_json::json;
use settings::{Client, RefreshTokens};
use web::respond::{OAuthError, json};

use crate::authorization::{NOT_REGISTERED, Standing, UNKNOWN_REFRESH_TOKEN, still_registered};
use crate::request::{OAuthRequest, TokenRequest, invalid_request, wrong_assertion_type};
use crate::{Authorize, CodeGrant, RefreshGrant, SignIn};

type OAuthResult<T = Response> = Result<T, OAuthError>;

pub(crate) async fn token(State(state): State<Authorize>, request: OAuthRequest) -> OAuthResult {
    let mut response = match request.token_request()? {
        TokenRequest::AuthorizationCode { code, redirect_uri, code_verifier } => {
            let client = state.client(&request, "/auth/token").await?;
            let code = code.ok_or_else(|| invalid_request("'code' is missing"))?;
            state.by_code(client, code, redirect_uri, code_verifier).await
        }
        TokenRequest::RefreshToken { refresh_token, scope } => {
            let client = state.client(&request, "/auth/token").await?;
            let token = refresh_token.ok_or_else(|| invalid_request("'refresh_token' is missing"))?;
            state.by_refresh(client, token, scope).await
        }
        TokenRequest::ClientCredentials { scope } => {
            // Only an assertion can authenticate a backend service.
            if !request.has_assertion_type() {
                return Err(wrong_assertion_type());
            }
            let client = state.client(&request, "/auth/token").await?.ok_or(OAuthError::Assertion)?;
            state.by_assertion(client, scope).await
        }
    }?;
    response.headers_mut().insert(HeaderName::from_static("pragma"), HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn invalid_grant(description: &str) -> OAuthError {
    OAuthError::new("invalid_grant", description)
}

/// The tokens of one response.
struct Issued<'g> {
    client: &'g Client,
    sign_in: &'g SignIn,
    scopes: Scopes,
    family: &'g str,
    refresh_token: Option<String>,
    id_token: Option<String>,
    /// The action that the audit trail records.
    action: Action,
}

impl Authorize {
    async fn by_code(
        &self,
        client: Option<&Client>,
        code: &str,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
    ) -> OAuthResult {
        // The family has the code's fingerprint as its key, so that a code that is used again revokes the tokens that it produced (RFC
        // 6749, 4.1.2).
        let family = fingerprint(code);
        let unknown = || invalid_grant("the code is unknown, used or expired");
        let Some(stored) = self.expiring.get(EntryKind::Code, &family).await? else {
            self.end_family(&family).await?;
            return Err(unknown());
        };
        let grant: CodeGrant = stored.read()?;
        let (client, scopes) = match grant.check(client, redirect_uri, code_verifier) {
            Ok(checked) => checked,
            // Another party may have the code, so it cannot be used again.
            Err(refused) => {
                self.expiring.take(EntryKind::Code, &family).await?;
                self.end_family(&family).await?;
                return Err(refused);
            }
        };
        if !grant.listed {
            self.begin_unlisted_family(&family, stored, &grant).await?;
        }
        let begun = self.begun(&family, &grant, &scopes).await?.ok_or_else(unknown)?;
        let (sign_in, expires_at) = (&grant.sign_in, self.after(self.lifetime(&scopes))?);
        let refresh_token = match scopes.wants_refresh() {
            true => Some(self.refresh_token(client, &scopes, sign_in, &family).await?),
            false => None,
        };
        let id_token = self.id_token(client, &scopes, sign_in)?;
        let action = Action::TokenIssued;
        let listed = scopes.clone();
        let response = self
            .issue(Issued { client, sign_in, scopes, family: &family, refresh_token, id_token, action })
            .await?;
        self.record_exchange(&family, client, &listed, sign_in, expires_at).await?;
        // The code is used up after these steps. If one of them fails, such as the audit entry, the client can send it again.
        if self.expiring.take(EntryKind::Code, &family).await?.is_none() {
            self.end_replayed(&family, &client.id, sign_in, action).await?;
            return Err(unknown());
        }
        if !self.confirm_family(&family, begun, sign_in, expires_at).await? {
            // The patient has stopped the app, or another request has used the same code.
            self.end_family(&family).await?;
            return Err(unknown());
        }
        Ok(response)
    }

    async fn by_refresh(&self, client: Option<&Client>, token: &str, scope: Option<&str>) -> OAuthResult {
        let key = fingerprint(token);
        let unknown = || invalid_grant(UNKNOWN_REFRESH_TOKEN);
        let stored = self.expiring.get(EntryKind::Refresh, &key).await?.ok_or_else(unknown)?;
        let grant: RefreshGrant = stored.read()?;
        let client = self.refreshing_client(client, &grant.client)?;
        let granted = match self.standing(&grant, client).await? {
            Standing::Usable(granted) => granted,
            Standing::Used => return self.replayed(&grant).await,
            Standing::Ended(why) => return Err(invalid_grant(why)),
        };
        // Errors in the request must not use up the token.
        let scopes = refreshed_scopes(scope, &granted)?;
        let is_reusable = client.refresh_tokens == RefreshTokens::Reusable;
        if !self.prolong(&grant, client, is_reusable).await? {
            // Another request has used the same token, or the authorization was revoked in the meantime.
            return match self.expiring.get(EntryKind::Family, &grant.family).await? {
                Some(_) => self.replayed(&grant).await,
                None => Err(unknown()),
            };
        }
        let sign_in = &grant.sign_in;
        let refresh_token = match is_reusable {
            true => token.to_owned(),
            false => self.refresh_token(client, &grant.scopes, sign_in, &grant.family).await?,
        };
        let response = self
            .issue(Issued {
                client,
                sign_in,
                scopes,
                family: &grant.family,
                refresh_token: Some(refresh_token),
                id_token: None,
                action: Action::TokenRefreshed,
            })
            .await?;
        // The token is marked as used in the last step. If an earlier step fails, the client can send it again.
        if !self.use_up(&key, stored, &grant, is_reusable).await? {
            return self.replayed(&grant).await;
        }
        Ok(response)
    }

    async fn replayed(&self, grant: &RefreshGrant) -> OAuthResult {
        let RefreshGrant { family, client, sign_in, .. } = grant;
        self.end_replayed(family, client, sign_in, Action::TokenRefreshed).await?;
        Err(invalid_grant(UNKNOWN_REFRESH_TOKEN))
    }

    /// Marks a refresh token as used, or extends its lifetime if it is reusable. Returns false if it was used before.
    async fn use_up(
        &self,
        key: &str,
        stored: ExpiringEntry,
        grant: &RefreshGrant,
        is_reusable: bool,
    ) -> OAuthResult<bool> {
        if grant.used {
            return Ok(false);
        }
        let used = match is_reusable {
            true => ExpiringEntry { expires_at: self.after(self.lifetime(&grant.scopes))?, ..stored },
            false => ExpiringEntry { value: json!(RefreshGrant { used: true, ..grant.clone() }), ..stored },
        };
        // If two requests use a reusable token at the same time, one of them extends its lifetime, and both succeed.
        Ok(self.expiring.replace(EntryKind::Refresh, key, &used).await? || is_reusable)
    }

    /// Signs the access token and returns it with the other tokens.
    async fn issue(&self, issued: Issued<'_>) -> OAuthResult {
        let Issued { client, sign_in, scopes, family, refresh_token, id_token, action } = issued;
        let now = self.clock.now();
        let lifetime = self.settings.token_lifetime;
        let claims = AccessTokenClaims {
            iss: self.settings.base_url.clone(),
            aud: self.settings.base_url.clone(),
            sub: sign_in.subject(),
            client_id: client.id.to_string(),
            scope: scopes.to_string(),
            patient: Some(sign_in.patient.to_string()),
            iat: now.as_second(),
            exp: now.as_second() + lifetime.as_secs(),
            jti: self.random.secret(),
            fhir_user: sign_in.fhir_user(&scopes),
            family: Some(family.to_owned()),
        };
        let mut tokens = json!({
            "access_token": sign(&self.keys, &claims)?,
            "token_type": "bearer",
            "expires_in": lifetime.as_secs(),
            "scope": claims.scope,
            "patient": sign_in.patient,
        });
        for (name, token) in [("refresh_token", refresh_token), ("id_token", id_token)] {
            if let Some(token) = token {
                tokens[name] = json!(token);
            }
        }
        let event = Event::new(Actor::client(&client.id), action).of_patient(&sign_in.patient);
        self.audit.record(event).await?;
        Ok(json(StatusCode::OK, &tokens))
    }

    /// Creates a refresh token for all granted scopes.
    async fn refresh_token(
        &self,
        client: &Client,
        scopes: &Scopes,
        sign_in: &SignIn,
        family: &str,
    ) -> OAuthResult<String> {
        let token = self.random.secret();
        let grant = RefreshGrant {
            client: client.id.clone(),
            scopes: scopes.clone(),
            // Only the ID token that a code produces has the nonce.
            sign_in: SignIn { nonce: None, ..sign_in.clone() },
            family: family.to_owned(),
            used: false,
        };
        let expires_at = self.after(self.lifetime(scopes))?;
        self.expiring.put(EntryKind::Refresh, &fingerprint(&token), json!(grant), expires_at).await?;
        Ok(token)
    }

    /// Returns the ID token, if `openid` was granted (OpenID Connect Core 1.0, 3.1.3.3).
    fn id_token(&self, client: &Client, scopes: &Scopes, sign_in: &SignIn) -> OAuthResult<Option<String>> {
        if !scopes.has("openid") {
            return Ok(None);
        }
        let now = self.clock.now().as_second();
        let claims = IdClaims {
            iss: self.settings.base_url.clone(),
            sub: sign_in.subject(),
            aud: client.id.to_string(),
            iat: now,
            exp: now + self.settings.token_lifetime.as_secs(),
            auth_time: sign_in.at,
            nonce: sign_in.nonce.clone(),
            fhir_user: sign_in.fhir_user(scopes),
        };
        Ok(Some(id_token::sign(&self.keys, self.settings.id_token_alg(client), &claims)?))
    }

    /// Returns the client that a refresh token belongs to. A public client need not name itself; a confidential client must authenticate.
    fn refreshing_client<'c>(
        &'c self,
        client: Option<&'c Client>,
        owner: &ClientId,
    ) -> OAuthResult<&'c Client> {
        match (client, self.settings.client(owner.as_str())) {
            (Some(client), _) if client.id != *owner => {
                Err(invalid_grant("the refresh token was issued to another client"))
            }
            (Some(client), _) => Ok(client),
            (None, Some(known)) if known.is_public() => Ok(known),
            (None, _) => Err(OAuthError::new("invalid_client", "the client must authenticate")),
        }
    }
}

impl CodeGrant {
    /// Returns the client and the scopes of the exchange, or the error of a refused code.
    fn check<'c>(
        &self,
        client: Option<&'c Client>,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
    ) -> OAuthResult<(&'c Client, Scopes)> {
        let Some(client) = client.filter(|client| client.id == self.client) else {
            return Err(invalid_grant("the code was issued to another client"));
        };
        if redirect_uri != Some(self.redirect_uri.as_str()) {
            return Err(invalid_grant("'redirect_uri' differs from that of the authorization request"));
        }
        match (&self.challenge, code_verifier) {
            (Some(challenge), Some(verifier)) if same_secret(challenge, &challenge_of(verifier)) => {}
            (None, None) => {}
            _ => return Err(invalid_grant("'code_verifier' does not match the code's challenge")),
        }
        Ok((client, registered(&self.scopes, client)?))
    }
}

/// Returns the scopes that a refresh requests, or all granted scopes if it requests none.
fn refreshed_scopes(scope: Option<&str>, granted: &Scopes) -> OAuthResult<Scopes> {
    match scope.filter(|scope| !scope.is_empty()).map(Scopes::parse) {
        None => Ok(granted.clone()),
        Some(asked) if asked.is_within(granted) => Ok(asked.narrowed_to(granted)),
        Some(_) => Err(OAuthError::new("invalid_scope", "the scope exceeds what the patient agreed to")),
    }
}

/// Returns the scopes that the patient agreed to and that the client is still registered for.
fn registered(granted: &Scopes, client: &Client) -> OAuthResult<Scopes> {
    still_registered(granted, client).ok_or_else(|| invalid_grant(NOT_REGISTERED))
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}
