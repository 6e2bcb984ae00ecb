//! A job as JSON (contract, section 4).

use domain::choices::Choices;
use domain::choices::reading::complete;
use domain::error::Store;
use domain::job::Job;
use domain::ports::jobs::StoredJob;
use domain::states::Running;
use serde_json::{Map, Value, json};
use settings::Settings;

/// Returns the job with its choices, attachments, progress and history. `manifest` is the job's manifest; without it, the member is
/// null. The `value` of an authorization is always a boolean, because clients treat every value except `false` as consent.
pub fn job_json(stored: &StoredJob, settings: &Settings, manifest: Option<&Value>) -> Value {
    let job = &stored.job;
    let header = job.header();
    let (parameters, authorizations) = choices_json(header.request.choices.as_ref());
    let (completed_at, withheld, error) = match job {
        Job::Complete(complete) => {
            (complete.completed_at.as_millisecond(), json!(complete.summary.withheld), Value::Null)
        }
        Job::InReview(review) => (0, json!(review.summary.withheld), Value::Null),
        Job::Rejected(rejected) => (0, json!({}), json!(rejected.reason)),
        Job::Failed(failed) => (0, json!({}), json!(failed.reason)),
        Job::AwaitingInput(_) | Job::Queued(_) | Job::Running(_) | Job::Cancelled(_) | Job::Expired(_) => {
            (0, json!({}), Value::Null)
        }
    };
    let progress = &stored.progress;
    let ledger = job.summary().and_then(|summary| summary.ledger.as_ref());
    let mut value = json!({
        "id": header.id,
        "patient": header.patient.as_ref().map(|patient| json!({ "id": patient.id, "name": patient.name })),
        "status": job.state().ehi_status(),
        "createdAt": header.created_at.as_millisecond(),
        "completedAt": completed_at,
        "parameters": parameters,
        "authorizations": authorizations,
        "attachments": attachments_json(job, settings),
        "autoApprove": !header.review,
        "manifest": manifest,
        "progress": {
            "percent": stored.percent(),
            "bytesDone": progress.bytes_done,
            "bytesPlanned": progress.bytes_planned,
            "resources": progress.resources,
        },
        "withheld": withheld,
        "ledger": ledger,
        "history": header.history.iter().map(|event| json!({
            "at": event.at.as_millisecond(), "who": event.actor, "what": event.action,
        })).collect::<Vec<_>>(),
        "error": error,
    });
    if let Job::Running(Running { waiting: Some(waiting), .. }) = job {
        value["waiting"] = json!({
            "since": waiting.since.as_millisecond(),
            "store": waiting.store.map(Store::name),
            "text": waiting.describe(),
        });
    }
    value
}

/// Returns the parts and the private topics of the form, with the values that were chosen.
fn choices_json(choices: Option<&Choices>) -> (Map<String, Value>, Map<String, Value>) {
    let (groups, categories) = complete(choices);
    let parameters = groups
        .into_iter()
        .map(|(group, choice)| {
            let value = json!({
                "name": group.name(),
                "group": group.part(),
                "enabled": choice.enabled,
                "from": choice.from,
                "to": choice.to,
                "notes": choice.notes,
            });
            (group.key().to_owned(), value)
        })
        .collect();
    let authorizations = categories
        .into_iter()
        .map(|(category, authorization)| {
            let mut value = json!({ "name": category.name(), "value": authorization.given });
            if category.has_description() {
                value["text"] = json!(authorization.description);
            }
            (category.key().to_owned(), value)
        })
        .collect();
    (parameters, authorizations)
}

/// Returns the files that staff attached.
fn attachments_json(job: &Job, settings: &Settings) -> Vec<Value> {
    let attachments = job.header().attachments.iter();
    attachments
        .map(|file| {
            json!({
                "title": file.title,
                "contentType": file.content_type,
                "size": file.size,
                "url": attachment_url(settings, job, file.name.as_str()),
            })
        })
        .collect()
}

/// Returns the URL of a file that staff attached, which needs a token.
fn attachment_url(settings: &Settings, job: &Job, name: &str) -> String {
    settings.url(&format!("/jobs/{}/download/attachments/{name}", job.id()))
}

/// Returns the URL of a file of the export.
pub fn file_url(settings: &Settings, job: &Job, name: &str) -> String {
    settings.url(&format!("/jobs/{}/download/{name}", job.id()))
}
