//! Resources that wait for the targets of their references: a `urn:`, or the identifier of a patient.

use std::sync::Arc;

use fhir::head::{Head, Members, Plain, head_and_members};
use fhir::references::reference_values;

use super::Sorter;
use crate::Failure;
use crate::load::arriving::{Arriving, updated};
use crate::load::belongs::{Belongs, belongs};
use crate::load::identities::{Matches, put_identity};
use crate::load::mention::{identifiers, with_references};
use crate::load::report::Place;
use crate::load::spill::{Fields, put_number, put_text};
use crate::load::streams::hash;

/// A stored resource that waits.
#[derive(Clone, Copy)]
pub(in crate::load) struct Waiting<'a> {
    pub(in crate::load) number: u64,
    pub(in crate::load) place: Place,
    pub(in crate::load) rank: u64,
    /// The patient in whose directory of the lake the resource was found; empty for none.
    pub(in crate::load) directory: &'a [u8],
    pub(in crate::load) text: &'a [u8],
}

impl<'a> Waiting<'a> {
    pub(in crate::load) fn read(fields: &mut Fields<'a>) -> Result<Self, Failure> {
        Ok(Self {
            number: fields.number()?,
            place: Place::of(fields.number()?),
            rank: fields.number()?,
            directory: fields.text()?,
            text: fields.text()?,
        })
    }

    /// Returns the resource, of whose text these are the head and the members.
    fn resource<'r>(&self, head: &Head<'r>, members: &'r Members<'r>) -> Arriving<'r>
    where
        'a: 'r,
    {
        Arriving {
            number: self.number,
            place: self.place,
            rank: self.rank,
            resource_type: head.resource_type,
            id: head.id.unwrap_or_default(),
            text: self.text,
            plain: head.text,
            members,
            directory: std::str::from_utf8(self.directory)
                .ok()
                .filter(|patient| !patient.is_empty())
                .map(Arc::from),
        }
    }
}

fn put(buffer: &mut Vec<u8>, resource: &Arriving<'_>, text: &[u8]) {
    put_number(buffer, resource.number);
    put_number(buffer, resource.place.number());
    put_number(buffer, resource.rank);
    put_text(buffer, resource.directory.as_deref().unwrap_or_default().as_bytes());
    put_text(buffer, text);
}

/// Reads a stored text, which was read before.
fn read<'a>(text: &'a [u8], plain: &'a mut Plain) -> Result<(Head<'a>, Members<'a>), Failure> {
    head_and_members(text, plain).map_err(|reason| Failure::new(reason.to_string()))
}

impl Sorter<'_> {
    /// Stores a resource that refers to a `urn:` until all URNs are known. Returns whether it did.
    pub(super) fn wait_for_names(
        &mut self,
        resource: &Arriving<'_>,
        head: &Head<'_>,
    ) -> Result<bool, Failure> {
        let mut urns = Vec::new();
        reference_values(head.text, |value| {
            let urn = &head.text[value.start + 1..value.end - 1];
            if urn.starts_with(b"urn:") && !urns.contains(&urn) {
                urns.push(urn);
            }
        });
        if urns.is_empty() {
            return Ok(false);
        }
        for urn in &urns {
            self.uses.push(hash(urn), |buffer| {
                put_text(buffer, urn);
                put_number(buffer, resource.number);
            })?;
        }
        // The plain spelling is stored, in which the URNs can be replaced.
        let text = if head.id.is_some() { resource.plain } else { resource.text };
        self.unnamed.push(resource.number, |buffer| put(buffer, resource, text))?;
        Ok(true)
    }

    /// Writes a resource whose URNs are resolved as far as possible to its streams.
    pub(in crate::load) fn send_named(&mut self, waiting: Waiting<'_>) -> Result<(), Failure> {
        let mut plain = Plain::default();
        let (head, members) = read(waiting.text, &mut plain)?;
        self.send(&waiting.resource(&head, &members))
    }

    /// Stores a resource that names a patient by an identifier until the identifiers of all Patients are known. Returns whether it did.
    pub(super) fn wait_for_patients(
        &mut self,
        resource: &Arriving<'_>,
        found: &Belongs,
    ) -> Result<bool, Failure> {
        let mut waits = false;
        for identifier in found.mentions.iter().filter_map(|mention| mention.identifier.as_ref()) {
            let key = identifier.key();
            self.wanted.push(hash(&key), |buffer| {
                put_text(buffer, &key);
                put_number(buffer, resource.number);
            })?;
            waits = true;
        }
        if waits {
            self.waiting.push(resource.number, |buffer| put(buffer, resource, resource.text))?;
        }
        Ok(waits)
    }

    /// Writes a resource to its streams, with references to the patients that were found by their identifiers.
    pub(in crate::load) fn send_matched(
        &mut self,
        waiting: Waiting<'_>,
        matches: &Matches<'_>,
    ) -> Result<(), Failure> {
        let mut plain = Plain::default();
        let (head, members) = read(waiting.text, &mut plain)?;
        let found = belongs(&waiting.resource(&head, &members));
        let patients = found.mentions.iter().filter_map(|mention| {
            let identifier = mention.identifier.as_ref()?;
            Some((mention, matches.only(waiting.number, identifier)?))
        });
        let patients: Vec<_> = patients.collect();
        let text = match patients.is_empty() {
            true => waiting.text.to_owned(),
            false => with_references(head.text, patients),
        };
        let waiting = Waiting { text: &text, ..waiting };
        let mut plain = Plain::default();
        let (head, members) = read(waiting.text, &mut plain)?;
        let resource = waiting.resource(&head, &members);
        let found = belongs(&resource);
        self.note_unmatched(&resource, &found, |identifier| matches.fault(waiting.number, identifier))?;
        self.sort(&resource, found)
    }

    /// Stores the identifiers of a Patient.
    pub(super) fn note_identity(&mut self, resource: &Arriving<'_>) -> Result<(), Failure> {
        let keys = identifiers(resource.plain, resource.members);
        let updated = updated(resource.plain, resource.members);
        self.identities.push(hash(resource.id.as_bytes()), |buffer| {
            put_identity(buffer, resource.id, updated, resource.rank, &keys);
        })
    }
}
