//! Exports the Provenance resources of a patient's exported resources (Bulk Data 3.0, `includeAssociatedData`). They
//! are held until the whole patient is read, because their targets may follow them in the record.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::decision::Decision;
use domain::error::Result;
use domain::filter::{Filter, Origin, ReferredBy};
use domain::ledger::Reason;
use domain::lines::Lines;
use domain::ports::files::Files;
use domain::selection::Provenance;
use fhir::head::Plain;
use fhir::references::{parse, target_values};
use fhir::spelling::plainly;

use crate::provenance::recorded;
use crate::spool::Spool;
use crate::writer::{ChunkWriter, TOO_LONG};

/// The exported resources of one patient, and the Provenance lines that are held. It stays empty if no Provenance is
/// requested.
#[derive(Default)]
pub(crate) struct Associated {
    wanted: bool,
    /// The references `Type/id`, about 80 bytes each.
    exported: HashSet<String>,
    held: Spool,
}

impl Associated {
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn exported(&mut self, reference: &str) {
        if self.wanted {
            self.exported.insert(reference.to_owned());
        }
    }

    pub(crate) async fn hold(&mut self, line: &[u8], key: String, files: &dyn Files) -> Result<()> {
        self.held.push(line, || key, files).await
    }

    /// Writes the Provenance resources whose targets were exported.
    pub(crate) async fn write(&mut self, filter: &Filter<'_>, writer: &mut ChunkWriter<'_>) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let exported = std::mem::take(&mut self.exported);
        let (mut lines, spilled) = std::mem::take(&mut self.held).replay(writer.files()).await?;
        if filter.provenance() == Provenance::Latest {
            write_latest(&mut lines, &exported, filter, writer).await?;
        } else {
            while let Some(line) = lines.next().await? {
                let Some(text) = line.text else {
                    writer.unusable(TOO_LONG).await?;
                    continue;
                };
                match about(&plainly(text), &exported).is_empty() {
                    true => writer.decided(Decision::LeaveOut(Reason::Provenance)),
                    false => write_line(text, filter, writer).await?,
                }
            }
        }
        match spilled {
            Some(key) => writer.files().remove(&key).await,
            None => Ok(()),
        }
    }
}

/// Writes the latest Provenance of each target.
async fn write_latest(
    lines: &mut Lines,
    exported: &HashSet<String>,
    filter: &Filter<'_>,
    writer: &mut ChunkWriter<'_>,
) -> Result<()> {
    // Only after all lines are read is it known which Provenance is the latest.
    let mut latest = HashMap::new();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    while let Some(line) = lines.next().await? {
        let Some(text) = line.text else {
            writer.unusable(TOO_LONG).await?;
            continue;
        };
        let plain = plainly(text);
        let (recorded, number) = (recorded(&plain), kept.len());
        let mut is_latest = false;
        for target in about(&plain, exported) {
            let known = latest.entry(target).or_insert((recorded, number));
            if *known == (recorded, number) || known.0 < recorded {
                *known = (recorded, number);
                is_latest = true;
            }
        }
        if is_latest {
            kept.push(text.to_vec());
        } else {
            writer.decided(Decision::LeaveOut(Reason::Provenance));
        }
    }
    let wanted: BTreeSet<usize> = latest.into_values().map(|(_, number)| number).collect();
    let outdated = kept.len() - wanted.len();
    writer.ledger().resources.left_out.add(Reason::Provenance, outdated as u64);
    for number in wanted {
        let line = std::mem::take(&mut kept[number]);
        write_line(&line, filter, writer).await?;
    }
    Ok(())
}

/// Returns the exported resources that a Provenance has as its targets.
fn about(text: &[u8], exported: &HashSet<String>) -> Vec<String> {
    let mut about = Vec::new();
    target_values(text, |target| {
        let named = parse(target).map(|reference| reference.text);
        about.extend(named.filter(|named| exported.contains(*named)).map(str::to_owned));
    });
    about
}

async fn write_line(line: &[u8], filter: &Filter<'_>, writer: &mut ChunkWriter<'_>) -> Result<()> {
    let mut plain = Plain::default();
    // The filter has accepted the line before. It is applied again, to remove what `_elements` does not name.
    let Ok(resource) = filter.read(line, &mut plain) else { return Ok(()) };
    if filter.follows_references() {
        writer.collect_references(resource.head.text, ReferredBy::Exported).await?;
    }
    let judgement = filter.judge(&resource, Origin::Patient { ignore_since: true });
    match judgement.verdict.exported(line) {
        Some(line) => writer.resource("Provenance", &line).await,
        None => Ok(()),
    }
}
