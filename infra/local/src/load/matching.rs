//! Finds the patients whom resources name by an identifier: among the Patients of the input and those of the lake. An identifier that
//! several patients have finds none of them. Each step is a join of streams, partition by partition.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fhir::head::{Plain, head_and_members};

use super::arriving::updated;
use super::earlier::Earlier;
use super::identities::{Identity, Matches, identity, put_identity};
use super::losers::Losers;
use super::mention::identifiers;
use super::parallel::parallel;
use super::report::{Kind, Notes, Place};
use super::sort::{Priority, Sorter, Waiting};
use super::spill::{Fields, Stream, Writer, put_number, put_text, put_texts};
use super::streams::{Load, Unnamed, hash};
use crate::Failure;

/// Finds the patients of the resources that name them by an identifier, and writes these resources to their streams.
pub(super) fn resolve(
    load: &Load<'_>,
    workers: usize,
    earlier: &dyn Earlier,
    directory: &Path,
) -> Result<Notes, Failure> {
    if load.waiting.is_empty() {
        return Ok(Notes::default());
    }
    let stream = |name: &str| Stream::new(directory, name, load.waiting.len());
    let (holders, matches) = (stream("holders"), stream("matches"));
    let wanted = hashes(&load.wanted)?;
    add_patients_of_lake(load, earlier, &wanted)?;
    write_holders(load, workers, &wanted, &holders)?;
    write_matches(load, workers, &holders, &matches)?;
    send(load, workers, &matches)
}

/// Returns the hashes of the wanted identifiers.
fn hashes(wanted: &Stream) -> Result<HashSet<u64>, Failure> {
    let mut hashes = HashSet::new();
    for index in 0..wanted.len() {
        let bytes = wanted.read(index)?;
        let mut fields = Fields(&bytes);
        while !fields.is_empty() {
            hashes.insert(hash(fields.text()?));
            fields.number()?;
        }
    }
    Ok(hashes)
}

/// Adds the Patients of the lake that have a wanted identifier, or that are in the input as well. Of the latter, the newest version
/// counts.
fn add_patients_of_lake(
    load: &Load<'_>,
    earlier: &dyn Earlier,
    wanted: &HashSet<u64>,
) -> Result<(), Failure> {
    let mut incoming = HashSet::new();
    for index in 0..load.identities.len() {
        let bytes = load.identities.read(index)?;
        let mut fields = Fields(&bytes);
        while !fields.is_empty() {
            incoming.insert(hash(identity(&mut fields)?.0));
        }
    }
    let mut writer = Writer::new(&load.identities);
    earlier.each_patient(&mut |text| {
        load.check_interrupted()?;
        let mut plain = Plain::default();
        let Ok((head, members)) = head_and_members(text, &mut plain) else { return Ok(()) };
        let Some(id) = head.id else { return Ok(()) };
        let mut keys = identifiers(head.text, &members);
        keys.retain(|key| wanted.contains(&hash(key)));
        if keys.is_empty() && !incoming.contains(&hash(id.as_bytes())) {
            return Ok(());
        }
        // An incoming version with the same time is kept, so this one has the lowest rank.
        let updated = updated(head.text, &members);
        writer.push(hash(id.as_bytes()), |buffer| put_identity(buffer, id, updated, 0, &keys))
    })?;
    writer.finish()
}

/// Writes the patients that have wanted identifiers, by the identifier. Of each Patient, the version that is kept counts.
fn write_holders(
    load: &Load<'_>,
    workers: usize,
    wanted: &HashSet<u64>,
    holders: &Stream,
) -> Result<(), Failure> {
    let begin = || Writer::new(holders);
    let written = parallel(workers, load.identities.len(), begin, |writer, index| {
        load.check_interrupted()?;
        let bytes = load.identities.read(index)?;
        let (mut kept, mut fields) = (HashMap::<&[u8], Identity<'_>>::new(), Fields(&bytes));
        while !fields.is_empty() {
            let (id, version) = identity(&mut fields)?;
            let is_newest = kept
                .get(id)
                .is_none_or(|known| (version.updated, version.rank) > (known.updated, known.rank));
            if is_newest {
                kept.insert(id, version);
            }
        }
        for (id, Identity { keys, .. }) in kept {
            for key in keys {
                let hash = hash(key);
                if wanted.contains(&hash) {
                    writer.push(hash, |buffer| {
                        put_text(buffer, key);
                        put_text(buffer, id);
                    })?;
                }
            }
        }
        Ok(())
    })?;
    written.into_iter().try_for_each(Writer::finish)
}

/// Writes the patients that have the identifiers, by the number of the resource that names them. Two patients are enough to know that
/// an identifier is not of one patient.
fn write_matches(load: &Load<'_>, workers: usize, holders: &Stream, matches: &Stream) -> Result<(), Failure> {
    let begin = || Writer::new(matches);
    let written = parallel(workers, holders.len(), begin, |writer, index| {
        load.check_interrupted()?;
        let (held, wanted) = (holders.read(index)?, load.wanted.read(index)?);
        let (mut patients, mut fields) = (HashMap::<&[u8], Vec<&[u8]>>::new(), Fields(&held));
        while !fields.is_empty() {
            patients.entry(fields.text()?).or_default().push(fields.text()?);
        }
        for ids in patients.values_mut() {
            ids.sort_unstable();
            // A Patient can have an identifier twice.
            ids.dedup();
            ids.truncate(2);
        }
        let mut fields = Fields(&wanted);
        while !fields.is_empty() {
            let (key, number) = (fields.text()?, fields.number()?);
            if let Some(ids) = patients.get(key) {
                writer.push(number, |buffer| {
                    put_number(buffer, number);
                    put_text(buffer, key);
                    put_texts(buffer, ids);
                })?;
            }
        }
        Ok(())
    })?;
    written.into_iter().try_for_each(Writer::finish)
}

/// Writes the waiting resources to their streams.
fn send(load: &Load<'_>, workers: usize, matches: &Stream) -> Result<Notes, Failure> {
    let none = Unnamed::new(Path::new(""), "none", 1);
    let begin = || Sorter::new(load, &none, Priority::Incoming);
    let sent = parallel(workers, load.waiting.len(), begin, |sorter, index| {
        load.check_interrupted()?;
        let (matches, waiting) = (matches.read(index)?, load.waiting.read(index)?);
        let (matches, mut fields) = (Matches::read(&matches)?, Fields(&waiting));
        while !fields.is_empty() {
            sorter.send_matched(Waiting::read(&mut fields)?, &matches)?;
        }
        load.waiting.remove(index);
        Ok(())
    })?;
    let mut notes = Notes::default();
    for sorter in sent {
        notes.add(sorter.finish()?.0);
    }
    Ok(notes)
}

/// Records the resources whose patient was not found. A version that is not kept is not recorded.
pub(super) fn unmatched(load: &Load<'_>, losers: &Losers) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    for index in 0..load.unmatched.len() {
        let bytes = load.unmatched.read(index)?;
        let mut fields = Fields(&bytes);
        while !fields.is_empty() {
            let (number, place, text) = (fields.number()?, Place::of(fields.number()?), fields.text()?);
            if !losers.contains(number) {
                let text = || String::from_utf8_lossy(text).into_owned();
                notes.record(Kind::Unmatched, Some(place), None, 1, text);
            }
        }
    }
    Ok(notes)
}
