//! Reads the existing records of the lake that a load changes.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use domain::ports::records::Area;
use fhir::ids::is_fhir_id;
use indicatif::ProgressBar;
use storage::layout::PATIENTS;

use super::earlier::Earlier;
use super::input::Inputs;
use super::read::{Reader, read};
use super::report::Notes;
use super::sort::Priority;
use super::streams::{Load, hash};
use super::write::records_in;
use crate::Failure;

/// Reads the existing records of the same patients, of patients who have other versions of the same resources, and the existing shared
/// resources and groups. They are treated like an input, but of two versions with the same time the incoming one is kept. Therefore a
/// second load of the same input changes nothing. If these resources also belong to other patients, the records of those patients are read
/// too. Returns the files that could not be read completely.
///
/// A limited number of records is read at once, because resources of `shared/` may belong to all patients of the lake.
pub(super) fn read_existing(
    reader: &Reader<'_>,
    into: &Path,
    earlier: &dyn Earlier,
    bar: &ProgressBar,
    notes: &mut Notes,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let load = reader.load;
    let (mut damaged, hidden) = (BTreeSet::new(), ProgressBar::hidden());
    let mut patients = Patients { known: HashSet::new(), offsets: vec![0; load.patients.len()] };
    earlier.fetch(&[])?;
    let mut files = records_in(&into.join(Area::Shared.directory()))?;
    files.extend(groups(load, into, earlier)?);
    let mut pieces = 0;
    for round in 0_u64.. {
        let next = patients.next(load)?;
        if !next.is_empty() {
            earlier.fetch(&next)?;
        }
        for patient in &next {
            files.extend(records_in(&into.join(PATIENTS).join(patient))?);
        }
        if files.is_empty() && next.is_empty() {
            break;
        }
        bar.set_message(format!("reading existing records: {} patients", patients.known.len()));
        let inputs = Inputs::whole(std::mem::take(&mut files), pieces);
        pieces = pieces.saturating_add(u32::try_from(inputs.pieces.len()).unwrap_or(u32::MAX));
        damaged.extend(read(
            reader,
            &inputs,
            &format!("existing-{round}"),
            Priority::Existing,
            &hidden,
            notes,
        )?);
    }
    Ok(damaged)
}

/// The patients whose records are read.
struct Patients {
    known: HashSet<u64>,
    /// The offset of the first patient of each partition that was not read yet.
    offsets: Vec<u64>,
}

impl Patients {
    /// Returns the next patients that were not known before, sorted by id; none at the end.
    fn next(&mut self, load: &Load<'_>) -> Result<Vec<String>, Failure> {
        let mut new = Vec::new();
        for (index, offset) in self.offsets.iter_mut().enumerate() {
            if new.len() >= load.sizes.patients {
                break;
            }
            if load.patients.bytes(index) <= *offset {
                continue;
            }
            let mut records = load.patients.records(index, *offset)?;
            while new.len() < load.sizes.patients
                && let Some((_, mut fields)) = records.next()?
            {
                let patient = fields.text()?;
                if self.known.insert(hash(patient)) {
                    new.push(String::from_utf8_lossy(patient).into_owned());
                }
            }
            *offset = records.offset();
        }
        new.sort();
        Ok(new)
    }
}

/// Returns the files of the existing Group resources that the input has as well.
fn groups(load: &Load<'_>, into: &Path, earlier: &dyn Earlier) -> Result<Vec<PathBuf>, Failure> {
    let mut ids = BTreeSet::new();
    for index in 0..load.versions.len() {
        let mut versions = load.versions.records(index, 0)?;
        while let Some((_, mut version)) = versions.next()? {
            let id = version.text()?.strip_prefix(b"Group/").and_then(|id| std::str::from_utf8(id).ok());
            ids.extend(id.filter(|id| is_fhir_id(id)).map(str::to_owned));
        }
    }
    let ids: Vec<_> = ids.into_iter().collect();
    if !ids.is_empty() {
        earlier.fetch_groups(&ids)?;
    }
    let paths = ids.iter().map(|id| into.join(Area::Groups.directory()).join(format!("{id}.json")));
    Ok(paths.filter(|path| path.is_file()).collect())
}
