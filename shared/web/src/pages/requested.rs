//! What a job exports, in sentences for staff.

use domain::choices::Choices;
use domain::job::Job;
use domain::request::Cohort;
use domain::selection::{Provenance, Selection};

/// What was asked for, beside the table of the form's choices.
pub(super) fn sentences(job: &Job) -> Vec<String> {
    let request = &job.header().request;
    match (job, &request.selection, &request.choices) {
        (Job::AwaitingInput(_), _, _) => {
            vec!["The patient has not filled in the form yet. Nothing is collected before.".to_owned()]
        }
        (_, Some(selection), _) => bulk(&request.cohort, selection),
        (_, None, None) => {
            vec!["No form: the complete record, with everything sensitive.".to_owned()]
        }
        (_, None, Some(choices)) if choices.is_empty() => vec![nothing_chosen()],
        (_, None, Some(_)) => Vec::new(),
    }
}

/// The choices of jobs that were started when an empty form was still accepted.
fn nothing_chosen() -> String {
    "No group of the record was chosen: only Patient, Practitioner, Organization and results other than laboratory are exported."
        .to_owned()
}

/// The categories that the patient authorized, each with the description that the patient gave.
pub(super) fn authorized(choices: &Choices) -> String {
    let given = choices.authorizations.iter().filter(|(_, authorization)| authorization.given);
    let names: Vec<_> = given
        .map(|(category, authorization)| match authorization.description.as_str() {
            "" => category.name().to_owned(),
            description => format!("{} (\u{201c}{description}\u{201d})", category.name()),
        })
        .collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn bulk(cohort: &Cohort, selection: &Selection) -> Vec<String> {
    let whose = match cohort {
        Cohort::Everyone if selection.all_shared => {
            "all patients, and everything that belongs to none".to_owned()
        }
        Cohort::Everyone => "all patients".to_owned(),
        Cohort::Group(group) => format!("the members of Group/{group}"),
        Cohort::Patients(patients) => match &patients[..] {
            [patient] => format!("Patient/{patient}"),
            patients => format!("{} patients", patients.len()),
        },
    };
    let mut sentences = vec![format!("Bulk export, without a form: the records of {whose}.")];
    let mut tell = |what: &str, list: Vec<String>| {
        if !list.is_empty() {
            sentences.push(format!("{what}: {}.", list.join(", ")));
        }
    };
    tell("Only the types", selection.types.iter().flatten().cloned().collect());
    tell("Changed after", selection.since.iter().map(ToString::to_string).collect());
    tell("Changed before", selection.until.iter().map(ToString::to_string).collect());
    let mut filtered: Vec<_> = selection.filters.iter().map(|filter| filter.resource_type.clone()).collect();
    filtered.dedup();
    tell("Filtered by _typeFilter", filtered);
    let elements = selection.elements.iter().map(|element| match &element.resource_type {
        Some(resource_type) => format!("{resource_type}.{}", element.name),
        None => element.name.clone(),
    });
    tell("Only the elements", elements.collect());
    tell("Narrowed by the token's scopes", selection.constraints.keys().cloned().collect());
    tell("Only with the security tags", selection.tags.iter().flatten().cloned().collect());
    let provenance = match selection.provenance {
        Provenance::All => None,
        Provenance::Relevant => Some("of exported resources".to_owned()),
        Provenance::Latest => Some("the latest of each exported resource".to_owned()),
    };
    tell("Provenance", provenance.into_iter().collect());
    sentences.extend(selection.ignored.iter().map(|ignored| format!("Told to the client: {ignored}.")));
    sentences
}
