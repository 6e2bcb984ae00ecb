//! Reads `deleted/` of the record store: one line for each deleted resource, in any order and in any number of files.

use std::borrow::Cow;
use std::collections::VecDeque;

use domain::error::{Error, Result};
use domain::lines::Lines;
use domain::ports::records::{Area, Records};
use domain::selector::Selector;
use fhir::date::Span;
use serde::{Deserialize, Serialize};

use crate::keys::format_key;

/// The maximum number of unusable lines and files that are named.
const MAX_PROBLEMS: usize = 100;

/// A line of `deleted/`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'l> {
    #[serde(borrow)]
    resource_type: Cow<'l, str>,
    #[serde(borrow)]
    id: Cow<'l, str>,
    #[serde(default, borrow)]
    patient: Option<Cow<'l, str>>,
    #[serde(borrow)]
    deleted: Cow<'l, str>,
}

/// A deleted resource. In sorted order, the deletions of one patient are adjacent, and those of no patient come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// The patient's id; `None` if the resource belonged to no patient.
    pub(crate) of: Option<String>,
    /// `Type/id`.
    pub(crate) key: String,
    /// The time of the deletion in microseconds.
    pub(crate) at: i64,
}

impl Deletion {
    /// Returns whether the other deletion is of the same resource of the same patient.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.of, &self.key) == (&other.of, &other.key)
    }
}

/// Reads the deletions within the time range of an export that the export may list.
pub(crate) struct DeletionReader<'r> {
    records: &'r dyn Records,
    selector: &'r Selector<'r>,
    files: VecDeque<String>,
    open: Option<(String, Lines)>,
    /// Problems with lines and files that cannot be used.
    problems: Vec<String>,
}

impl<'r> DeletionReader<'r> {
    pub(crate) async fn new(records: &'r dyn Records, selector: &'r Selector<'r>) -> Result<Self> {
        let parts = records.area(Area::Deleted).await?;
        let files = parts.into_iter().map(|part| part.name).collect();
        Ok(Self { records, selector, files, open: None, problems: Vec::new() })
    }

    pub(crate) fn problems(self) -> Vec<String> {
        self.problems
    }

    /// Returns the next deletion; `None` after the last file.
    pub(crate) async fn next(&mut self) -> Result<Option<Deletion>> {
        loop {
            let Some((name, lines)) = &mut self.open else {
                let Some(name) = self.files.pop_front() else { return Ok(None) };
                let opened = self.records.open_area(Area::Deleted, &name).await;
                self.open = self.unless_damaged(opened)?.map(|reader| (name, Lines::new(reader)));
                continue;
            };
            match lines.next().await {
                Ok(Some(line)) => match line.text.and_then(deletion) {
                    Some((deletion, resource_type)) => {
                        let is_wanted = self.selector.selection().wants(&resource_type);
                        if is_wanted && self.selector.is_within(deletion.at) {
                            return Ok(Some(deletion));
                        }
                    }
                    None => {
                        let text = format!(
                            "deleted/{name} line {} does not say what was deleted and when, so it is not listed",
                            line.number
                        );
                        self.problem(text);
                    }
                },
                Ok(None) => self.open = None,
                Err(error) => {
                    self.unless_damaged::<()>(Err(error))?;
                    self.open = None;
                }
            }
        }
    }

    fn unless_damaged<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Error::Damaged(damage)) => {
                self.problem(damage.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn problem(&mut self, text: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(text);
        }
    }
}

/// Returns the deletion of a line, and the type of the resource.
fn deletion(text: &[u8]) -> Option<(Deletion, String)> {
    let line = serde_json::from_slice::<Line<'_>>(text).ok()?;
    let at = Span::of(line.deleted.as_bytes())?.from;
    let of = match (line.resource_type.as_ref(), &line.patient) {
        ("Patient", _) => Some(line.id.as_ref()),
        (_, Some(patient)) => Some(patient.strip_prefix("Patient/").unwrap_or(patient)),
        (_, None) => None,
    };
    let (of, key) = (of.map(str::to_owned), format_key(&line.resource_type, &line.id));
    Some((Deletion { of, key, at }, line.resource_type.into_owned()))
}
