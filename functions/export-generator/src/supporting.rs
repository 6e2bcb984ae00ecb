//! Resources outside any compartment that the exported ones refer to: Practitioner, Organization,
//! Location, Medication and so on, each once, and what they refer to in turn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use shared::domain::choices::Sensitive;
use shared::domain::chunk::{Chunk, ChunkResult, Purpose, Work};
use shared::domain::filter::Decision;
use shared::domain::ids::ChunkId;
use shared::domain::states::Running;
use shared::error::Result;
use shared::fhir::compartments::has_compartment;
use shared::fhir::elements::subset;
use shared::fhir::head::{head_and_facts, head_and_members};
use shared::fhir::ndjson::Lines;
use shared::fhir::outcome::outcome;
use shared::fhir::references::references;
use shared::fhir::select::Selector;
use shared::ports::files::{FileWriter, Files};

use crate::Generator;
use crate::outputs::Outputs;
use crate::spool::StreamReader;

/// References held before they go to the store.
const MAX_HELD: usize = 100_000;
/// Resources fetched at once.
const BATCH: usize = 200;

/// The references of a chunk, each once as long as memory holds them.
pub(crate) struct ReferenceSet<'a> {
    files: &'a dyn Files,
    key: String,
    held: HashSet<String>,
    writer: Option<Box<dyn FileWriter>>,
}

impl<'a> ReferenceSet<'a> {
    pub(crate) fn new(files: &'a dyn Files, prefix: String) -> Self {
        Self { files, key: prefix + "references.txt", held: HashSet::new(), writer: None }
    }

    pub(crate) fn add(&mut self, reference: &str) {
        if !self.held.contains(reference) {
            self.held.insert(reference.to_owned());
        }
    }

    /// Moves the references to the store when there are many.
    pub(crate) async fn spill(&mut self) -> Result<()> {
        if self.held.len() >= MAX_HELD { self.write().await } else { Ok(()) }
    }

    /// The key of the file with all of them; `None` when there are none.
    pub(crate) async fn finish(mut self) -> Result<Option<String>> {
        self.write().await?;
        match self.writer {
            Some(writer) => writer.finish().await.map(|()| Some(self.key)),
            None => Ok(None),
        }
    }

    async fn write(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut text: Vec<_> = self.held.drain().collect();
        text.sort_unstable();
        let text = text.join("\n") + "\n";
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.files.create(&self.key).await?),
        };
        writer.write(text.into_bytes()).await.map(|_| ())
    }
}

/// Wants what a line refers to, unless that was seen before.
fn refer(line: &[u8], seen: &mut HashSet<String>, wanted: &mut BTreeSet<String>) {
    references(line, |reference| {
        if !has_compartment(reference.resource_type) && !seen.contains(reference.text) {
            seen.insert(reference.text.to_owned());
            wanted.insert(reference.text.to_owned());
        }
    });
}

impl Generator {
    /// Runs the supporting chunk of a job whose other chunks are done, unless it is done as well.
    /// `references` are the files with what those refer to.
    pub(crate) async fn run_supporting(
        &self,
        running: &Running,
        chunk: ChunkId,
        references: &[String],
    ) -> Result<()> {
        let id = &running.core.id;
        let planned = Chunk::new(chunk, Work::Supporting, 0);
        self.jobs.add_chunks(id, &[planned], true).await?;
        let attempt = self.ids.attempt();
        let prefix = shared::domain::chunk::attempt_prefix(id, chunk, &attempt);
        let mut outputs = Outputs::new(&*self.files, prefix.clone(), &running.core.request.output);
        let collected = match self.collect_supporting(running, references, &mut outputs).await {
            Ok(withheld) => outputs.finish().await.map(|files| (files, withheld)),
            Err(error) => Err(error),
        };
        let (files, withheld) = match collected {
            Ok(collected) => collected,
            Err(error) => return self.abandon(&prefix, error).await,
        };
        let result = ChunkResult { attempt, files, withheld, references: None, bytes_read: 0 };
        if !self.jobs.finish_chunk(id, chunk, &result, None).await?.recorded {
            self.files.remove_prefix(&prefix).await?;
        }
        Ok(())
    }

    /// Fetches what is referred to, wave by wave. Memory holds each reference once, about 100 bytes a resource.
    async fn collect_supporting(
        &self,
        running: &Running,
        sources: &[String],
        outputs: &mut Outputs<'_>,
    ) -> Result<BTreeMap<Sensitive, u64>> {
        let mut withheld = BTreeMap::new();
        let selection = running.core.request.selection.as_ref();
        for ignored in selection.iter().flat_map(|selection| &selection.ignored) {
            let line = outcome("warning", "not-supported", ignored).to_string();
            outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await?;
        }
        let selector = selection.map(|selection| Selector::new(selection, running.transaction_time));
        let at_once = running.core.request.output.resources_a_read.unwrap_or(BATCH);
        let mut wanted = self.read_references(sources).await?;
        let mut seen: HashSet<String> = wanted.iter().cloned().collect();
        let mut damaged = Vec::new();
        while !wanted.is_empty() {
            let mut batch = BTreeSet::new();
            while batch.len() < at_once
                && let Some(reference) = wanted.pop_first()
            {
                batch.insert(reference);
            }
            let found = self.records.supporting(&batch).await?;
            for damage in found.damaged {
                // Every call names all of them.
                if !damaged.contains(&damage) {
                    let line = outcome("error", "structure", &damage.to_string()).to_string();
                    outputs.write(Purpose::Error, "OperationOutcome", line.as_bytes()).await?;
                    damaged.push(damage);
                }
            }
            for found in found.lines {
                if let Some(selector) = &selector {
                    let Ok((head, members)) = head_and_members(&found.line) else { continue };
                    refer(&found.line, &mut seen, &mut wanted);
                    // Whatever its age: what is exported must not refer to what the client never got.
                    if selector.keeps(&found.line, head.resource_type, &members, true) {
                        let mut line = Cow::Borrowed(&found.line);
                        if let Some(asked) = selector.elements(head.resource_type) {
                            let mut written = Vec::new();
                            subset(&found.line, head.resource_type, &members, &asked, &mut written);
                            line = Cow::Owned(written);
                        }
                        outputs.write(Purpose::Output, head.resource_type, &line).await?;
                    }
                    continue;
                }
                let Ok((head, facts)) = head_and_facts(&found.line) else { continue };
                match running
                    .core
                    .request
                    .choices
                    .as_ref()
                    .map_or(Decision::Keep, |choices| choices.decide(&facts))
                {
                    Decision::Keep => {}
                    Decision::LeaveOut => continue,
                    Decision::Withhold(category) => {
                        *withheld.entry(category).or_default() += 1;
                        continue;
                    }
                }
                refer(&found.line, &mut seen, &mut wanted);
                outputs.write(Purpose::Output, head.resource_type, &found.line).await?;
            }
        }
        Ok(withheld)
    }

    async fn read_references(&self, sources: &[String]) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        for key in sources {
            let mut lines = Lines::new(Box::new(StreamReader(self.files.open(key, None).await?)));
            loop {
                while let Some(line) = lines.next() {
                    all.extend(line.text.and_then(|text| std::str::from_utf8(text).ok()).map(str::to_owned));
                }
                if !lines.fill().await? {
                    break;
                }
            }
        }
        Ok(all)
    }
}
