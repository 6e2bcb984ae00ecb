//! Lists the patients of a lake in a directory, in the order in which object stores list their prefixes (`<id>/`).
//!
//! The operating system returns the entries of a directory in no order. Each pass through the directory keeps only the
//! next page of names, so the memory does not depend on how many there are.

use std::collections::{BinaryHeap, VecDeque};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use domain::error::{Result, Store};
use domain::ids::PatientId;
use domain::ports::records::{Entries, Entry, Member};
use storage::layout::{PATIENTS, is_stray};

use crate::blocking::blocking;
use crate::lake::{entries, is_directory, is_empty, parts_of};

/// The maximum number of names that one pass through the directory keeps.
const PAGE: usize = 20_000;
/// The number of patients' directories that one call on a blocking thread reads.
const MEMBERS_AT_ONCE: usize = 256;

/// A name below `Patient/`. Names compare like the prefixes of an object store.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    prefix: String,
    is_patient: bool,
}

impl Name {
    fn name(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }
}

/// Returns the first `count` names after the name `after`, and whether there are more.
fn names(root: &Path, after: Option<&str>, count: usize, with_strays: bool) -> Result<(Vec<Name>, bool)> {
    let after = after.map(|after| format!("{after}/")).unwrap_or_default();
    let mut first = BinaryHeap::new();
    for entry in entries(root, &root.join(PATIENTS))? {
        let entry = entry?;
        let name = entry.file_name();
        let prefix = format!("{}/", name.to_string_lossy());
        if prefix <= after {
            continue;
        }
        let is_directory = is_directory(&entry)?;
        let is_patient = is_directory && name.to_str().is_some_and(|name| PatientId::parse(name).is_ok());
        if is_patient || with_strays && is_stray(&name.to_string_lossy(), is_directory, is_empty(&entry)?) {
            first.push(Name { prefix, is_patient });
            if first.len() > count + 1 {
                first.pop();
            }
        }
    }
    let mut names = first.into_sorted_vec();
    let more = names.len() > count;
    names.truncate(count);
    Ok((names, more))
}

/// Returns the first `count` patients after the patient `after`, and whether there are more.
pub(super) fn patients(root: &Path, after: Option<&str>, count: usize) -> Result<(Vec<Member>, bool)> {
    let (names, more) = names(root, after, count, false)?;
    let patients = names.iter().filter_map(|name| PatientId::parse(name.name()).ok());
    Ok((patients.map(|patient| sized(root, patient)).collect::<Result<_>>()?, more))
}

fn sized(root: &Path, patient: PatientId) -> Result<Member> {
    let parts = parts_of(root, &root.join(PATIENTS).join(patient.as_str()))?;
    Ok(Member::of(patient, &parts))
}

/// All entries below `Patient/`.
pub(super) struct LocalEntries {
    root: PathBuf,
    /// The last name whose entry was read.
    after: Option<String>,
    /// The next names, whose entries are not read yet.
    names: VecDeque<Name>,
    /// Entries that were read and not returned yet.
    ready: VecDeque<Entry>,
    more: bool,
}

impl LocalEntries {
    pub(super) fn new(root: &Path, after: Option<&PatientId>) -> Self {
        let after = after.map(ToString::to_string);
        Self { root: root.to_owned(), after, names: VecDeque::new(), ready: VecDeque::new(), more: true }
    }
}

#[async_trait]
impl Entries for LocalEntries {
    async fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(entry) = self.ready.pop_front() {
            return Ok(Some(entry));
        }
        if self.names.is_empty() {
            if !self.more {
                return Ok(None);
            }
            let (root, after) = (self.root.clone(), self.after.clone());
            let found = blocking(Store::Records, move || names(&root, after.as_deref(), PAGE, true)).await?;
            self.more = found.1;
            self.names = found.0.into();
        }
        let some: Vec<_> = self.names.drain(..self.names.len().min(MEMBERS_AT_ONCE)).collect();
        let Some(last) = some.last() else { return Ok(None) };
        self.after = Some(last.name().to_owned());
        let root = self.root.clone();
        self.ready = blocking(Store::Records, move || {
            some.iter()
                .map(|name| match PatientId::parse(name.name()) {
                    Ok(patient) if name.is_patient => sized(&root, patient).map(Entry::Patient),
                    _ => Ok(Entry::Stray(name.name().to_owned())),
                })
                .collect()
        })
        .await?;
        Ok(self.ready.pop_front())
    }
}
