//! Looks up the incoming resources in the index of homes. The loader reads only the blocks of the files in which the rows of these
//! resources would be, or all rows if it has nearly as many resources.

use std::cell::RefCell;
use std::collections::BTreeSet;

use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::ports::files::Files;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use storage::sorter::{Merged, PlainRow, Sorter};

use super::files::{LIMITS, Listed, RowsFile, damaged, list};
use super::row::{hash_of, key_hash, wanted};
use super::rows::{Cost, Rows};
use crate::Failure;
use crate::load::streams::Load;

/// The number of hashes that are looked up together.
const TOGETHER: usize = 256 * 1024;
/// The number of hashes that are looked up at the same time, each with its own reads.
const AT_ONCE: usize = 16;
/// The number of attempts while another load merges files.
const TRIES: usize = 3;

/// Passes the patients in whose records the lake has incoming resources to `show`, and also those in whose records resources are that the
/// incoming ones follow, or that they have as attachments. A patient may be passed several times.
pub(super) async fn search(
    load: &Load<'_>,
    files: &dyn Files,
    temporary: &dyn Files,
    show: &mut dyn FnMut(&PatientId) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut listed = list_in_tries(files).await?;
    if listed.files.is_empty() {
        return Ok(());
    }
    let mut wanted = sorted(load, temporary).await?;
    let mut cost = Cost::default();
    loop {
        load.check_interrupted()?;
        let hashes = next_hashes(&mut wanted).await?;
        if hashes.is_empty() {
            break;
        }
        for attempt in 1.. {
            match look_up(load, files, &listed.files, &hashes).await {
                Err(Error::NotFound(_)) if attempt < TRIES => listed = list_in_tries(files).await?,
                Err(Error::NotFound(_)) => return Err(busy()),
                found => {
                    let (patients, more) = found?;
                    cost.add(more);
                    patients.iter().try_for_each(&mut *show)?;
                    break;
                }
            }
        }
    }
    tracing::debug!(reads = cost.reads, bytes = cost.bytes, "the index of homes was searched");
    Ok(wanted.remove().await?)
}

/// Lists the files, also while another load merges some of them.
async fn list_in_tries(files: &dyn Files) -> Result<Listed, Failure> {
    for _ in 0..TRIES {
        match list(files).await {
            Err(Error::NotFound(_)) => {}
            listed => return Ok(listed?),
        }
    }
    Err(busy())
}

fn busy() -> Failure {
    Failure::new("another program changed the index of homes during this load: run the load again")
}

/// Returns the hashes to look up, in their order.
async fn sorted<'f>(load: &Load<'_>, temporary: &'f dyn Files) -> Result<Merged<'f, PlainRow>, Failure> {
    let mut sorter = Sorter::new(temporary, "wanted/", LIMITS);
    for stream in [&load.versions, &load.follows] {
        for index in 0..stream.len() {
            load.check_interrupted()?;
            let mut records = stream.records(index, 0)?;
            // Both begin with the type and id of a resource.
            while let Some((_, mut record)) = records.next()? {
                sorter.push(wanted(key_hash(record.text()?))).await?;
            }
        }
    }
    Ok(sorter.finish().await?)
}

async fn next_hashes(wanted: &mut Merged<'_, PlainRow>) -> Result<Vec<u64>> {
    let mut hashes = Vec::new();
    while hashes.len() < TOGETHER
        && let Some(PlainRow(row)) = wanted.next().await?
    {
        hashes.push(hash_of(&row).ok_or_else(damaged)?);
    }
    Ok(hashes)
}

/// Returns the patients of these hashes, which ascend.
async fn look_up(
    load: &Load<'_>,
    files: &dyn Files,
    listed: &[RowsFile],
    hashes: &[u64],
) -> Result<(BTreeSet<PatientId>, Cost)> {
    let found = RefCell::new((BTreeSet::new(), Cost::default()));
    let some = hashes.chunks(hashes.len().div_ceil(AT_ONCE).max(1));
    let work = some.flat_map(|hashes| listed.iter().map(move |file| (file, hashes)));
    let work = work.map(|(file, hashes)| {
        let (mut rows, found) = (Rows::new(files, file, load.sizes.block), &found);
        async move {
            for hash in hashes {
                rows.seek(*hash).await?;
                while let Some(patient) = rows.next_of(*hash).await? {
                    found.borrow_mut().0.insert(patient);
                }
            }
            found.borrow_mut().1.add(rows.cost);
            Ok::<_, Error>(())
        }
    });
    stream::iter(work).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(found.into_inner())
}

#[cfg(test)]
mod tests;
