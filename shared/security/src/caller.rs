//! The caller that a verified token identifies, and what the token allows.

use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::ids::{ClientId, PatientId};
use domain::owner::Owner;
use domain::roles::{Role, Roles};
use domain::scopes::{ScopeLevel, Scopes};
use fhir::ids::is_fhir_id;
use jiff::Timestamp;
use serde_json::Value;
use settings::Issuer;

use crate::jwt::{Claims, Refused};
use crate::tokens::{self, LEEWAY};

/// The maximum length of `sub` (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT: usize = 255;
/// The role of a user who is a patient.
const PATIENT: &str = "PATIENT";

/// The caller that a token identifies.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub client: ClientId,
    /// The issuer of a token from another authorization server; `None` for a token of this server.
    pub issuer: Option<String>,
    pub patient: Option<PatientId>,
    pub scopes: Scopes,
    /// The roles of the caller as a member of staff, if the settings accept the staff of the token's issuer.
    pub roles: Roles,
    pub subject: String,
    /// The URL of the user's own resource, if the token has one.
    pub fhir_user: Option<String>,
    /// Whether `user/` scopes give access to all patients; otherwise they give no access.
    user_scopes_reach_all: bool,
    /// Whether another issuer says that the user is the token's patient, and not a clinician with the patient in the
    /// token's context.
    pub is_patient: bool,
    /// The token has the role PATIENT.
    is_patient_role: bool,
    pub(super) expires_at: Timestamp,
    /// The key under which the token is revoked.
    pub(super) revocation_key: String,
    pub(super) family: Option<String>,
}

impl Caller {
    /// Returns the authorization of this server from which the token was issued.
    pub fn family(&self) -> Option<&String> {
        self.family.as_ref()
    }

    /// Returns the caller of a token of this server; `None` for claims that this server does not issue.
    pub(super) fn of_own(claims: tokens::AccessTokenClaims) -> Option<Self> {
        Some(Self {
            client: ClientId::parse(&claims.client_id).ok()?,
            issuer: None,
            patient: claims.patient.as_deref().map(PatientId::parse).transpose().ok()?,
            scopes: Scopes::parse(&claims.scope),
            roles: Roles::default(),
            subject: claims.sub,
            fhir_user: claims.fhir_user,
            // A token without a patient belongs to a registered backend service.
            user_scopes_reach_all: true,
            is_patient: false,
            is_patient_role: false,
            expires_at: Timestamp::from_second(claims.exp).ok()?,
            revocation_key: claims.jti,
            family: claims.family,
        })
    }

    /// Returns the caller of a trusted issuer's token. `bases` are the URLs of this server below which resources have their
    /// addresses.
    pub(super) fn of_issuer(
        issuer: &Issuer,
        bases: &[String],
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
        let users = [claims.get("fhirUser"), claims.get("profile")];
        let may_be_staff = users.into_iter().all(may_name_staff);
        let patient = match claims.text("patient")? {
            None => None,
            Some(id) => Some(PatientId::parse(id).map_err(|_| "an invalid patient id")?),
        };
        let is_patient_role = roles.iter().any(|role| role == PATIENT);
        // A clinician can have the role as well. So the role identifies the user only if the token has no other one.
        let has_only_this_role = is_patient_role && roles.iter().all(|role| role == PATIENT);
        let bases = Bases { ours: bases, issuer };
        Ok(Self {
            client: ClientId::parse(client).map_err(|_| "an invalid client id")?,
            issuer: Some(issuer.issuer.clone()),
            is_patient: patient
                .as_ref()
                .is_some_and(|patient| is_user(patient, users, &bases, has_only_this_role)),
            patient,
            scopes: Scopes::parse(&scope),
            roles: if may_be_staff { issuer.roles_of(&roles) } else { Roles::default() },
            subject: subject.to_owned(),
            fhir_user: claims.text("fhirUser")?.map(str::to_owned),
            user_scopes_reach_all: issuer.users_are_staff && may_be_staff,
            is_patient_role,
            expires_at: Timestamp::from_second(expires).map_err(|_| "a time that is out of range")?,
            revocation_key,
            family: None,
        })
    }

    /// Returns whether the caller may read and review exports as staff.
    pub fn is_reviewer(&self) -> bool {
        self.roles.has(Role::Reviewer)
    }

    /// Returns the owner of jobs that this caller starts.
    pub fn owner(&self) -> Owner {
        Owner::new(self.client.clone(), self.issuer.clone(), self.patient.clone(), &self.subject)
    }

    /// Returns whether the token belongs to this client of this issuer. A client id is unique only within its issuer.
    pub fn is_of(&self, client: &ClientId, issuer: Option<&str>) -> bool {
        self.client == *client && self.issuer.as_deref() == issuer
    }

    /// Returns the resources that the caller may read. Reviewers may read everything. `patient/` scopes apply to a
    /// token with a patient, and only to that patient's record. Otherwise `system/` scopes apply or, if there are none
    /// and the users of the issuer are staff, `user/` scopes. In a dialect with roles, the role PATIENT without scopes
    /// gives access to the patient's own record.
    pub fn coverage(&self, dialect: &Dialect) -> Coverage {
        if self.is_reviewer() {
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

    /// Returns whether the caller may start an EHI export of this patient and read its status.
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

/// The result of [`Caller::may_export_ehi`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EhiAccess {
    Patient,
    /// A system token, for which no form is needed.
    System,
    /// The token belongs to another patient.
    OtherPatient,
    /// The scope that the token lacks.
    MissingScope(&'static str),
    /// The token is limited by `access/` scopes, and an EHI export cannot be limited.
    LimitedByTags,
}

/// Returns the words of a text or a list of texts; empty for a missing claim, and `None` for any other value.
fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Value::Array(list) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The URLs below which `fhirUser` names the patients of this server.
struct Bases<'a> {
    ours: &'a [String],
    issuer: &'a Issuer,
}

impl Bases<'_> {
    /// Returns whether a URL is that of this patient. A Patient of another server can have the same id and be another person.
    fn name(&self, url: &str, patient: &PatientId) -> bool {
        let Some(base) = url.strip_suffix(&format!("Patient/{patient}")) else { return false };
        let issuers = [Some(&self.issuer.issuer), self.issuer.fhir_base.as_ref()];
        let mut known = self.ours.iter().chain(issuers.into_iter().flatten());
        // A relative URL is relative to this server.
        base.is_empty()
            || base
                .strip_suffix('/')
                .is_some_and(|base| known.any(|known| known.strip_suffix('/').unwrap_or(known) == base))
    }
}

/// Returns whether the user is this patient: by the names of the user in the token, or else by the role.
fn is_user(patient: &PatientId, users: [&Value; 2], bases: &Bases<'_>, has_patient_role: bool) -> bool {
    let mut named = users.into_iter().filter(|user| !user.is_null()).peekable();
    if named.peek().is_none() {
        return has_patient_role;
    }
    named.all(|user| user.as_str().is_some_and(|url| bases.name(url, patient)))
}

/// Returns whether a `fhirUser` allows that the user is staff: there is none, or it is the URL of a Practitioner or a
/// PractitionerRole. Any other value gives no access as staff, because it may mean a patient.
fn may_name_staff(user: &Value) -> bool {
    let url = match user {
        Value::Null => return true,
        Value::String(url) => url,
        _ => return false,
    };
    let mut parts = url.rsplitn(3, '/');
    let (id, resource_type, base) = (parts.next(), parts.next(), parts.next());
    id.is_some_and(is_fhir_id)
        && matches!(resource_type, Some("Practitioner" | "PractitionerRole"))
        && base.is_none_or(|base| base.starts_with("https://") || base.starts_with("http://"))
}

#[cfg(test)]
mod tests;
