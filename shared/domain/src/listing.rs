//! Plans the listing of jobs without reading others: the indexes, the order, and the range of a page.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::header::JobHeader;
use crate::ids::JobId;
use crate::job::{Job, JobState};
use crate::ports::jobs::JobQuery;
use crate::search::client_key;

/// An index of a store: some of the jobs, in the order of their [`position`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// All jobs.
    All,
    /// The jobs in a state.
    State(JobState),
    /// The jobs of an owner, by [`crate::owner::Owner::key`].
    Owner(String),
    /// The jobs of a patient, by id.
    Patient(String),
    /// The jobs with a [`crate::search::SearchRow`] of this key.
    Search(String),
}

/// The range of an index to read, and the end at which reading begins. Both bounds are positions or prefixes of
/// positions, and are excluded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    pub above: Option<String>,
    pub below: Option<String>,
    pub oldest_first: bool,
}

/// Returns the position of a job in lists: its creation time in milliseconds with 13 digits, and the id, which makes it
/// unique.
pub fn position(header: &JobHeader) -> String {
    let mut position = moment(header.created_at);
    let _ = write!(position, ".{}", header.id);
    position
}

/// Returns the creation time and the id of a position.
pub fn parts(position: &str) -> Option<(i64, &str)> {
    let (at, id) = position.split_once('.')?;
    let is_time = at.len() == 13 && at.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && JobId::parse(id).is_ok()).then_some((at.parse().ok()?, id))
}

fn moment(at: Timestamp) -> String {
    format!("{:013}", at.as_millisecond().max(0))
}

impl Span {
    pub fn has(&self, position: &str) -> bool {
        self.above.as_deref().is_none_or(|above| position > above)
            && self.below.as_deref().is_none_or(|below| position < below)
    }

    /// Returns the range after a position.
    pub fn after(&self, position: &str) -> Self {
        let position = Some(position.to_owned());
        match self.oldest_first {
            true => Self { above: position, ..self.clone() },
            false => Self { below: position, ..self.clone() },
        }
    }
}

impl JobQuery {
    /// Returns the indexes that contain the jobs of this query; each job is in at least one of them.
    pub fn indexes(&self) -> Vec<Index> {
        if let Some(owner) = &self.owner {
            return vec![Index::Owner(owner.key())];
        }
        if let Some(patient) = &self.patient {
            return vec![Index::Patient(patient.to_string())];
        }
        if let Some(search) = &self.search {
            return search.keys().into_iter().map(Index::Search).collect();
        }
        // Jobs stay in these states for a short time, so these indexes have few jobs, and fewer than a client has.
        let passes = |state: &JobState| {
            matches!(
                state,
                JobState::AwaitingInput | JobState::Queued | JobState::Running | JobState::InReview
            )
        };
        match &self.client {
            Some(client) if self.states.is_empty() || !self.states.iter().all(passes) => {
                vec![Index::Search(client_key(client.as_str()))]
            }
            _ if (1..=4).contains(&self.states.len()) => {
                self.states.iter().copied().map(Index::State).collect()
            }
            _ => vec![Index::All],
        }
    }

    /// Returns the range of the indexes to read for this page. Returns [`Error::Invalid`] if `after` is not a position.
    pub fn span(&self) -> Result<Span> {
        let span = Span {
            above: self.created_from.map(moment),
            below: self.created_before.map(moment),
            oldest_first: self.oldest_first,
        };
        let Some(after) = &self.after else { return Ok(span) };
        if parts(after).is_none() {
            return Err(Error::invalid("'page' is not a page of this list"));
        }
        // A position outside the dates must not widen the range.
        Ok(if span.has(after) { span.after(after) } else { span })
    }

    /// Returns whether the query finds a job, apart from `after` and `count`.
    pub fn finds(&self, job: &Job) -> bool {
        let header = job.header();
        let patient = header.patient.as_ref();
        (self.states.is_empty() || self.states.contains(&job.state()))
            && self.patient.as_ref().is_none_or(|id| patient.is_some_and(|patient| patient.id == *id))
            && self.owner.as_ref().is_none_or(|owner| header.owner.key() == owner.key())
            && self.client.as_ref().is_none_or(|client| header.owner.client == *client)
            && self.search.as_ref().is_none_or(|search| patient.is_some_and(|patient| search.finds(patient)))
            && self.created_from.is_none_or(|from| header.created_at >= from)
            && self.created_before.is_none_or(|before| header.created_at < before)
    }
}
