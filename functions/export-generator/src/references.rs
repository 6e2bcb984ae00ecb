//! Collects the references that leave the patients' compartments, in each chunk. [`supporting`](crate::supporting)
//! follows them at the end.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use domain::error::Result;
use domain::filter::ReferredBy;
use domain::lines::{Lines, StreamReader};
use domain::pack::{Location, SMALL};
use domain::ports::files::{FileWriter, Files};
use fhir::compartments::has_compartment;
use fhir::json::string;
use fhir::references::{parse, reference_values};
use foldhash::fast::RandomState;
use storage::packs;

use crate::pack::Pack;

/// The number of references that are held before they are written to the store.
const MAX_HELD: usize = 100_000;
/// Marks references of resources that were left out, in the file. No type's name begins with it.
const LEFT_OUT_MARK: char = '~';

/// Formats the reference to a resource.
pub(crate) fn format_key(resource_type: &str, id: &str) -> String {
    let mut key = String::with_capacity(resource_type.len() + id.len() + 1);
    key.push_str(resource_type);
    key.push('/');
    key.push_str(id);
    key
}

/// Visits the references of a line, in its plain spelling, that leave the compartments.
///
/// The server of an absolute URL does not matter. `ehi load` keeps the absolute references of records from another
/// server, and places resources by them, so they name resources in `shared/`. To ignore them would lose parts of the
/// record.
pub(crate) fn leaving(text: &[u8], mut visit: impl FnMut(&str)) {
    reference_values(text, |value| {
        // Fast path: nearly all references are to the patient and the encounter.
        let inside = &text[value.start + 1..];
        if inside.starts_with(b"Patient/") || inside.starts_with(b"Encounter/") {
            return;
        }
        if let Some(Cow::Borrowed(reference)) = string(text, value)
            && let Some(reference) = parse(reference)
            && !has_compartment(reference.resource_type)
        {
            visit(reference.text);
        }
    });
}

/// The references of a chunk, each once as long as they fit in memory.
pub(crate) struct ReferenceSet<'a> {
    files: &'a dyn Files,
    key: String,
    // A fast hash, because each reference is looked up. Its seed differs in each process.
    held: HashMap<String, ReferredBy, RandomState>,
    writer: Option<Box<dyn FileWriter>>,
}

impl<'a> ReferenceSet<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String) -> Self {
        Self { files, key: prefix + "references.txt", held: HashMap::default(), writer: None }
    }

    /// Adds the references of a line.
    pub(crate) fn add_all(&mut self, line: &[u8], by: ReferredBy) {
        leaving(line, |reference| self.add(reference, by));
    }

    pub(crate) fn add(&mut self, reference: &str, by: ReferredBy) {
        match self.held.get_mut(reference) {
            Some(known) => *known = (*known).max(by),
            None => {
                self.held.insert(reference.to_owned(), by);
            }
        }
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
        let mut text = String::new();
        for (reference, by) in held {
            if by == ReferredBy::LeftOut {
                text.push(LEFT_OUT_MARK);
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

/// Reads the references of all chunks, each once.
pub(crate) async fn read(files: &dyn Files, sources: &[Location]) -> Result<BTreeMap<String, ReferredBy>> {
    let mut all = BTreeMap::new();
    for source in sources {
        let mut lines = Lines::new(Box::new(StreamReader(packs::open(files, source, None).await?)));
        while let Some(line) = lines.next().await? {
            let Some(text) = line.text.and_then(|text| std::str::from_utf8(text).ok()) else { continue };
            let (reference, by) = match text.strip_prefix(LEFT_OUT_MARK) {
                Some(reference) => (reference, ReferredBy::LeftOut),
                None => (text, ReferredBy::Exported),
            };
            let known = all.entry(reference.to_owned()).or_insert(by);
            *known = (*known).max(by);
        }
    }
    Ok(all)
}
