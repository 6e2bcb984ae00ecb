//! Lists jobs by the indexes of a store: merges the indexes of a query in order, reads the jobs, and ends a page after
//! a limited number of rows.

use std::collections::VecDeque;

use async_trait::async_trait;
use domain::error::Result;
use domain::job::JobState;
use domain::listing::{Index, Span, position};
use domain::ports::jobs::{JobPage, JobQuery, StoredJob};

/// A row of an index, with the data that the index has about the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// See [`position`].
    pub position: String,
    /// The state, if the index has it. It may be older than the job.
    pub state: Option<JobState>,
    /// The words of a row of a name; see [`domain::search::SearchRow`].
    pub words: Option<String>,
    /// The client, if the index has it.
    pub client: Option<String>,
}

/// The reads that a list needs from a store.
#[async_trait]
pub trait Rows: Send + Sync {
    /// Returns the first rows of an index in a span, in the order of the span, at most `limit`. Fewer than `limit` rows
    /// mean that there are no more. The result may include rows at the bounds of the span.
    async fn rows(&self, index: &Index, span: &Span, limit: usize) -> Result<Vec<Row>>;

    /// Returns the jobs with these ids, in the same order. Jobs that were removed meanwhile are left out. Jobs that
    /// cannot be read are left out and logged.
    async fn jobs(&self, ids: &[&str]) -> Result<Vec<StoredJob>>;
}

/// The maximum number of rows that are read for a page in addition to those of its jobs.
const MAX_ROWS: usize = 2_000;
/// The maximum number of jobs that are read for a page but do not match the query.
const MAX_OTHERS: usize = 200;
/// The number of rows in one request to an index that also has rows of other jobs.
const ROWS: usize = 250;

/// Returns a page of jobs. See [`domain::ports::jobs::Jobs::list`].
pub async fn page(rows: &dyn Rows, query: &JobQuery) -> Result<JobPage> {
    let span = query.span()?;
    let mut merged = Merged::new(rows, query, span);
    let (mut found, mut others) = (Vec::new(), 0);
    while found.len() <= query.count && others <= MAX_OTHERS {
        let candidates = merged.next(query.count + 1 - found.len()).await?;
        if candidates.is_empty() {
            break;
        }
        let ids = candidates.iter().filter_map(|position| Some(position.split_once('.')?.1));
        let jobs = rows.jobs(&ids.collect::<Vec<_>>()).await?;
        others += candidates.len() - jobs.len();
        for stored in jobs {
            match query.finds(&stored.job) {
                true => found.push(stored),
                false => others += 1,
            }
        }
    }
    let last_shown = query.count.checked_sub(1).and_then(|last| found.get(last));
    let next = match last_shown.filter(|_| found.len() > query.count) {
        Some(last) => Some(position(last.job.header())),
        None => merged.stopped_at(),
    };
    found.truncate(query.count);
    Ok(JobPage { jobs: found, next })
}

/// The rows of several indexes in one order, without those that cannot match the query.
struct Merged<'q> {
    rows: &'q dyn Rows,
    query: &'q JobQuery,
    span: Span,
    parts: Vec<Part>,
    /// The number of rows so far.
    taken: usize,
    last: Option<String>,
}

/// The rows of one index that were read and not used yet.
struct Part {
    index: Index,
    read: VecDeque<Row>,
    span: Span,
    is_at_end: bool,
}

impl<'q> Merged<'q> {
    fn new(rows: &'q dyn Rows, query: &'q JobQuery, span: Span) -> Self {
        let part = |index| Part { index, read: VecDeque::new(), span: span.clone(), is_at_end: false };
        let parts = query.indexes().into_iter().map(part).collect();
        Self { rows, query, span, parts, taken: 0, last: None }
    }

    /// Returns the positions of the next jobs that may match the query; empty at the end, and at the limit of rows.
    async fn next(&mut self, wanted: usize) -> Result<Vec<String>> {
        let limit = MAX_ROWS + self.query.count;
        let mut positions = Vec::new();
        while positions.len() < wanted && self.taken < limit {
            let Some(row) = self.take(wanted).await? else { break };
            self.taken += 1;
            if self.last.as_deref() != Some(&row.position) && self.may_be_found(&row) {
                positions.push(row.position.clone());
            }
            self.last = Some(row.position);
        }
        Ok(positions)
    }

    /// Returns the position after which the next page begins, if there may be more rows.
    fn stopped_at(&self) -> Option<String> {
        let is_at_end = self.parts.iter().all(|part| part.is_at_end && part.read.is_empty());
        self.last.clone().filter(|_| !is_at_end)
    }

    /// Takes the first row of all indexes.
    async fn take(&mut self, wanted: usize) -> Result<Option<Row>> {
        let limit = if self.finds_all_rows() { wanted + 1 } else { ROWS };
        for part in &mut self.parts {
            while part.read.is_empty() && !part.is_at_end {
                let rows = self.rows.rows(&part.index, &part.span, limit).await?;
                part.is_at_end = rows.len() < limit;
                if let Some(last) = rows.last() {
                    part.span = part.span.after(&last.position);
                }
                part.read.extend(rows.into_iter().filter(|row| self.span.has(&row.position)));
            }
        }
        let heads = self.parts.iter_mut().filter(|part| !part.read.is_empty());
        let position = |part: &&mut Part| part.read.front().map(|row| row.position.clone());
        let first = match self.span.oldest_first {
            true => heads.min_by_key(position),
            false => heads.max_by_key(position),
        };
        Ok(first.and_then(|part| part.read.pop_front()))
    }

    /// Returns whether nearly all rows are of jobs that match the query, so that only as many rows are read as jobs are
    /// wanted.
    fn finds_all_rows(&self) -> bool {
        let JobQuery { states, client, search, .. } = self.query;
        let has_states =
            states.is_empty() || matches!(self.parts[..], [Part { index: Index::State(_), .. }, ..]);
        let has_client = client.is_none() || matches!(self.parts[..], [Part { index: Index::Search(_), .. }]);
        has_states && has_client && search.is_none()
    }

    fn may_be_found(&self, row: &Row) -> bool {
        let JobQuery { states, client, search, .. } = self.query;
        let has_state = |state: JobState| states.is_empty() || states.contains(&state);
        let is_of = |known: &String| client.as_ref().is_none_or(|client| client.as_str() == known);
        // A row without words is one of an identifier or a birth date, whose key is compared as a whole.
        let has_words = |words: &String| search.as_ref().is_none_or(|search| search.finds_name(words));
        row.state.is_none_or(has_state)
            && row.client.as_ref().is_none_or(is_of)
            && row.words.as_ref().filter(|words| !words.is_empty()).is_none_or(has_words)
    }
}
