//! Finds the mistakes in a draft, field by field, and describes them to the patient.

use domain::choices::RecordGroup;
use domain::sensitive::Sensitive;
use web::pages::FieldProblem;
use words::Words;

use crate::draft::{Draft, PartDraft};

/// The maximum number of characters in a note, and in the text of a topic.
pub(crate) const MAX_NOTE: usize = 500;

/// Returns the first field of a date, which the link to a mistake leads to.
pub(crate) fn first_unit(words: &Words) -> &'static str {
    if words.text("date-order", &[]) == "day-first" { "day" } else { "month" }
}

/// Returns the mistakes of step 1.
pub(crate) fn of_parts(draft: &Draft, words: &Words) -> Vec<FieldProblem> {
    let mut found = Vec::new();
    if !draft.parts.values().any(|part| part.ticked) {
        let first = RecordGroup::ALL[0].key();
        found.push(problem(format!("part-{first}"), words.text("none-chosen", &[])));
    }
    for (group, part) in &draft.parts {
        of_part(*group, part, words, &mut found);
    }
    found
}

fn of_part(group: RecordGroup, part: &PartDraft, words: &Words, found: &mut Vec<FieldProblem>) {
    let key = group.key();
    let name = words.text(&format!("part-{key}"), &[]);
    let unit = first_unit(words);
    for (which, date) in [("from", &part.from), ("to", &part.to)] {
        if date.fhir().is_none() {
            let text = words.text("not-a-date", &[("part", &name)]);
            found.push(problem(format!("part-{key}-{which}-{unit}"), text));
        }
    }
    if part.from.first().zip(part.to.last()).is_some_and(|(from, to)| from > to) {
        let text = words.text("wrong-order", &[("part", &name)]);
        found.push(problem(format!("part-{key}-from-{unit}"), text));
    }
    if let Some(beyond) = beyond(&part.note) {
        let text = words.text("note-too-long", &[("part", &name), ("count", &beyond)]);
        found.push(problem(format!("part-{key}-note"), text));
    }
}

/// Returns the mistakes of step 2.
pub(crate) fn of_topics(draft: &Draft, words: &Words) -> Vec<FieldProblem> {
    let mut found = Vec::new();
    for (topic, typed) in &draft.topics {
        let key = topic.key();
        let name = topic_name(*topic, words);
        if !typed.ticked && !typed.text.is_empty() {
            let text = words.text("text-without-tick", &[("topic", &name)]);
            found.push(problem(format!("topic-{key}"), text));
        }
        if let Some(beyond) = beyond(&typed.text) {
            let text = words.text("text-too-long", &[("topic", &name), ("count", &beyond)]);
            found.push(problem(format!("topic-{key}-text"), text));
        }
    }
    found
}

pub(crate) fn topic_name(topic: Sensitive, words: &Words) -> String {
    words.text(&format!("topic-{}", topic.key()), &[])
}

/// Returns the number of characters over the limit; `None` if the text is short enough.
fn beyond(text: &str) -> Option<String> {
    let letters = text.chars().count();
    (letters > MAX_NOTE).then(|| (letters - MAX_NOTE).to_string())
}

pub(crate) fn problem(field: String, text: String) -> FieldProblem {
    FieldProblem { field, text }
}

#[cfg(test)]
mod tests;
