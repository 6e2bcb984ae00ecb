//! The account of the record in the patient's words: what is in the copy, and what was left out and why. All numbers are those of the
//! ledger.

use std::collections::BTreeSet;

use domain::choices::Choices;
use domain::header::JobHeader;
use domain::ledger::{Ledger, Reason};
use domain::manifest::ExportTotals;
use domain::moves::ChosenBy;
use domain::sensitive::Sensitive;
use web::pages::{AccountRow, ChosenPart, QuotedReason};
use web::rejection::around;
use words::Words;

/// Returns whether the choices were not made by the patient, but by staff, who started the export or filled in its form, or an app.
pub(crate) fn is_chosen_by_another(header: &JobHeader) -> bool {
    header.chosen_by() != ChosenBy::Patient
}

/// Returns the rows of what was left out or withheld, with the reason: entries, and documents. The reasons name the patient only if the
/// choices are the patient's.
pub(crate) fn left_out(summary: &ExportTotals, by_another: bool, words: &Words) -> Vec<AccountRow> {
    let Some(ledger) = &summary.ledger else { return Vec::new() };
    let (resources, documents) = (&ledger.resources, &ledger.documents);
    let row = |why: String, entries: u64, documents: u64| AccountRow {
        why,
        quotes: Vec::new(),
        after: String::new(),
        entries: words.number(entries),
        documents: words.number(documents),
        is_empty: entries + documents == 0,
    };
    let withheld = Sensitive::ALL.into_iter().map(|topic| {
        let name = words.text(&format!("topic-{}", topic.key()), &[]);
        let count = |counts: &std::collections::BTreeMap<Sensitive, u64>| counts.get(&topic).copied();
        row(
            words.text(if by_another { "my-why-topic-staff" } else { "my-why-topic" }, &[("topic", &name)]),
            count(&resources.withheld).unwrap_or_default(),
            count(&documents.withheld).unwrap_or_default(),
        )
    });
    let reasons = Reason::ALL.into_iter().map(|reason| {
        let mut after = String::new();
        let why = match reason {
            Reason::Staff => {
                let (before, end) = around("my-why-staff", "reasons", words);
                after = end;
                before
            }
            Reason::FormGroup | Reason::DateRange if by_another => {
                words.text(&format!("my-why-{}-staff", reason.key()), &[])
            }
            _ => words.text(&format!("my-why-{}", reason.key()), &[]),
        };
        let quotes = if reason == Reason::Staff { reasons_of_staff(summary, words) } else { Vec::new() };
        let row = row(why, resources.left_out.get(reason), documents.left_out.get(reason));
        AccountRow { quotes, after, ..row }
    });
    let others = [
        row(words.text("my-why-duplicates", &[]), resources.duplicates, 0),
        row(words.text("my-why-problems", &[]), resources.problems, documents.problems),
    ];
    withheld.chain(reasons).chain(others).filter(|row| !row.is_empty).collect()
}

/// Returns the reasons why staff left something out, each once and as staff typed it.
fn reasons_of_staff(summary: &ExportTotals, words: &Words) -> Vec<QuotedReason> {
    let typed = summary.redactions.iter().map(|redaction| (&redaction.reason, &redaction.language));
    let reasons: BTreeSet<_> = typed.collect();
    let quoted = |(text, language): (&String, &Option<String>)| {
        let (before, after) = around("my-quoted", "text", words);
        QuotedReason { before, text: text.clone(), language: language.clone(), after }
    };
    reasons.into_iter().map(quoted).collect()
}

/// Returns in words how many entries and documents the record has, and how many of them are in the copy.
pub(crate) fn total(ledger: &Ledger, words: &Words) -> String {
    let number = |number: u64| words.number(number);
    words.text(
        "my-account",
        &[
            ("read", &number(ledger.resources.read)),
            ("found", &number(ledger.documents.found)),
            ("written", &number(ledger.resources.written)),
            ("documents", &number(ledger.documents.written)),
        ],
    )
}

/// Returns the parts that were ticked, with their dates and notes.
pub(crate) fn parts(choices: &Choices, words: &Words) -> Vec<ChosenPart> {
    let ticked = choices.parameters.iter().filter(|(_, choice)| choice.enabled);
    ticked
        .map(|(group, choice)| {
            let day =
                |day: &Option<domain::choices::Day>| day.as_ref().map(|day| words.partial(day.as_str()));
            ChosenPart {
                name: words.text(&format!("part-{}", group.key()), &[]),
                dates: match (day(&choice.from), day(&choice.to)) {
                    (None, None) => words.text("check-all-times", &[]),
                    (Some(from), None) => words.text("check-from", &[("from", &from)]),
                    (None, Some(to)) => words.text("check-to", &[("to", &to)]),
                    (Some(from), Some(to)) => words.text("check-from-to", &[("from", &from), ("to", &to)]),
                },
                note: choice.notes.clone(),
            }
        })
        .collect()
}

/// Returns the names of the private topics that were ticked.
pub(crate) fn topics(choices: &Choices, words: &Words) -> Vec<String> {
    let given = Sensitive::ALL.into_iter().filter(|topic| choices.authorizes(*topic));
    given.map(|topic| words.text(&format!("topic-{}", topic.key()), &[])).collect()
}

#[cfg(test)]
mod tests;
