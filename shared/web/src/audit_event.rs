//! Converts an entry of the audit trail to an AuditEvent (FHIR R4, AuditEvent; codes of DICOM PS3.16, ISO 21089 and FHIR).

use domain::audit::{Action, Actor, ActorKind, Entry, NAMED_FOR, Outcome, Population};
use serde_json::{Value, json};

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const AGENT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// Returns the codes of an action: `type`, `subtype`, and `action` (create, read, update, delete, execute).
fn codes(action: Action) -> (Value, Value, &'static str) {
    let sign_in = || coding(DICOM, "110114", "User Authentication");
    let record = || coding(DICOM, "110110", "Patient Record");
    let export = || coding(DICOM, "110106", "Export");
    let rest = || coding(EVENT_TYPE, "rest", "RESTful Operation");
    let operation = || coding(INTERACTION, "operation", "operation");
    let stage = |code: &str| json!({ "system": LIFECYCLE, "code": code });
    match action {
        Action::SignIn | Action::SignInFailed => (sign_in(), coding(DICOM, "110122", "Login"), "E"),
        Action::SignOut => (sign_in(), coding(DICOM, "110123", "Logout"), "E"),
        Action::RecordViewed => (record(), stage("access"), "R"),
        Action::ExportStarted => (export(), stage("extract"), "E"),
        Action::ChoicesSent => (rest(), stage("amend"), "U"),
        Action::Download => (export(), stage("disclose"), "R"),
        Action::MailSent => (rest(), stage("transmit"), "E"),
        Action::Approved => (rest(), stage("attest"), "U"),
        Action::Rejected => (rest(), stage("deprecate"), "U"),
        Action::Redacted => (record(), stage("deidentify"), "U"),
        Action::Attached => (record(), stage("link"), "C"),
        Action::Detached => (record(), stage("unlink"), "D"),
        Action::Deleted => (rest(), stage("destroy"), "D"),
        Action::Restored => (rest(), stage("reactivate"), "U"),
        Action::ConsentGiven | Action::ConsentDenied | Action::TokenIssued | Action::TokenRefreshed => {
            (rest(), operation(), "C")
        }
        Action::TokenRevoked | Action::AccessStopped => (rest(), operation(), "D"),
        Action::SettingsChanged => (
            coding(DICOM, "110113", "Security Alert"),
            coding(DICOM, "110129", "Security Configuration"),
            "U",
        ),
        Action::AccessRefused => (
            coding(DICOM, "110113", "Security Alert"),
            coding(DICOM, "110132", "Use of Restricted Function"),
            "E",
        ),
        Action::AuditRead => (coding(DICOM, "110101", "Audit Log Used"), stage("access"), "R"),
    }
}

/// Returns the AuditEvent of an entry. `base_url` is the public base URL of this server.
pub fn audit_event(entry: &Entry, base_url: &str) -> Value {
    let event = &entry.event;
    let (kind, subtype, action) = codes(event.action);
    let outcome = match event.outcome {
        _ if event.action == Action::SignInFailed => "4",
        Outcome::Success => "0",
        Outcome::Refused => "4",
        Outcome::Failed => "8",
    };
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": format!("{}-{}", entry.shard, entry.sequence),
        "type": kind,
        "subtype": [subtype],
        "action": action,
        "recorded": entry.at.to_string(),
        "outcome": outcome,
        "outcomeDesc": format!("{}: {}", event.action.name(), event.outcome.name()),
        "agent": [agent(entry, base_url)],
        "source": {
            "observer": { "identifier": { "value": base_url } },
            "type": [coding(SOURCE_TYPE, "4", "Application Server")],
        },
    });
    let entities = entities(entry, base_url);
    if !entities.is_empty() {
        resource["entity"] = Value::from(entities);
    }
    resource
}

fn agent(entry: &Entry, base_url: &str) -> Value {
    let Actor { kind, id, issuer } = &entry.event.actor;
    let (role, who) = match kind {
        ActorKind::Patient => {
            (coding(AGENT_ROLE, "humanuser", "human user"), json!({ "reference": format!("Patient/{id}") }))
        }
        ActorKind::Staff | ActorKind::Unknown => {
            let system = issuer.as_deref().unwrap_or(base_url);
            (
                coding(AGENT_ROLE, "humanuser", "human user"),
                json!({ "identifier": { "system": system, "value": id } }),
            )
        }
        ActorKind::Client | ActorKind::Server => {
            let system = issuer.as_deref().unwrap_or(base_url);
            (
                coding(DICOM, "110150", "Application"),
                json!({ "identifier": { "system": system, "value": id } }),
            )
        }
    };
    let mut agent = json!({ "type": { "coding": [role] }, "who": who, "requestor": true });
    if let Some(address) = &entry.event.origin.address {
        // Type 2 is an IP address.
        agent["network"] = json!({ "address": address, "type": "2" });
    }
    agent
}

fn entities(entry: &Entry, base_url: &str) -> Vec<Value> {
    let event = &entry.event;
    let patients = event.patient.iter().chain(&event.shown).map(|patient| {
        json!({
            "what": { "reference": format!("Patient/{patient}") },
            "type": coding(ENTITY_TYPE, "1", "Person"),
            "role": coding(ENTITY_ROLE, "1", "Patient"),
        })
    });
    let named = |system: String, value: &str, role: Value| {
        json!({
            "what": { "identifier": { "system": system, "value": value } },
            "type": coding(ENTITY_TYPE, "2", "System Object"),
            "role": role,
        })
    };
    let population = event.population.as_ref().map(|population| {
        let mut entity =
            named(format!("{base_url}/populations"), &population.name(), coding(ENTITY_ROLE, "7", "List"));
        match population {
            Population::Group(_) => entity["what"] = json!({ "reference": population.name() }),
            Population::Named(count) => {
                let hours = NAMED_FOR.as_hours();
                let text = format!(
                    "{count} patients: events of the same agent about the same job, at most {hours} h before, name them"
                );
                entity["description"] = text.into();
            }
            Population::AllPatients | Population::System => {}
        }
        entity
    });
    let job = event
        .job
        .as_ref()
        .map(|job| named(format!("{base_url}/jobs"), job.as_str(), coding(ENTITY_ROLE, "20", "Job")));
    let object = event.object.as_ref().map(|object| {
        named(format!("{base_url}/objects"), object, coding(ENTITY_ROLE, "4", "Domain Resource"))
    });
    let request = event.origin.request.as_ref().map(|request| {
        named(format!("{base_url}/requests"), request, coding(ENTITY_ROLE, "21", "Job Stream"))
    });
    patients.chain([population, job, object, request].into_iter().flatten()).collect()
}

/// Returns the AuditEvent as a line of NDJSON, with a line feed at its end.
pub fn line(entry: &Entry, base_url: &str) -> String {
    format!("{}\n", audit_event(entry, base_url))
}
