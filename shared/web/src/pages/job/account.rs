//! The ledger of an export, described for staff.

use domain::ledger::{Ledger, Reason};
use domain::sensitive::Sensitive;
use words::Words;

/// The ledger: its totals as sentences, and a row for each reason.
pub struct Account {
    pub sentences: Vec<String>,
    pub rows: Vec<ReasonRow>,
}

pub struct ReasonRow {
    pub reason: String,
    pub resources: String,
    pub documents: String,
}

impl Account {
    pub(super) fn new(ledger: &Ledger, words: &Words) -> Self {
        let number = |count: u64| words.number(count);
        let Ledger { patients, resources, documents, problems } = ledger;
        let mut sentences = vec![words.text(
            "job-ledger-sum",
            &[
                ("read", &number(resources.read)),
                ("written", &number(resources.written)),
                ("left", &number(resources.left_out.total())),
                ("withheld", &number(resources.withheld.values().sum())),
                ("duplicates", &number(resources.duplicates)),
                ("failed", &number(resources.problems)),
            ],
        )];
        if documents.found > 0 {
            let values = [
                ("found", &*number(documents.found)),
                ("written", &*number(documents.written)),
                ("left", &*number(documents.left_out.total())),
                ("withheld", &*number(documents.withheld.values().sum())),
                ("failed", &*number(documents.problems)),
            ];
            sentences.push(words.text("job-ledger-documents", &values));
        }
        let counted = [
            ("job-ledger-made", resources.made),
            ("job-ledger-problems", problems.reported + problems.unlisted),
            ("job-ledger-partly", patients.failed),
        ];
        for (key, count) in counted.into_iter().filter(|(_, count)| *count > 0) {
            sentences.push(words.text(key, &[("count", &number(count))]));
        }
        Self { sentences, rows: rows(ledger, words) }
    }
}

fn rows(ledger: &Ledger, words: &Words) -> Vec<ReasonRow> {
    let (resources, documents) = (&ledger.resources, &ledger.documents);
    let row = |reason: String, of_resources: u64, of_documents: u64| {
        let is_there = of_resources + of_documents > 0;
        is_there.then(|| ReasonRow {
            reason,
            resources: words.number(of_resources),
            documents: words.number(of_documents),
        })
    };
    let left_out = Reason::ALL.into_iter().filter_map(|reason| {
        let name = words.text(&format!("reason-{}", reason.key()), &[]);
        let text = words.text("job-left-out-reason", &[("reason", &name)]);
        row(text, resources.left_out.get(reason), documents.left_out.get(reason))
    });
    let withheld = Sensitive::ALL.into_iter().filter_map(|category| {
        let name = words.text(&format!("topic-{}", category.key()), &[]);
        let text = words.text("job-withheld-reason", &[("topic", &name)]);
        let count = |withheld: &std::collections::BTreeMap<Sensitive, u64>| {
            withheld.get(&category).copied().unwrap_or_default()
        };
        row(text, count(&resources.withheld), count(&documents.withheld))
    });
    left_out.chain(withheld).collect()
}
