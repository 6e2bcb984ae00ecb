//! Reads each resource once and appends it to a stream: of its patients, of the shared resources, or of the resources whose references are
//! not resolved yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fhir::head::{Plain, head_and_members, id_fault};
use fhir::ids::{IdFault, is_fhir_id};
use indicatif::ProgressBar;
use storage::layout::PATIENTS;

use super::arriving::{Arriving, id_of, insert_id, is_deletion, is_manifest, key_of, updated};
use super::belongs::{Belongs, belongs};
use super::follows::{Role, put_follow};
use super::found::Found;
use super::homes::key_hash;
use super::input::Piece;
use super::links::Links;
use super::objects::entries;
use super::report::{Kind, Notes, Place};
use super::spill::{self, Writer, put_number, put_resource, put_text, put_texts};
use super::streams::{Load, Unnamed, hash};
use crate::Failure;

mod notes;
mod waiting;

pub(super) use self::waiting::Waiting;

/// The rule for versions with the same type, id and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Resources of the inputs: the version that was read last is kept.
    Incoming,
    /// Existing records: an incoming version replaces them. Of several existing versions, the one that was read first is kept.
    Existing,
}

/// One worker's writers to all streams.
pub(super) struct Sorter<'l> {
    load: &'l Load<'l>,
    priority: Priority,
    texts: Writer<'l>,
    shared: Writer<'l>,
    versions: Writer<'l>,
    patients: Writer<'l>,
    homes: Writer<'l>,
    followers: Writer<'l>,
    follows: Writer<'l>,
    names: Writer<'l>,
    unnamed: Writer<'l>,
    uses: Writer<'l>,
    identities: Writer<'l>,
    waiting: Writer<'l>,
    wanted: Writer<'l>,
    unmatched: Writer<'l>,
    links: Links<'l>,
    /// The number of resources of the current piece that were read.
    count: u32,
    last_patient: Vec<u8>,
    /// The file of the current piece.
    path: Option<Arc<Path>>,
    /// The patient in whose directory of the lake that file is.
    directory: Option<Arc<str>>,
    notes: Notes,
    /// Files of the lake that could not be read or used completely.
    damaged: BTreeSet<PathBuf>,
}

impl<'l> Sorter<'l> {
    pub(super) fn new(load: &'l Load<'l>, unnamed: &'l Unnamed, priority: Priority) -> Self {
        Self {
            load,
            priority,
            texts: Writer::new(&load.texts),
            shared: Writer::new(&load.shared),
            versions: Writer::new(&load.versions),
            patients: Writer::new(&load.patients),
            homes: Writer::new(&load.homes),
            followers: Writer::new(&load.followers),
            follows: Writer::new(&load.follows),
            names: Writer::new(&load.names),
            unnamed: Writer::new(&unnamed.texts),
            uses: Writer::new(&unnamed.uses),
            identities: Writer::new(&load.identities),
            waiting: Writer::new(&load.waiting),
            wanted: Writer::new(&load.wanted),
            unmatched: Writer::new(&load.unmatched),
            links: Links::new(&load.links),
            count: 0,
            last_patient: Vec::new(),
            path: None,
            directory: None,
            notes: Notes::default(),
            damaged: BTreeSet::new(),
        }
    }

    /// Writes the buffered records to the streams after all input is read. Returns the notes, and the files of the lake that could not be
    /// used completely.
    pub(super) fn finish(self) -> Result<(Notes, BTreeSet<PathBuf>), Failure> {
        let Self { texts, shared, versions, patients, followers, follows, names, unnamed, uses, .. } = self;
        let Self { identities, waiting, wanted, unmatched, links, homes, .. } = self;
        let known = [texts, shared, versions, patients, followers, follows, names, unnamed, uses];
        for writer in known.into_iter().chain([identities, waiting, wanted, unmatched, homes]) {
            writer.finish()?;
        }
        links.finish()?;
        Ok((self.notes, self.damaged))
    }

    /// Reads a piece.
    pub(super) fn read(&mut self, number: u32, piece: &Piece, bar: &ProgressBar) -> Result<(), Failure> {
        self.count = 0;
        self.path = Some(piece.path.clone());
        self.directory = match self.priority {
            Priority::Incoming => None,
            Priority::Existing => patient_of(&piece.path),
        };
        piece.read(bar, &mut |line, found| {
            self.load.check_interrupted()?;
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            self.take(Place { piece: number, line }, found)
        })
    }

    fn problem(&mut self, place: Place, reason: String) {
        match (self.priority, &self.path) {
            (Priority::Existing, Some(path)) => {
                self.damaged.insert(path.to_path_buf());
                let text = || format!("{}:{}: {reason}", path.display(), place.line);
                self.notes.record(Kind::Problem, None, None, 1, text);
            }
            _ => self.notes.record(Kind::Problem, Some(place), None, 1, || reason),
        }
    }

    /// Handles the content at a place.
    fn take(&mut self, place: Place, found: Found<'_>) -> Result<(), Failure> {
        let problem = match found {
            Found::Unusable(reason) => Some(reason),
            Found::Deleted(name) if self.priority == Priority::Incoming => {
                self.note_deletion(place, name);
                None
            }
            Found::Deleted(name) => Some(format!("the loader does not carry out the deletion of {name}")),
            Found::Resource { text, full_url } => self.resource(place, text, full_url)?,
        };
        if let Some(reason) = problem {
            self.problem(place, reason);
        }
        Ok(())
    }

    /// Reads a resource and writes it to its streams. Returns the reason if the resource cannot be used.
    fn resource(
        &mut self,
        place: Place,
        text: &[u8],
        full_url: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let mut plain = Plain::default();
        let (head, members) = match head_and_members(text, &mut plain) {
            Ok(read) => read,
            // The directory of a bulk export contains its manifest, which is not a resource.
            Err(_) if is_manifest(text) => return Ok(None),
            Err(reason) => return Ok(Some(reason.to_string())),
        };
        if head.resource_type == "Bundle" {
            entries(head.text, &mut |found| self.take(place, found))?;
            return Ok(None);
        }
        if self.priority == Priority::Incoming && is_deletion(head.text, &members) {
            let name = format!("{}/{}", head.resource_type, head.id.unwrap_or("?"));
            self.note_deletion(place, name);
            return Ok(None);
        }
        let given = full_url.and_then(id_of);
        let (id, with_id) = match (head.id, &given) {
            (Some(id), _) => (id, None),
            // An existing id is not replaced, even if FHIR does not permit it.
            (None, Some(id)) if members.get(b"id").is_none() => (id.as_str(), Some(insert_id(head.text, id))),
            (None, _) => {
                let fault = id_fault(head.text, members.get(b"id")).unwrap_or(IdFault::Missing);
                return Ok(Some(format!("a {} {fault}", head.resource_type)));
            }
        };
        if let Some(urn) = full_url.filter(|url| url.starts_with("urn:")) {
            let target = format!("{}/{id}", head.resource_type);
            self.names.push(hash(urn.as_bytes()), |buffer| {
                put_text(buffer, urn.as_bytes());
                put_number(buffer, place.number());
                put_text(buffer, target.as_bytes());
            })?;
        }
        self.count += 1;
        let number = self.load.resources.fetch_add(1, Ordering::Relaxed);
        let resource = Arriving {
            number,
            place: self.known(place),
            rank: self.rank(place),
            resource_type: head.resource_type,
            id,
            text: with_id.as_deref().unwrap_or(text),
            plain: head.text,
            members: &members,
            directory: self.directory.clone(),
        };
        if !self.wait_for_names(&resource, &head)? {
            self.send(&resource)?;
        }
        Ok(None)
    }

    /// Returns the rank of the resource that was read last among versions with the same time.
    fn rank(&self, place: Place) -> u64 {
        let order = u64::from(place.piece) << 32 | u64::from(self.count);
        match self.priority {
            Priority::Incoming => order | 1 << 63,
            Priority::Existing => !order & !(1 << 63),
        }
    }

    /// Returns the place to record. Existing records of the lake have no line.
    fn known(&self, place: Place) -> Place {
        match self.priority {
            Priority::Incoming => place,
            Priority::Existing => Place { piece: Place::LAKE, line: 0 },
        }
    }

    /// Writes a resource to its streams, or stores it until the patient whom it names is known.
    fn send(&mut self, resource: &Arriving<'_>) -> Result<(), Failure> {
        let mut found = belongs(resource);
        if self.priority == Priority::Incoming {
            if resource.resource_type == "Patient" {
                self.note_identity(resource)?;
            }
            if self.wait_for_patients(resource, &found)? {
                return Ok(());
            }
            self.note_unmatched(resource, &found, |_| String::new())?;
        } else if found.names_nobody_else() && resource.resource_type != "Binary" {
            // A record of another program names its patient in another way.
            found.homes.extend(resource.directory.as_deref().map(str::to_owned));
        }
        self.sort(resource, found)
    }

    /// Writes a resource with these patients to its streams.
    fn sort(&mut self, resource: &Arriving<'_>, found: Belongs) -> Result<(), Failure> {
        let key = key_of(resource.resource_type, resource.id);
        let Belongs { homes, follows, .. } = found;
        let key_hash = hash(&key);
        self.versions.push(key_hash, |buffer| {
            put_text(buffer, &key);
            put_number(buffer, resource.number);
            put_number(buffer, updated(resource.plain, resource.members).cast_unsigned());
            put_number(buffer, resource.rank);
            put_number(buffer, resource.place.number());
            put_number(buffer, hash(resource.text));
            put_texts(buffer, &homes);
        })?;
        if self.priority == Priority::Incoming {
            self.note_links(resource, &homes)?;
        }
        super::links::binary_attachments(resource.plain, resource.resource_type, |binary, base| {
            let (key, role) = (key_of("Binary", binary), Role::Attaches(base.map(str::as_bytes)));
            self.follows.push(hash(&key), |buffer| put_follow(buffer, &key, resource.number, role, &homes))
        })?;
        for patient in &homes {
            self.note_patient(patient)?;
        }
        if resource.resource_type == "Binary" || !follows.is_empty() {
            return self.follow(resource, &key, &homes, &follows);
        }
        let directory = resource.directory.as_deref();
        self.place(resource.number, resource.resource_type, resource.id, resource.text, &homes, directory)
    }

    /// Stores a resource that belongs to the patients of other resources until these are known.
    fn follow<T: AsRef<[u8]>>(
        &mut self,
        resource: &Arriving<'_>,
        key: &[u8],
        homes: &[T],
        follows: &[String],
    ) -> Result<(), Failure> {
        let itself = Role::Itself { has_context: !follows.is_empty() };
        let own = (resource.resource_type == "Binary").then_some((key, itself));
        let others = follows.iter().map(|target| (target.as_bytes(), Role::Follower));
        for (target, role) in own.into_iter().chain(others) {
            let put = |buffer: &mut Vec<u8>| put_follow::<&[u8]>(buffer, target, resource.number, role, &[]);
            self.follows.push(hash(target), put)?;
        }
        self.followers.push(resource.number, |buffer| {
            put_number(buffer, resource.number);
            put_number(buffer, resource.place.number());
            put_text(buffer, resource.resource_type.as_bytes());
            put_text(buffer, resource.id.as_bytes());
            put_text(buffer, resource.text);
            put_text(buffer, resource.directory.as_deref().unwrap_or_default().as_bytes());
            put_texts(buffer, homes);
        })
    }

    /// Writes a resource to the records of its patients, or to the shared resources if it has none. `directory` is the patient in whose
    /// record of the lake it was found, so that the index of homes has this one already.
    pub(super) fn place<T: AsRef<[u8]>>(
        &mut self,
        number: u64,
        resource_type: &str,
        id: &str,
        text: &[u8],
        homes: &[T],
        directory: Option<&str>,
    ) -> Result<(), Failure> {
        let key = key_hash(&key_of(resource_type, id));
        let (resource_type, id) = (resource_type.as_bytes(), id.as_bytes());
        let head = spill::Head { number, home: b"", resource_type, id };
        if homes.is_empty() {
            return self.shared.push(hash(id), |buffer| put_resource(buffer, &head, text));
        }
        for home in homes {
            let home = home.as_ref();
            self.texts
                .push(hash(home), |buffer| put_resource(buffer, &spill::Head { home, ..head }, text))?;
            if directory.is_none_or(|directory| directory.as_bytes() != home) {
                self.homes.push(key, |buffer| put_text(buffer, home))?;
            }
        }
        Ok(())
    }

    fn note_patient(&mut self, patient: &str) -> Result<(), Failure> {
        // Most resources belong to the same patient as the previous one.
        if self.last_patient == patient.as_bytes() {
            return Ok(());
        }
        patient.as_bytes().clone_into(&mut self.last_patient);
        self.patients.push(hash(patient.as_bytes()), |buffer| put_text(buffer, patient.as_bytes()))
    }
}

/// Returns the patient in whose directory of the lake a file is.
fn patient_of(path: &Path) -> Option<Arc<str>> {
    let directory = path.parent()?;
    let is_of_patient = directory.parent()?.file_name()? == PATIENTS;
    let name = directory.file_name()?.to_str()?;
    (is_of_patient && is_fhir_id(name)).then(|| Arc::from(name))
}
