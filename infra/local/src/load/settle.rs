//! Makes the decisions that need all resources: the target of a `urn:`, the version of a resource that is kept, the patients of a Binary
//! and a Provenance, and the references without a target. Each of them is a join of streams, partition by partition.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use fhir::references::reference_values;
use storage::layout::PATIENTS;

use super::divide::in_parts;
use super::follows::{Follow, Ownership, Role};
use super::losers::Losers;
use super::parallel::parallel;
use super::report::{Kind, Notes, Place};
use super::sort::{Priority, Sorter, Waiting};
use super::spill::{Fields, Stream, Writer, put_number, put_text};
use super::streams::{Load, Unnamed};
use super::versions::{Version, versions};
use crate::Failure;

mod moved;

/// Resolves the URNs in the resources that wait for them, and writes these resources to their streams.
pub(super) fn names(
    load: &Load<'_>,
    workers: usize,
    unnamed: &Unnamed,
    found: &Stream,
    priority: Priority,
) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    if unnamed.texts.is_empty() {
        return Ok(notes);
    }
    let partitions = found.len();
    let joined = parallel(
        workers,
        partitions,
        || Writer::new(found),
        |writer, index| {
            let streams = [&load.names, &unnamed.uses];
            in_parts(load, streams, index, load.sizes.joined, &mut |streams, index| {
                find_targets(load, streams, writer, index)
            })
        },
    )?;
    joined.into_iter().try_for_each(Writer::finish)?;
    // A resource with a URN that cannot be resolved is written too.
    let sent = parallel(
        workers,
        partitions,
        || Sorter::new(load, unnamed, priority),
        |sorter, index| {
            let streams = [found, &unnamed.texts];
            in_parts(load, streams, index, load.sizes.joined, &mut |streams, index| {
                rename(load, streams, sorter, index)
            })?;
            unnamed.texts.remove(index);
            Ok(())
        },
    )?;
    for sorter in sent {
        notes.add(sorter.finish()?.0);
    }
    Ok(notes)
}

/// Writes the target of each URN of a partition for the resources that use it.
fn find_targets(
    load: &Load<'_>,
    [names, uses]: [&Stream; 2],
    writer: &mut Writer<'_>,
    index: usize,
) -> Result<(), Failure> {
    load.check_interrupted()?;
    let (named, uses) = (names.read(index)?, uses.read(index)?);
    let mut targets: HashMap<&[u8], (u64, &[u8])> = HashMap::new();
    let mut fields = Fields(&named);
    while !fields.is_empty() {
        let (urn, place, target) = (fields.text()?, fields.number()?, fields.text()?);
        // If several resources have the URN, the one that was read last is the target.
        let known = targets.entry(urn).or_insert((place, target));
        if place >= known.0 {
            *known = (place, target);
        }
    }
    let mut fields = Fields(&uses);
    while !fields.is_empty() {
        let (urn, number) = (fields.text()?, fields.number()?);
        if let Some((_, target)) = targets.get(urn) {
            writer.push(number, |buffer| {
                put_number(buffer, number);
                put_text(buffer, urn);
                put_text(buffer, target);
            })?;
        }
    }
    Ok(())
}

/// Writes the waiting resources of a partition with the targets of their URNs.
fn rename(
    load: &Load<'_>,
    [found, texts]: [&Stream; 2],
    sorter: &mut Sorter<'_>,
    index: usize,
) -> Result<(), Failure> {
    load.check_interrupted()?;
    let (found, texts) = (found.read(index)?, texts.read(index)?);
    let mut targets: HashMap<(u64, &[u8]), &[u8]> = HashMap::new();
    let mut fields = Fields(&found);
    while !fields.is_empty() {
        targets.insert((fields.number()?, fields.text()?), fields.text()?);
    }
    let mut fields = Fields(&texts);
    while !fields.is_empty() {
        let waiting = Waiting::read(&mut fields)?;
        let text = renamed(waiting.text, |urn| targets.get(&(waiting.number, urn)).copied());
        sorter.send_named(Waiting { text: &text, ..waiting })?;
    }
    Ok(())
}

/// Returns the text in which `Type/id` replaces the `urn:` references.
fn renamed<'t>(text: &[u8], target: impl Fn(&[u8]) -> Option<&'t [u8]>) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(text.len());
    let mut copied = 0;
    reference_values(text, |value| {
        let urn = &text[value.start + 1..value.end - 1];
        if let Some(target) = target(urn).filter(|_| urn.starts_with(b"urn:")) {
            renamed.extend_from_slice(&text[copied..=value.start]);
            renamed.extend_from_slice(target);
            copied = value.end - 1;
        }
    });
    renamed.extend_from_slice(&text[copied..]);
    renamed
}

/// Determines the versions that are kept, and finds references without a target.
pub(super) fn decide(load: &Load<'_>, workers: usize) -> Result<(Losers, Notes), Failure> {
    let losers = Losers::new(load.resources.load(Ordering::Relaxed));
    let decided = parallel(workers, load.versions.len(), Notes::default, |notes, index| {
        in_parts(load, [&load.versions, &load.links], index, load.sizes.joined, &mut |streams, index| {
            decide_of(load, streams, index, &losers, notes)
        })
    })?;
    let mut notes = Notes::default();
    for more in decided {
        notes.add(more);
    }
    Ok((losers, notes))
}

/// Determines the versions of a partition that are kept.
fn decide_of(
    load: &Load<'_>,
    [of_versions, links]: [&Stream; 2],
    index: usize,
    losers: &Losers,
    notes: &mut Notes,
) -> Result<(), Failure> {
    load.check_interrupted()?;
    let bytes = of_versions.read(index)?;
    let versions = versions(&bytes)?;
    let mut stays: HashMap<&[u8], &Version<'_>, foldhash::fast::FixedState> = HashMap::default();
    stays.reserve(versions.len());
    for version in &versions {
        let best = stays.entry(version.key).or_insert(version);
        if (version.updated, version.rank) > (best.updated, best.rank) {
            *best = version;
        }
    }
    if stays.len() < versions.len() {
        replaced(&versions, &stays, losers, notes);
        moved::record_moves(&versions, &stays, notes);
    }
    unresolved(load, &links.read(index)?, |target| stays.contains_key(target), notes)
}

/// Records the versions that another version replaces.
fn replaced(
    versions: &[Version<'_>],
    stays: &HashMap<&[u8], &Version<'_>, foldhash::fast::FixedState>,
    losers: &Losers,
    notes: &mut Notes,
) {
    for version in versions {
        let Some(best) = stays.get(version.key).filter(|best| best.number != version.number) else {
            continue;
        };
        losers.insert(version.number);
        let was_there = version.place.piece == Place::LAKE;
        if version.content == best.content {
            notes.loaded.repeated += 1;
        } else if was_there && best.place.piece != Place::LAKE {
            notes.loaded.updated += 1;
        } else {
            let text = || format!("{}: another version is kept, from ", String::from_utf8_lossy(version.key));
            notes.record(Kind::Replaced, Some(version.place), Some(best.place), 1, text);
        }
    }
}

/// Records the references and attachments whose target does not exist.
fn unresolved(
    load: &Load<'_>,
    links: &[u8],
    is_there: impl Fn(&[u8]) -> bool,
    notes: &mut Notes,
) -> Result<(), Failure> {
    let mut fields = Fields(links);
    while !fields.is_empty() {
        let (target, count) = (fields.text()?, fields.number()?);
        let (of_attachment, place) = (fields.number()? == 1, Place::of(fields.number()?));
        if is_there(target) {
            continue;
        }
        let text = String::from_utf8_lossy(target);
        // The lake may have patients that are not part of this load.
        let earlier = text.strip_prefix("Patient/").zip(load.lake.as_ref());
        if earlier.is_some_and(|(patient, lake)| lake.join(PATIENTS).join(patient).is_dir()) {
            continue;
        }
        let kind = if of_attachment { Kind::Unserved } else { Kind::Unresolved };
        notes.record(kind, Some(place), None, count, || text.into_owned());
    }
    Ok(())
}

/// Writes the resources that belong to the patients of other resources to their streams.
pub(super) fn follow(
    load: &Load<'_>,
    workers: usize,
    losers: &Losers,
    found: &Stream,
) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    if load.followers.is_empty() {
        return Ok(notes);
    }
    let joined = parallel(
        workers,
        found.len(),
        || Writer::new(found),
        |writer, index| {
            let streams = [&load.follows, &load.versions];
            in_parts(load, streams, index, load.sizes.joined, &mut |streams, index| {
                load.check_interrupted()?;
                homes_of_followed(losers, streams, index, writer)
            })
        },
    )?;
    joined.into_iter().try_for_each(Writer::finish)?;
    let none = Unnamed::new(std::path::Path::new(""), "none", 1);
    let begin = || Sorter::new(load, &none, Priority::Existing);
    let sent = parallel(workers, found.len(), begin, |sorter, index| {
        let streams = [found, &load.followers];
        in_parts(load, streams, index, load.sizes.joined, &mut |streams, index| {
            place_followers(load, losers, streams, index, sorter)
        })?;
        load.followers.remove(index);
        Ok(())
    })?;
    for sorter in sent {
        notes.add(sorter.finish()?.0);
    }
    Ok(notes)
}

/// Writes the followers of a partition to the streams of their patients.
fn place_followers(
    load: &Load<'_>,
    losers: &Losers,
    [found, followers]: [&Stream; 2],
    index: usize,
    sorter: &mut Sorter<'_>,
) -> Result<(), Failure> {
    load.check_interrupted()?;
    let (found, followers) = (found.read(index)?, followers.read(index)?);
    let (mut homes, mut last) = (HashMap::<u64, BTreeSet<&[u8]>>::new(), HashMap::new());
    let mut fields = Fields(&found);
    while !fields.is_empty() {
        let (number, is_last_resort) = (fields.number()?, fields.number()? == 1);
        let homes = if is_last_resort { &mut last } else { &mut homes };
        homes.entry(number).or_default().insert(fields.text()?);
    }
    let mut fields = Fields(&followers);
    while !fields.is_empty() {
        let (number, place) = (fields.number()?, Place::of(fields.number()?));
        let (resource_type, id, text) = (fields.text()?, fields.text()?, fields.text()?);
        let directory = std::str::from_utf8(fields.text()?).ok().filter(|patient| !patient.is_empty());
        let mut all = homes.remove(&number).unwrap_or_default();
        all.extend(fields.texts()?);
        if all.is_empty() {
            all = last.remove(&number).unwrap_or_default();
        }
        if losers.contains(number) {
            continue;
        }
        let (resource_type, id) = (String::from_utf8_lossy(resource_type), String::from_utf8_lossy(id));
        let all: Vec<_> = all.into_iter().collect();
        if resource_type == "Binary" && all.is_empty() && place.piece != Place::LAKE {
            sorter.note_unplaced(place, &id);
        }
        sorter.place(number, &resource_type, &id, text, &all, directory)?;
    }
    Ok(())
}

/// Writes the patients of the resources in one partition, for the resources that follow them.
fn homes_of_followed(
    losers: &Losers,
    [follows, of_versions]: [&Stream; 2],
    index: usize,
    writer: &mut Writer<'_>,
) -> Result<(), Failure> {
    let follows = follows.read(index)?;
    let (mut claims, mut followers) = (HashMap::<&[u8], Ownership<'_>>::new(), Vec::new());
    let mut fields = Fields(&follows);
    while !fields.is_empty() {
        let Follow { key, number, role, homes } = Follow::read(&mut fields)?;
        if losers.contains(number) {
            continue;
        }
        claims.entry(key).or_default().add(role, homes);
        if !matches!(role, Role::Attaches(_)) {
            followers.push((key, number, role));
        }
    }
    if followers.is_empty() {
        return Ok(());
    }
    let bytes = of_versions.read(index)?;
    for version in versions(&bytes)?.into_iter().filter(|version| !losers.contains(version.number)) {
        if let Some(claims) = claims.get_mut(version.key) {
            claims.add_own(version.homes);
        }
    }
    for (key, number, role) in followers {
        let Some((homes, is_last_resort)) = claims.get(key).map(|claims| claims.homes(role)) else {
            continue;
        };
        for home in homes {
            writer.push(number, |buffer| {
                put_number(buffer, number);
                put_number(buffer, u64::from(is_last_resort));
                put_text(buffer, home);
            })?;
        }
    }
    Ok(())
}
