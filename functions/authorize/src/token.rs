//! `/auth/token`: codes and refresh tokens become access tokens (RFC 6749, 4.1.3 and 6; RFC 7636).

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::config::Client;
use shared::domain::ids::{ClientId, PatientId};
use shared::domain::scopes::Scopes;
use shared::http::extract::{field, read_form};
use shared::http::respond::{OAuthError, json};
use shared::ports::grants::{Grant, GrantKind};
use shared::security::attempts::{self, Account};
use shared::security::tokens::{Claims, sign};
use shared::security::{fingerprint, same_secret};

use crate::{Authorize, CodeGrant, RefreshGrant};

type Answer<T = Response> = Result<T, OAuthError>;

pub(crate) async fn token(State(state): State<Authorize>, headers: HeaderMap, body: Body) -> Answer {
    let fields = read_form(&headers, body).await?;
    let mut response = match field(&fields, "grant_type") {
        Some("authorization_code") => state.by_code(&headers, &fields).await,
        Some("refresh_token") => state.by_refresh(&headers, &fields).await,
        Some("client_credentials") => state.by_assertion(&fields).await,
        Some(_) => Err(OAuthError::new(
            "unsupported_grant_type",
            "'grant_type' must be authorization_code, refresh_token or client_credentials",
        )),
        None => Err(OAuthError::new("invalid_request", "'grant_type' is missing")),
    }?;
    response.headers_mut().insert(HeaderName::from_static("pragma"), HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn invalid_grant(description: &str) -> OAuthError {
    OAuthError::new("invalid_grant", description)
}

impl Authorize {
    async fn by_code(&self, headers: &HeaderMap, fields: &[(String, String)]) -> Answer {
        let client = self.client(headers, fields).await?;
        let code =
            field(fields, "code").ok_or_else(|| OAuthError::new("invalid_request", "'code' is missing"))?;
        // The family is named by its code, so that a code that comes again ends what came of it (RFC 6749, 4.1.2).
        let family = fingerprint(code);
        let Some(grant) = self.grants.take(GrantKind::Code, &family).await? else {
            self.end_family(&family).await?;
            return Err(invalid_grant("the code is unknown, used or expired"));
        };
        let grant: CodeGrant = grant.read()?;
        if client.is_none_or(|client| client.id != grant.client) {
            return Err(invalid_grant("the code was not given to this client"));
        }
        if field(fields, "redirect_uri") != Some(grant.redirect_uri.as_str()) {
            return Err(invalid_grant("'redirect_uri' is not the one that the code was sent to"));
        }
        match (&grant.challenge, field(fields, "code_verifier")) {
            (Some(challenge), Some(verifier)) if same_secret(challenge, &challenge_of(verifier)) => {}
            (None, None) => {}
            _ => return Err(invalid_grant("'code_verifier' does not match the code's challenge")),
        }
        let expires_at = self.after(self.settings.refresh_lifetime)?;
        if !self.grants.put(GrantKind::Family, &family, Value::Null, expires_at).await? {
            return Err(invalid_grant("the code is unknown, used or expired"));
        }
        self.issue(&grant.client, &grant.patient, &grant.scopes, &grant.scopes, &family).await
    }

    async fn by_refresh(&self, headers: &HeaderMap, fields: &[(String, String)]) -> Answer {
        let client = self.client(headers, fields).await?;
        let token = field(fields, "refresh_token")
            .ok_or_else(|| OAuthError::new("invalid_request", "'refresh_token' is missing"))?;
        let key = fingerprint(token);
        let unknown = || invalid_grant("the refresh token is unknown, used or expired");
        let stored = self.grants.get(GrantKind::Refresh, &key).await?.ok_or_else(unknown)?;
        let grant: RefreshGrant = stored.read()?;
        self.check_refresh_client(client, &grant.client)?;
        let rotated = Grant { value: json!(RefreshGrant { used: true, ..grant.clone() }), ..stored };
        if grant.used || !self.grants.replace(GrantKind::Refresh, &key, &rotated).await? {
            // Somebody has a copy: nobody can tell who is the thief.
            self.end_family(&grant.family).await?;
            tracing::warn!(client.id = %grant.client, "a refresh token came a second time; its family is revoked");
            return Err(unknown());
        }
        let Some(family) = self.grants.get(GrantKind::Family, &grant.family).await? else {
            return Err(unknown());
        };
        let expires_at = self.after(self.settings.refresh_lifetime)?;
        if !self.grants.replace(GrantKind::Family, &grant.family, &Grant { expires_at, ..family }).await? {
            return Err(unknown());
        }
        let asked = field(fields, "scope").filter(|scope| !scope.is_empty()).map(Scopes::parse);
        let scopes = asked.unwrap_or_else(|| grant.scopes.clone());
        if !scopes.is_within(&grant.scopes) {
            return Err(OAuthError::new(
                "invalid_scope",
                "the scope is more than what the patient agreed to",
            ));
        }
        self.issue(&grant.client, &grant.patient, &scopes, &grant.scopes, &grant.family).await
    }

    /// Signs an access token for `scopes` and, where they want one, makes a refresh token for all that was `granted`.
    async fn issue(
        &self,
        client: &ClientId,
        patient: &PatientId,
        scopes: &Scopes,
        granted: &Scopes,
        family: &str,
    ) -> Answer {
        let now = self.clock.now();
        let lifetime = self.settings.token_lifetime;
        let claims = Claims {
            iss: self.settings.base_url.clone(),
            aud: self.settings.base_url.clone(),
            sub: format!("Patient/{patient}"),
            client_id: client.to_string(),
            scope: scopes.to_string(),
            patient: Some(patient.to_string()),
            iat: now.as_second(),
            exp: now.as_second() + lifetime.as_secs(),
            jti: self.ids.secret(),
            family: Some(family.to_owned()),
        };
        let mut answer = json!({
            "access_token": sign(&self.keys, &claims)?,
            "token_type": "bearer",
            "expires_in": lifetime.as_secs(),
            "scope": claims.scope,
            "patient": patient,
        });
        if granted.wants_refresh() {
            let refresh = self.ids.secret();
            let grant = RefreshGrant {
                client: client.clone(),
                scopes: granted.clone(),
                patient: patient.clone(),
                family: family.to_owned(),
                used: false,
            };
            let expires_at = self.after(self.settings.refresh_lifetime)?;
            self.grants.put(GrantKind::Refresh, &fingerprint(&refresh), json!(grant), expires_at).await?;
            answer["refresh_token"] = json!(refresh);
        }
        Ok(json(StatusCode::OK, &answer))
    }

    /// Revokes all tokens of an authorization.
    pub(crate) async fn end_family(&self, family: &str) -> Answer<()> {
        self.grants.take(GrantKind::Family, family).await?;
        self.verifier.forget();
        Ok(())
    }

    /// The client that the request names and, if it is confidential, has authenticated. `None` names nobody.
    pub(crate) async fn client(
        &self,
        headers: &HeaderMap,
        fields: &[(String, String)],
    ) -> Answer<Option<&Client>> {
        let basic = basic_credentials(headers);
        let (id, secret) = match &basic {
            Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
            None => (field(fields, "client_id"), field(fields, "client_secret")),
        };
        let Some(id) = id else { return Ok(None) };
        let client = self.settings.client(id);
        let invalid =
            || OAuthError::new("invalid_client", "the client is not registered or did not authenticate");
        match client.map(|client| (client, client.secret_hash.as_deref())) {
            Some((client, None)) if client.is_public() && secret.is_none_or(str::is_empty) => {
                Ok(Some(client))
            }
            Some((client, Some(hash)))
                if attempts::verify(
                    Account::Client(id),
                    secret.unwrap_or_default(),
                    Some(hash),
                    &self.guard(),
                )
                .await? =>
            {
                Ok(Some(client))
            }
            _ => Err(invalid()),
        }
    }

    /// Public clients need not name themselves at a refresh; confidential ones must authenticate.
    fn check_refresh_client(&self, client: Option<&Client>, owner: &ClientId) -> Answer<()> {
        let known = self.settings.client(owner.as_str());
        match (client, known) {
            (Some(client), _) if client.id != *owner => {
                Err(invalid_grant("the refresh token was not given to this client"))
            }
            (Some(_), _) => Ok(()),
            (None, Some(known)) if known.is_public() => Ok(()),
            (None, _) => Err(OAuthError::new("invalid_client", "the client must authenticate")),
        }
    }
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
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
