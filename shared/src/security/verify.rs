//! Who calls: an access token becomes a [`Caller`], or 401.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::jwks::JwksCache;
use super::keys::Keys;
use super::tokens;
use crate::clock::Clock;
use crate::config::{Issuer, Settings};
use crate::domain::access::Coverage;
use crate::domain::ids::{ClientId, PatientId};
use crate::domain::job::Owner;
use crate::domain::scopes::{Level, Scopes};
use crate::error::{Error, Result};
use crate::ports::grants::{GrantKind, Grants};

/// What a verified token says of its bearer.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub client: ClientId,
    /// For tokens that are not ours.
    pub issuer: Option<String>,
    pub patient: Option<PatientId>,
    pub scopes: Scopes,
    /// Role ADMIN of an issuer whose staff is ours.
    pub is_staff: bool,
    pub subject: String,
    expires_at: Timestamp,
    jti: Option<String>,
    family: Option<String>,
}

impl Caller {
    /// What jobs of this caller carry as their owner.
    pub fn owner(&self) -> Owner {
        Owner { client: self.client.clone(), issuer: self.issuer.clone(), patient: self.patient.clone() }
    }

    /// What the caller may read: staff everything, a patient's token what its `patient/` scopes say (of that patient
    /// alone), others what `system/` scopes say, or `user/` scopes where there are none.
    pub fn coverage(&self) -> Coverage {
        if self.is_staff {
            return Coverage::of_everything();
        }
        if self.patient.is_some() {
            return Coverage::of(&self.scopes, Level::Patient);
        }
        let system = Coverage::of(&self.scopes, Level::System);
        if system.is_empty() { Coverage::of(&self.scopes, Level::User) } else { system }
    }

    /// Whether the caller may start and follow an EHI export of this patient.
    pub fn may_export_ehi(&self, patient: &PatientId) -> EhiAccess {
        if self.scopes.allows_operation(Level::System, "$ehi-export") && self.patient.is_none() {
            return EhiAccess::System;
        }
        if self.patient.as_ref() != Some(patient) {
            return EhiAccess::OtherPatient;
        }
        match self.scopes.allows_operation(Level::Patient, "$ehi-export") {
            true => EhiAccess::Patient,
            false => EhiAccess::MissingScope,
        }
    }
}

/// See [`Caller::may_export_ehi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EhiAccess {
    Patient,
    /// An internal app, which needs no form.
    System,
    OtherPatient,
    MissingScope,
}

/// How long a verified token is believed without asking whether it was revoked. Within one process
/// a revocation counts at once.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// How many tokens are remembered.
const MAX_REMEMBERED: usize = 10_000;

const UNAUTHORIZED: Error = Error::Unauthorized("an access token is needed: Authorization: Bearer …");

/// When a token was checked and whose it is, by its digest, so that looking one up tells nothing of its bytes by time.
type Remembered = HashMap<[u8; 32], (Timestamp, Arc<Caller>)>;

pub struct Verifier {
    settings: Arc<Settings>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    grants: Arc<dyn Grants>,
    jwks: JwksCache,
    remembered: Mutex<Remembered>,
}

impl Verifier {
    pub fn new(
        settings: Arc<Settings>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        grants: Arc<dyn Grants>,
    ) -> Self {
        Self { settings, keys, clock, grants, jwks: JwksCache::default(), remembered: Mutex::default() }
    }

    /// The bearer of an access token, or [`Error::Unauthorized`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Caller>> {
        let now = self.clock.now();
        let digest = digest_of(token);
        if let Some(caller) = self.recall(&digest, now) {
            return Ok(caller);
        }
        let caller = match tokens::verify(&self.keys, token, &self.settings.base_url, now) {
            Some(claims) => self.own(claims).await?,
            None => self.foreign(token, now).await?,
        };
        let caller = Arc::new(caller);
        let mut remembered = self.lock();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, (now, caller.clone()));
        Ok(caller)
    }

    /// Forgets what was verified, after a revocation.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn recall(&self, digest: &[u8; 32], now: Timestamp) -> Option<Arc<Caller>> {
        let remembered = self.lock();
        let (checked, caller) = remembered.get(digest)?;
        (caller.expires_at > now && now.duration_since(*checked) < BELIEVED).then(|| caller.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn own(&self, claims: tokens::Claims) -> Result<Caller> {
        if self.grants.get(GrantKind::Revoked, &claims.jti).await?.is_some() {
            return Err(UNAUTHORIZED);
        }
        if let Some(family) = &claims.family
            && self.grants.get(GrantKind::Family, family).await?.is_none()
        {
            return Err(UNAUTHORIZED);
        }
        Ok(Caller {
            client: ClientId::parse(&claims.client_id).map_err(|_| UNAUTHORIZED)?,
            issuer: None,
            patient: claims.patient.as_deref().map(PatientId::parse).transpose().map_err(|_| UNAUTHORIZED)?,
            scopes: Scopes::parse(&claims.scope),
            is_staff: false,
            subject: claims.sub,
            expires_at: Timestamp::from_second(claims.exp).map_err(|_| UNAUTHORIZED)?,
            jti: Some(claims.jti),
            family: claims.family,
        })
    }

    /// A token of another issuer, by its published keys.
    async fn foreign(&self, token: &str, now: Timestamp) -> Result<Caller> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| UNAUTHORIZED)?;
        let unverified: Value =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| UNAUTHORIZED)?;
        let issuer = self.settings.issuers.iter().find(|issuer| unverified["iss"] == issuer.issuer.as_str());
        let issuer = issuer.ok_or(UNAUTHORIZED)?;
        // Only signatures by private keys: a public key must never serve as a shared secret.
        let allowed = [Algorithm::RS256, Algorithm::RS384, Algorithm::ES256, Algorithm::ES384];
        if !allowed.contains(&header.alg) {
            return Err(UNAUTHORIZED);
        }
        let id = header.kid.as_deref().ok_or(UNAUTHORIZED)?;
        let key = self.jwks.find(issuer.keys(), id, now).await?;
        let key = DecodingKey::from_jwk(&key.ok_or(UNAUTHORIZED)?).map_err(|_| UNAUTHORIZED)?;
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&issuer.issuer]);
        validation.set_audience(&self.audiences(issuer));
        let claims =
            jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|_| UNAUTHORIZED)?.claims;
        foreign_caller(issuer, &claims, now).ok_or(UNAUTHORIZED)
    }

    fn audiences(&self, issuer: &Issuer) -> Vec<String> {
        if let Some(audience) = &issuer.audience {
            return vec![audience.clone()];
        }
        let bases = crate::domain::request::Base::ALL.iter().map(|base| self.settings.url(base.path()));
        bases.chain([self.settings.base_url.clone()]).collect()
    }

    /// Revokes the token a caller came with until it expires by itself.
    pub async fn revoke(&self, caller: &Caller) -> Result<()> {
        if let Some(family) = &caller.family {
            self.grants.take(GrantKind::Family, family).await?;
        }
        if let Some(jti) = &caller.jti {
            self.grants.put(GrantKind::Revoked, jti, Value::Null, caller.expires_at).await?;
        }
        self.forget();
        Ok(())
    }
}

impl Caller {
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

fn foreign_caller(issuer: &Issuer, claims: &Value, now: Timestamp) -> Option<Caller> {
    let text = |name: &str| claims[name].as_str();
    let leeway = tokens::LEEWAY.as_secs();
    let expires = claims["exp"].as_i64()?;
    let too_early = claims["nbf"].as_i64().is_some_and(|from| from > now.as_second() + leeway);
    if expires <= now.as_second() || too_early {
        return None;
    }
    let client =
        text("client_id").or_else(|| text("azp")).or_else(|| text("appid")).or_else(|| text("sub"))?;
    let roles = ["role", "roles"].into_iter().flat_map(|name| match &claims[name] {
        Value::String(role) => vec![role.as_str()],
        Value::Array(roles) => roles.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    });
    let has_role = roles.into_iter().any(|role| role == "ADMIN");
    Some(Caller {
        client: ClientId::parse(client).ok()?,
        issuer: Some(issuer.issuer.clone()),
        patient: text("patient").map(PatientId::parse).transpose().ok()?,
        scopes: Scopes::parse(text("scope").or_else(|| text("scp")).unwrap_or_default()),
        is_staff: has_role && issuer.staff,
        subject: text("sub").unwrap_or(client).to_owned(),
        expires_at: Timestamp::from_second(expires).ok()?,
        jti: text("jti").map(str::to_owned),
        family: None,
    })
}

fn digest_of(token: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
