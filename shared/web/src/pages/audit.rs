//! The page of the audit trail.

use askama::Template;
use domain::audit::{Action, Entry, Event, Outcome, Population};
use storage::audit_chain::Report;
use words::Words;

use crate::pages::{FieldProblem, filters};
use crate::request_context;

#[derive(Template)]
#[template(path = "staff_audit.html")]
pub struct AuditPage {
    pub username: String,
    pub filter: AuditFilter,
    /// What is wrong with the filter.
    pub problems: Vec<FieldProblem>,
    pub actions: Vec<Choice>,
    pub outcomes: Vec<Choice>,
    pub rows: Vec<AuditRow>,
    /// The result of the check of the newest entries, as a sentence.
    pub chain: String,
    /// A sentence about the entries of a newer version, if there are any.
    pub newer: Option<String>,
    /// A sentence for each broken chain, with its first broken entry.
    pub broken: Vec<String>,
    /// The query of the next page.
    pub older: Option<String>,
    /// The query for the same entries as NDJSON.
    pub lines: String,
}

/// The values of the search form, as the reader typed them.
pub struct AuditFilter {
    pub who: String,
    pub patient: String,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    pub from: String,
    pub until: String,
}

/// An option of a list.
pub struct Choice {
    pub value: &'static str,
    pub name: String,
    pub is_chosen: bool,
}

pub struct AuditRow {
    pub at: String,
    pub who: String,
    pub kind: String,
    pub action: String,
    /// The ids of the patients, or the population.
    pub patient: String,
    pub job: String,
    pub object: String,
    pub origin: String,
    pub outcome: String,
    /// The name of the outcome, which is its CSS class.
    pub look: &'static str,
}

impl AuditPage {
    pub fn new(
        username: String,
        filter: AuditFilter,
        entries: &[Entry],
        verified: &Report,
        older: Option<String>,
        lines: String,
    ) -> Self {
        let words = request_context::words();
        let actions = Action::ALL.iter().map(|action| Choice {
            value: action.name(),
            name: action_words(&words, *action),
            is_chosen: filter.action == Some(*action),
        });
        let outcomes = Outcome::ALL.iter().map(|outcome| Choice {
            value: outcome.name(),
            name: outcome_words(&words, *outcome),
            is_chosen: filter.outcome == Some(*outcome),
        });
        let broken = verified.broken.iter().map(|broken| {
            let (shard, sequence) = (broken.shard.to_string(), words.number(broken.sequence));
            words.text("audit-broken-entry", &[("chain", &shard), ("entry", &sequence)])
        });
        Self {
            username,
            problems: Vec::new(),
            actions: actions.collect(),
            outcomes: outcomes.collect(),
            rows: entries.iter().map(|entry| AuditRow::new(entry, &words)).collect(),
            chain: words.text("audit-whole", &[("count", &words.number(verified.entries))]),
            newer: (verified.newer > 0)
                .then(|| words.text("audit-newer", &[("count", &words.number(verified.newer))])),
            broken: broken.collect(),
            filter,
            older,
            lines,
        }
    }
}

impl AuditPage {
    /// Returns the message at a field of the filter.
    fn problem_at(&self, field: &str) -> Option<&str> {
        FieldProblem::at(&self.problems, field)
    }
}

impl AuditRow {
    fn new(entry: &Entry, words: &Words) -> Self {
        let event = &entry.event;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            at: words.moment(entry.at),
            who: match &event.actor.issuer {
                Some(issuer) => format!("{} ({issuer})", event.actor.id),
                None => event.actor.id.clone(),
            },
            kind: words.text(&format!("audit-actor-{}", event.actor.kind.name()), &[]),
            action: action_words(words, event.action),
            patient: whose(words, event),
            job: event.job.as_ref().map(ToString::to_string).unwrap_or_default(),
            object: text(&event.object),
            origin: text(&event.origin.address),
            outcome: outcome_words(words, event.outcome),
            look: event.outcome.name(),
        }
    }
}

/// Returns the names of the patients or groups whose records an event concerns.
fn whose(words: &Words, event: &Event) -> String {
    let population = event.population.as_ref().map(|population| match population {
        Population::Group(_) => population.name(),
        Population::AllPatients | Population::System => {
            words.text(&format!("audit-{}", population.name()), &[])
        }
        Population::Named(count) => {
            words.text("audit-named-patients", &[("count", &words.number(u64::from(*count)))])
        }
    });
    let patients = event.patient.iter().chain(&event.shown).map(ToString::to_string);
    patients.chain(population).collect::<Vec<_>>().join(", ")
}

fn action_words(words: &Words, action: Action) -> String {
    words.text(&format!("audit-action-{}", action.name()), &[])
}

fn outcome_words(words: &Words, outcome: Outcome) -> String {
    words.text(&format!("audit-outcome-{}", outcome.name()), &[])
}
