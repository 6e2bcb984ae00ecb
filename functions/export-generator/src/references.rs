//! Collects the references that leave the patients' records, in each chunk. [`supporting`](crate::supporting) follows
//! them at the end.
//!
//! A reference to a resource of the same record is satisfied. If its type can be in a record only because of the
//! patient (Condition, Device), it is dropped. If not (Organization), `shared/` may have the resource as well, which
//! other records need; but it is not reported if it does not.

use std::collections::{BTreeSet, HashMap};

use domain::error::Result;
use domain::filter::ReferredBy;
use domain::lines::{Lines, StreamReader};
use domain::pack::{Location, SMALL};
use domain::ports::files::{FileWriter, Files};
use domain::ports::records::Records;
use fhir::compartments::can_have_patient;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use storage::packs;

use crate::mentions::Mentions;
use crate::pack::Pack;
use crate::versions::{Reads, Versions};

/// The number of references that are held before they are written to the store.
const MAX_HELD: usize = 100_000;
/// The number of references of a chunk to types of patients' records that are kept although `shared/` may have no
/// resource of the type. If there are more, the record store is asked for the types.
const MAX_UNCERTAIN: usize = 1_000;
/// Marks references of resources that were left out, in the file. No type's name begins with it.
const LEFT_OUT_MARK: char = '~';
/// Marks references that are satisfied in each record that has them.
const IN_RECORD_MARK: char = '=';

/// What is known of the resources that refer to a resource. The strongest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mention {
    #[serde(rename = "l")]
    LeftOut,
    /// Exported resources of records that have the resource.
    #[serde(rename = "i")]
    InRecord,
    /// An exported resource of a record that does not have the resource.
    #[serde(rename = "e")]
    Exported,
}

impl Mention {
    pub(crate) fn by(self) -> ReferredBy {
        match self {
            Self::LeftOut => ReferredBy::LeftOut,
            Self::InRecord | Self::Exported => ReferredBy::Exported,
        }
    }
}

/// Returns whether resources of the type of a reference can be in a patient's record because of the patient.
fn is_uncertain(reference: &str) -> bool {
    reference.split('/').next().is_some_and(can_have_patient)
}

/// The references of a chunk, each once as long as they fit in memory.
pub(crate) struct ReferenceSet<'a> {
    files: &'a dyn Files,
    key: String,
    /// Those of the record that is read.
    of_record: Mentions,
    // A fast hash, because each reference is looked up. Its seed differs in each process.
    held: HashMap<String, Mention, RandomState>,
    /// The number of held references to types of patients' records.
    uncertain: usize,
    /// The types in `shared/` that patients' records can have as well; `None` if the record store was not asked.
    types: Option<BTreeSet<String>>,
    writer: Option<Box<dyn FileWriter>>,
}

impl<'a> ReferenceSet<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String) -> Self {
        Self {
            files,
            key: prefix + "references.txt",
            of_record: Mentions::default(),
            held: HashMap::default(),
            uncertain: 0,
            types: None,
            writer: None,
        }
    }

    /// Adds the references of a line of the record that is read.
    pub(crate) fn add_all(&mut self, line: &[u8], by: ReferredBy) {
        self.of_record.add_all(line, by);
    }

    /// Returns whether the record that is read has so many references that they should be settled.
    pub(crate) fn is_full(&self) -> bool {
        self.of_record.len() >= MAX_HELD
    }

    /// Decides which references of the record leave it; these are its resources so far.
    pub(crate) fn settle(&mut self, record: &Versions) {
        for (reference, hash, by) in std::mem::take(&mut self.of_record).iter() {
            let is_there = record.has(hash);
            let mention = match by {
                ReferredBy::LeftOut => Mention::LeftOut,
                ReferredBy::Exported if is_there => Mention::InRecord,
                ReferredBy::Exported => Mention::Exported,
            };
            match is_uncertain(reference) {
                true if is_there || !self.is_shared(reference) => {}
                is_uncertain => self.add(reference, mention, is_uncertain),
            }
        }
    }

    /// Adds a reference that another chunk collected.
    pub(crate) fn add_collected(&mut self, reference: &str, mention: Mention) {
        self.add(reference, mention, false);
    }

    fn add(&mut self, reference: &str, mention: Mention, is_uncertain: bool) {
        match self.held.get_mut(reference) {
            Some(known) => *known = (*known).max(mention),
            None => {
                self.held.insert(reference.to_owned(), mention);
                self.uncertain += usize::from(is_uncertain);
            }
        }
    }

    /// Returns whether `shared/` may have resources of the type of a reference.
    fn is_shared(&self, reference: &str) -> bool {
        let resource_type = reference.split('/').next().unwrap_or_default();
        self.types.as_ref().is_none_or(|types| types.contains(resource_type))
    }

    /// Drops references to types that `shared/` does not have, if there are many: a store without encounters has
    /// references to encounters in nearly every resource.
    pub(crate) async fn narrow(&mut self, records: &dyn Records) -> Result<()> {
        if self.types.is_none() && self.uncertain > MAX_UNCERTAIN {
            self.types = Some(records.supporting(&BTreeSet::new()).await?.types);
            let held = std::mem::take(&mut self.held);
            let is_kept =
                |(reference, _): &(String, Mention)| !is_uncertain(reference) || self.is_shared(reference);
            self.held = held.into_iter().filter(is_kept).collect();
        }
        Ok(())
    }

    /// Writes the references to the store if there are many.
    pub(crate) async fn spill(&mut self) -> Result<()> {
        if self.held.len() < MAX_HELD {
            return Ok(());
        }
        let text = self.text();
        self.write(text).await
    }

    /// Ends the set. Returns the file with all references, in the pack if it is small; `None` if there are none.
    pub(crate) async fn finish(mut self, pack: &mut Pack<'_>) -> Result<Option<Location>> {
        // References of resources that are in no record.
        self.settle(&Versions::new(Reads::Once));
        let text = self.text();
        if self.writer.is_none() && text.len() < SMALL {
            return match text.as_str() {
                "" => Ok(None),
                text => pack.append(text.as_bytes()).await.map(Some),
            };
        }
        if !text.is_empty() {
            self.write(text).await?;
        }
        match self.writer {
            Some(writer) => writer.finish().await.map(|()| Some(Location::object(self.key))),
            None => Ok(None),
        }
    }

    /// Takes the held references as sorted lines.
    fn text(&mut self) -> String {
        let mut held: Vec<_> = self.held.drain().collect();
        held.sort_unstable();
        self.uncertain = 0;
        let mut text = String::new();
        for (reference, mention) in held {
            match mention {
                Mention::LeftOut => text.push(LEFT_OUT_MARK),
                Mention::InRecord => text.push(IN_RECORD_MARK),
                Mention::Exported => {}
            }
            text.push_str(&reference);
            text.push('\n');
        }
        text
    }

    async fn write(&mut self, text: String) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.files.create(&self.key).await?),
        };
        writer.write(text.into_bytes()).await.map(|_| ())
    }
}

/// Opens a file of references. [`parse`] parses its lines.
pub(crate) async fn open(files: &dyn Files, source: &Location) -> Result<Lines> {
    Ok(Lines::new(Box::new(StreamReader(packs::open(files, source, None).await?))))
}

/// Returns the reference of a line, and what is known of the resources that have it.
pub(crate) fn parse(line: &[u8]) -> Option<(&str, Mention)> {
    let text = std::str::from_utf8(line).ok()?;
    Some(if let Some(reference) = text.strip_prefix(LEFT_OUT_MARK) {
        (reference, Mention::LeftOut)
    } else if let Some(reference) = text.strip_prefix(IN_RECORD_MARK) {
        (reference, Mention::InRecord)
    } else {
        (text, Mention::Exported)
    })
}
