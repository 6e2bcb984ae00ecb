//! The request of a job, described for staff.

use domain::choices::{Choices, Day, RecordGroup};
use domain::header::JobHeader;
use domain::job::Job;
use domain::moves::ChosenBy;
use domain::request::Cohort;
use domain::selection::{Provenance, Selection};
use domain::sensitive::Sensitive;
use words::Words;

/// A part or topic of the patient's form, with the choice.
pub struct PartRow {
    pub name: String,
    pub is_chosen: bool,
    pub answer: String,
    /// The text that was typed, even if the part is not ticked.
    pub quoted: Option<String>,
}

/// Describes the request without the choices of the form.
pub(super) fn sentences(job: &Job, words: &Words) -> Vec<String> {
    let request = &job.header().request;
    let one = |key: &str| vec![words.text(key, &[])];
    match (job, &request.selection, &request.choices) {
        (Job::AwaitingInput(_), _, _) => one("job-nothing-chosen-yet"),
        (_, Some(selection), _) => bulk(&request.cohort, selection, words),
        (_, None, None) => one("job-complete-record"),
        // Jobs that were started when an empty form was still accepted.
        (_, None, Some(choices)) if choices.is_empty() => one("job-nothing-chosen"),
        (_, None, Some(_)) => match &request.cohort {
            Cohort::Group(group) => {
                vec![words.text("job-group", &[("group", &format!("Group/{group}"))])]
            }
            Cohort::Patients(_) | Cohort::Everyone => Vec::new(),
        },
    }
}

/// Returns the key of the message for a text that was typed with the choices.
pub(super) fn quotation(header: &JobHeader) -> &'static str {
    match header.chosen_by() {
        ChosenBy::Patient => "job-words",
        ChosenBy::App | ChosenBy::Staff => "job-note",
    }
}

/// Returns the parts of the record with the choice of each. `quotation` is the key of the message for a text.
pub(super) fn parts(choices: &Choices, quotation: &str, words: &Words) -> Vec<PartRow> {
    let row = |group: RecordGroup| {
        let choice = choices.choice(group);
        let is_chosen = choice.is_some_and(|choice| choice.enabled);
        let day = |day: Option<&Option<Day>>| day?.as_ref().map(|day| words.partial(day.as_str()));
        let (from, to) = (day(choice.map(|choice| &choice.from)), day(choice.map(|choice| &choice.to)));
        let answer = match (is_chosen, from, to) {
            (false, _, _) => words.text("job-out", &[]),
            (true, None, None) => words.text("check-all-times", &[]),
            (true, Some(from), None) => words.text("check-from", &[("from", &from)]),
            (true, None, Some(to)) => words.text("check-to", &[("to", &to)]),
            (true, Some(from), Some(to)) => words.text("check-from-to", &[("from", &from), ("to", &to)]),
        };
        PartRow {
            name: words.text(&format!("part-{}", group.key()), &[]),
            is_chosen,
            answer,
            quoted: quoted(choice.map_or("", |choice| &choice.notes), quotation, words),
        }
    };
    RecordGroup::ALL.into_iter().map(row).collect()
}

/// Returns the private topics with the choice of each. `quotation` is the key of the message for a text.
pub(super) fn topics(choices: &Choices, quotation: &str, words: &Words) -> Vec<PartRow> {
    let row = |category: Sensitive| {
        let is_chosen = choices.authorizes(category);
        let given = choices.authorizations.get(&category);
        PartRow {
            name: words.text(&format!("topic-{}", category.key()), &[]),
            is_chosen,
            answer: words.text(if is_chosen { "job-in" } else { "job-out" }, &[]),
            quoted: quoted(given.map_or("", |given| &given.description), quotation, words),
        }
    };
    Sensitive::ALL.into_iter().map(row).collect()
}

fn quoted(text: &str, quotation: &str, words: &Words) -> Option<String> {
    (!text.is_empty()).then(|| words.text(quotation, &[("text", text)]))
}

fn bulk(cohort: &Cohort, selection: &Selection, words: &Words) -> Vec<String> {
    let text_of = |key: &str| words.text(key, &[]);
    let whose = match cohort {
        Cohort::Everyone if selection.all_shared => text_of("job-bulk-everything"),
        Cohort::Everyone => text_of("job-bulk-everyone"),
        Cohort::Group(group) => words.text("job-bulk-group", &[("group", &format!("Group/{group}"))]),
        Cohort::Patients(patients) => match &patients[..] {
            [patient] => format!("Patient/{patient}"),
            patients => words.text("job-bulk-patients", &[("count", &words.number(patients.len() as u64))]),
        },
    };
    let mut sentences = vec![words.text("job-bulk", &[("whose", &whose)])];
    let mut add = |key: &str, list: Vec<String>| {
        if !list.is_empty() {
            sentences.push(words.text(key, &[("list", &list.join(", "))]));
        }
    };
    add("job-bulk-types", selection.types.iter().flatten().cloned().collect());
    add("job-bulk-since", selection.since.iter().map(|at| words.moment(*at)).collect());
    add("job-bulk-until", selection.until.iter().map(|at| words.moment(*at)).collect());
    let mut filtered: Vec<_> = selection.filters.iter().map(|filter| filter.resource_type.clone()).collect();
    filtered.dedup();
    add("job-bulk-filters", filtered);
    let elements = selection.elements.iter().map(|element| match &element.resource_type {
        Some(resource_type) => format!("{resource_type}.{}", element.name),
        None => element.name.clone(),
    });
    add("job-bulk-elements", elements.collect());
    add("job-bulk-scopes", selection.constraints.keys().cloned().collect());
    add("job-bulk-tags", selection.tags.iter().flatten().cloned().collect());
    match selection.provenance {
        Provenance::All => {}
        Provenance::Relevant => sentences.push(text_of("job-bulk-provenance-relevant")),
        Provenance::Latest => sentences.push(text_of("job-bulk-provenance-latest")),
    }
    let ignored = selection.ignored.iter();
    sentences.extend(ignored.map(|ignored| words.text("job-bulk-ignored", &[("list", ignored)])));
    sentences
}
