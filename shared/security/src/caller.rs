//! What a verified token says of its bearer, and what it lets the bearer do.

use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::ids::{ClientId, PatientId};
use domain::job::Owner;
use domain::scopes::{ScopeLevel, Scopes};
use jiff::Timestamp;
use serde_json::Value;
use settings::Issuer;

use crate::jwt::{Claims, Refused};
use crate::tokens::{self, LEEWAY};

/// The longest `sub` (OpenID Connect Core 1.0, 2).
const MAX_SUBJECT: usize = 255;

/// The bearer of a token.
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
    /// The URL of the user's own resource, where the token has one.
    pub fhir_user: Option<String>,
    /// What `user/` scopes reach: everybody, or nobody.
    user_scopes_reach_all: bool,
    /// Role PATIENT.
    is_patient_role: bool,
    pub(super) expires_at: Timestamp,
    /// The key under which the token is revoked.
    pub(super) revocation_key: String,
    pub(super) family: Option<String>,
}

impl Caller {
    /// The bearer of one of our own tokens; `None` for claims that we do not issue.
    pub(super) fn of_own(claims: tokens::AccessTokenClaims) -> Option<Self> {
        Some(Self {
            client: ClientId::parse(&claims.client_id).ok()?,
            issuer: None,
            patient: claims.patient.as_deref().map(PatientId::parse).transpose().ok()?,
            scopes: Scopes::parse(&claims.scope),
            is_staff: false,
            subject: claims.sub,
            fhir_user: claims.fhir_user,
            // Without a patient they are tokens of backend services, as this server registered them.
            user_scopes_reach_all: true,
            is_patient_role: false,
            expires_at: Timestamp::from_second(claims.exp).ok()?,
            revocation_key: claims.jti,
            family: claims.family,
        })
    }

    /// The bearer of a trusted issuer's token.
    pub(super) fn of_issuer(
        issuer: &Issuer,
        claims: &Claims,
        revocation_key: String,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let expires = claims.ends(now, LEEWAY)?;
        let mut names = ["client_id", "azp", "appid", "sub"].into_iter();
        let client = names.find_map(|name| claims.text(name).transpose()).ok_or("no client")??;
        let subject = claims.text("sub")?.unwrap_or(client);
        if subject.len() > MAX_SUBJECT {
            return Err("a sub that is too long");
        }
        let scope = match claims.text("scope")? {
            Some(scope) => scope.to_owned(),
            None => words(claims.get("scp")).ok_or("a scp of the wrong type")?.join(" "),
        };
        let mut roles = words(claims.get("role")).ok_or("a role of the wrong type")?;
        roles.extend(words(claims.get("roles")).ok_or("roles of the wrong type")?);
        let has_role = |wanted: &str| roles.iter().any(|role| role == wanted);
        let is_patient = names_a_patient(claims.get("fhirUser")) || names_a_patient(claims.get("profile"));
        Ok(Self {
            client: ClientId::parse(client).map_err(|_| "a client id that cannot be one")?,
            issuer: Some(issuer.issuer.clone()),
            patient: match claims.text("patient")? {
                None => None,
                Some(id) => Some(PatientId::parse(id).map_err(|_| "a patient that cannot be one")?),
            },
            scopes: Scopes::parse(&scope),
            is_staff: issuer.staff && has_role("ADMIN") && !is_patient,
            subject: subject.to_owned(),
            fhir_user: claims.text("fhirUser")?.map(str::to_owned),
            user_scopes_reach_all: issuer.users_are_staff && !is_patient,
            is_patient_role: has_role("PATIENT"),
            expires_at: Timestamp::from_second(expires).map_err(|_| "a time that is out of range")?,
            revocation_key,
            family: None,
        })
    }

    /// What jobs of this caller carry as their owner.
    pub fn owner(&self) -> Owner {
        Owner::new(self.client.clone(), self.issuer.clone(), self.patient.clone(), &self.subject)
    }

    /// Whether a token belongs to the same registration: client ids are only unique within an issuer.
    pub fn is_of(&self, client: &ClientId, issuer: Option<&str>) -> bool {
        self.client == *client && self.issuer.as_deref() == issuer
    }

    /// What the caller may read: staff everything, a patient's token what its `patient/` scopes say (of that patient
    /// alone), others what `system/` scopes say, or, where the users of the issuer are staff, `user/` scopes. In a
    /// dialect with roles the role PATIENT without scopes reads the own record.
    pub fn coverage(&self, dialect: &Dialect) -> Coverage {
        if self.is_staff {
            return Coverage::of_everything();
        }
        if self.patient.is_some() {
            return match dialect.roles && self.is_patient_role && !self.scopes.speak_of_data() {
                true => Coverage::of_everything(),
                false => Coverage::of(&self.scopes, ScopeLevel::Patient),
            };
        }
        let system = Coverage::of(&self.scopes, ScopeLevel::System);
        match system.is_empty() && self.user_scopes_reach_all {
            true => Coverage::of(&self.scopes, ScopeLevel::User),
            false => system,
        }
    }

    /// Whether the caller may start and follow an EHI export of this patient.
    pub fn may_export_ehi(&self, patient: &PatientId) -> EhiAccess {
        let is_system = self.patient.is_none();
        if self.patient.as_ref() != Some(patient) && !is_system {
            return EhiAccess::OtherPatient;
        }
        let level = if is_system { ScopeLevel::System } else { ScopeLevel::Patient };
        if !self.scopes.allows_operation(level, "$ehi-export") {
            let missing = if is_system { "system/$ehi-export" } else { "patient/$ehi-export" };
            return EhiAccess::MissingScope(missing);
        }
        match (self.scopes.access_tags(), is_system) {
            (Some(_), _) => EhiAccess::LimitedByTags,
            (None, true) => EhiAccess::System,
            (None, false) => EhiAccess::Patient,
        }
    }

    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// See [`Caller::may_export_ehi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EhiAccess {
    Patient,
    /// An internal app, which needs no form.
    System,
    OtherPatient,
    /// The scope that the token lacks.
    MissingScope(&'static str),
    /// The token is limited by `access/` scopes, and an EHI export cannot be.
    LimitedByTags,
}

/// A text, as words between spaces, or a list of texts; `None` for anything else that is there.
fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Value::Array(list) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Whether a `fhirUser` is a Patient or a RelatedPerson. What is no text is taken for one.
fn names_a_patient(user: &Value) -> bool {
    match user {
        Value::Null => false,
        Value::String(url) => url.split('/').any(|part| matches!(part, "Patient" | "RelatedPerson")),
        _ => true,
    }
}
