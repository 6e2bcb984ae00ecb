//! Gets access tokens: with a SMART standalone launch, in which the client submits the pages of the sandbox, or as a backend service.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::OsRandom;
use domain::clock::Random;
use http::header::{LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::response::{checked, json, send, succeeded, without_query};
use super::retry::{Patience, Repeat, Trouble};
use crate::Failure;
use crate::defaults::{TEST_CLIENT, TEST_REDIRECT};
use crate::service_key::ServiceKey;

const SCOPE: &str = "launch/patient offline_access patient/$ehi-export";

/// A client with an access token, which is renewed when the server no longer accepts it. Several requests may use the session
/// at once.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) patience: Patience,
    /// The URL of the server that the user named.
    base: Url,
    tokens: Mutex<Tokens>,
}

struct Tokens {
    /// `None` for servers that require none.
    access: Option<String>,
    renewal: Renewal,
}

/// The way in which a new token is requested.
enum Renewal {
    Never,
    /// With a refresh token.
    Refresh {
        token: String,
        endpoint: String,
    },
    /// With the key of a backend service.
    Service {
        client: String,
        key: ServiceKey,
        scope: String,
        endpoint: String,
    },
}

impl Session {
    pub(crate) fn with_token(
        client: Client,
        patience: Patience,
        base: &str,
        access_token: String,
    ) -> Result<Self, Failure> {
        Self::new(client, patience, base, Some(access_token), Renewal::Never)
    }

    /// Returns a session for servers that require no token.
    pub(crate) fn without_token(client: Client, patience: Patience, base: &str) -> Result<Self, Failure> {
        Self::new(client, patience, base, None, Renewal::Never)
    }

    fn new(
        client: Client,
        patience: Patience,
        base: &str,
        access: Option<String>,
        renewal: Renewal,
    ) -> Result<Self, Failure> {
        let base = Url::parse(base).map_err(|_| Failure::new("--server is not a URL"))?;
        Ok(Self { client, patience, base, tokens: Mutex::new(Tokens { access, renewal }) })
    }

    /// Returns the URL of the server that the user named.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Authenticates as a backend service.
    pub(crate) async fn service(
        client: Client,
        patience: Patience,
        base: &str,
        id: &str,
        key: ServiceKey,
        scope: &str,
    ) -> Result<Self, Failure> {
        let discovery = discovery(&client, &patience, base).await?;
        let endpoint = discovery["token_endpoint"].as_str();
        let endpoint =
            endpoint.ok_or_else(|| Failure::new("the server's smart-configuration has no token_endpoint"))?;
        let renewal = Renewal::Service {
            client: id.to_owned(),
            key,
            scope: scope.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        let session = Self::new(client, patience, base, None, renewal)?;
        session.renew(&mut *session.tokens.lock().await).await?;
        Ok(session)
    }

    /// Signs in as the patient and consents, like a person in a browser.
    pub(crate) async fn authorize(
        client: Client,
        patience: Patience,
        base: &str,
        patient: &str,
    ) -> Result<Self, Failure> {
        let discovery = discovery(&client, &patience, base).await?;
        let endpoint = |name: &str| {
            let url = discovery[name].as_str().and_then(|url| Url::parse(url).ok());
            url.ok_or_else(|| Failure::new(format!("the server's smart-configuration has no {name}")))
        };
        let token_endpoint = endpoint("token_endpoint")?;
        let (verifier, state) = (OsRandom.secret(), OsRandom.secret());
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut authorize = endpoint("authorization_endpoint")?;
        authorize
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", TEST_CLIENT)
            .append_pair("redirect_uri", TEST_REDIRECT)
            .append_pair("scope", SCOPE)
            .append_pair("aud", base)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let login = redirect(&send(client.get(authorize)).await?)?;
        let request = parameter(&login, "request").ok_or_else(|| refused(&login))?;
        let sign_in = async || {
            let picked =
                client.post(page(&login)).form(&[("request", request.as_str()), ("patient", patient)]);
            picked.send().await.map_err(Trouble::of_transport)
        };
        let picked = patience.send(Repeat::IfRefused, sign_in).await?;
        if picked.status() == StatusCode::UNAUTHORIZED {
            return Err(Failure::new(format!(
                "the server does not accept the patient '{patient}' without signing in: there is no such patient, or the server is not a sandbox (then use --token-file)"
            )));
        }
        let cookie =
            picked.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let consent = redirect(&checked(picked).await?)?;
        let agreed = client
            .post(page(&consent))
            .header("cookie", cookie)
            .form(&[("request", request.as_str()), ("decision", "allow")]);
        let callback = redirect(&send(agreed).await?)?;
        if parameter(&callback, "state").as_deref() != Some(&state) {
            return Err(Failure::new(
                "the server returned a 'state' that differs from the one that was sent",
            ));
        }
        let code = parameter(&callback, "code").ok_or_else(|| refused(&callback))?;
        let exchanged = client.post(token_endpoint.clone()).form(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", TEST_REDIRECT),
            ("client_id", TEST_CLIENT),
            ("code_verifier", &verifier),
        ]);
        let response = json(send(exchanged).await?).await?;
        let session = Self::new(client, patience, base, None, Renewal::Never)?;
        store_tokens(&mut *session.tokens.lock().await, &response, token_endpoint.as_str())?;
        Ok(session)
    }

    /// Sends a request with the token. If the token has expired, sends it once more with a new one. Repeats the request as
    /// [`Patience`] allows. Returns any response, except one that means that the server has failed.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Trouble> {
        let repeat = if method.is_safe() { Repeat::Safe } else { Repeat::IfRefused };
        self.send_again(repeat, method, url, prepare).await
    }

    /// Like [`Session::send`], but `repeat` decides whether the request may be handled twice.
    pub(crate) async fn send_again(
        &self,
        repeat: Repeat,
        method: Method,
        url: &str,
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Trouble> {
        self.patience.send(repeat, async || self.attempt(&method, url, &prepare).await).await
    }

    /// Sends a request once, like [`Session::send`].
    pub(super) async fn attempt(
        &self,
        method: &Method,
        url: &str,
        prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Trouble> {
        let request = |token: &Option<String>| {
            let request = prepare(self.client.request(method.clone(), url));
            match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let used = self.tokens.lock().await.access.clone();
        if used.is_some() && !is_private(url, &self.base) {
            return Err(Failure::new(format!(
                "the token is not sent to {}, because the connection is not encrypted (http:) and that to the server is (https:)",
                without_query(url)
            ))
            .into());
        }
        let response = request(&used).send().await.map_err(Trouble::of_transport)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let mut tokens = self.tokens.lock().await;
        // Another request may have renewed the token in the meantime.
        if tokens.access == used && !self.renew(&mut tokens).await? {
            return Ok(response);
        }
        let token = tokens.access.clone();
        drop(tokens);
        request(&token).send().await.map_err(Trouble::of_transport)
    }

    pub(crate) async fn token(&self) -> Option<String> {
        self.tokens.lock().await.access.clone()
    }

    /// Gets a new token. Returns `false` if the session cannot get one.
    async fn renew(&self, tokens: &mut Tokens) -> Result<bool, Failure> {
        // A refresh token may be valid only once, so it is not sent again if the server may have received it.
        let (repeat, endpoint) = match &tokens.renewal {
            Renewal::Never => return Ok(false),
            Renewal::Refresh { endpoint, .. } => (Repeat::IfRefused, endpoint.clone()),
            Renewal::Service { endpoint, .. } => (Repeat::Safe, endpoint.clone()),
        };
        let request = async || {
            // An assertion is also valid only once, so each attempt has a new one.
            let fields = fields(&tokens.renewal)?;
            self.client.post(&endpoint).form(&fields).send().await.map_err(Trouble::of_transport)
        };
        let response = json(succeeded(self.patience.send(repeat, request).await?).await?).await?;
        store_tokens(tokens, &response, &endpoint)?;
        Ok(true)
    }
}

/// Returns whether a connection to the URL is encrypted, or that to the server is not either.
fn is_private(url: &str, base: &Url) -> bool {
    base.scheme() != "https" || Url::parse(url).is_ok_and(|url| url.scheme() == "https")
}

/// Returns the form fields of a request for a new token.
fn fields(renewal: &Renewal) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(match renewal {
        Renewal::Never => Vec::new(),
        Renewal::Refresh { token, .. } => {
            vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token.clone())]
        }
        Renewal::Service { client, key, scope, endpoint } => vec![
            ("grant_type", "client_credentials".to_owned()),
            ("scope", scope.clone()),
            ("client_assertion_type", security::assertion::TYPE.to_owned()),
            ("client_assertion", key.assertion(client, endpoint)?),
        ],
    })
}

async fn discovery(client: &Client, patience: &Patience, base: &str) -> Result<Value, Failure> {
    let request = async || {
        let request = client.get(format!("{base}/.well-known/smart-configuration"));
        request.send().await.map_err(Trouble::of_transport)
    };
    json(succeeded(patience.send(Repeat::Safe, request).await?).await?).await
}

/// Stores the tokens of a response.
fn store_tokens(tokens: &mut Tokens, response: &Value, endpoint: &str) -> Result<(), Failure> {
    let token = response["access_token"].as_str();
    tokens.access =
        Some(String::from(token.ok_or_else(|| Failure::new("the server returned no access token"))?));
    if !matches!(tokens.renewal, Renewal::Service { .. }) {
        tokens.renewal = match response["refresh_token"].as_str() {
            Some(token) => Renewal::Refresh { token: token.to_owned(), endpoint: endpoint.to_owned() },
            None => Renewal::Never,
        };
    }
    Ok(())
}

fn redirect(response: &Response) -> Result<Url, Failure> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let url = location.and_then(|location| response.url().join(location).ok());
    url.ok_or_else(|| Failure::new(format!("the server returned no redirect for {}", response.url().path())))
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Returns a page's address without its query.
fn page(url: &Url) -> Url {
    let mut page = url.clone();
    page.set_query(None);
    page
}

fn refused(url: &Url) -> Failure {
    let reason = parameter(url, "error_description").or_else(|| parameter(url, "error"));
    Failure::new(format!(
        "the server refuses authorization: {}",
        reason.as_deref().unwrap_or("no reason given")
    ))
}

#[cfg(test)]
mod tests;
