//! What the report says about single resources.

use std::ops::Range;

use fhir::attachments::{Link, Target};
use fhir::json;
use fhir::references::{parse, reference_values};
use storage::layout::{DOCUMENTS, PATIENTS};

use super::Sorter;
use crate::Failure;
use crate::load::arriving::{Arriving, key_of};
use crate::load::belongs::Belongs;
use crate::load::links::attachment_urls;
use crate::load::mention::Identifier;
use crate::load::report::{Kind, Place};
use crate::load::spill::{put_number, put_text};

impl Sorter<'_> {
    /// Records a Binary that belongs to no patient.
    pub(in crate::load) fn note_unplaced(&mut self, place: Place, id: &str) {
        self.notes.record(Kind::Unplaced, Some(place), None, 1, || format!("Binary/{id}"));
    }

    /// Records a deletion, which the loader does not carry out.
    pub(super) fn note_deletion(&mut self, place: Place, name: String) {
        self.notes.record(Kind::Deletion, Some(place), None, 1, || name);
    }

    /// Records a resource that names a patient in a way by which no patient was found, unless it names other patients as well and the
    /// element is not about its subject. `fault` says why no patient was found by an identifier. It is reported if this version of the
    /// resource is kept.
    pub(super) fn note_unmatched(
        &mut self,
        resource: &Arriving<'_>,
        found: &Belongs,
        fault: impl Fn(&Identifier) -> String,
    ) -> Result<(), Failure> {
        let Belongs { homes, follows, mentions } = found;
        let has_none = homes.is_empty() && follows.is_empty();
        let matters = mentions.iter().find(|mention| {
            mention.is_of_patient && (mention.is_subject || has_none) && resource.resource_type != "Binary"
        });
        let Some(mention) = matters else { return Ok(()) };
        let fault = mention.identifier.as_ref().map(fault).unwrap_or_default();
        let text = format!("{}/{}: {}{fault}", resource.resource_type, resource.id, mention.text);
        self.unmatched.push(resource.number, |buffer| {
            put_number(buffer, resource.number);
            put_number(buffer, resource.place.number());
            put_text(buffer, text.as_bytes());
        })
    }

    /// Records the links of the resource, so that missing targets are found later.
    pub(super) fn note_links<T: AsRef<[u8]>>(
        &mut self,
        resource: &Arriving<'_>,
        homes: &[T],
    ) -> Result<(), Failure> {
        let (plain, place) = (resource.plain, resource.place);
        let mut values: Vec<Range<usize>> = Vec::new();
        reference_values(plain, |value| values.push(value));
        for value in values {
            let Some(text) = json::string(plain, value) else { continue };
            match parse(&text) {
                _ if text.starts_with('#') || text.is_empty() => {}
                Some(reference) => self.links.record(reference.text.as_bytes(), false, place)?,
                // A search, a `urn:` without a resource, or a text that is not a reference.
                None => self.notes.record(Kind::Unresolved, Some(place), None, 1, || text.into_owned()),
            }
        }
        for (url, link) in attachment_urls(plain, resource.resource_type) {
            if let [Target::Binary(id)] = link.targets() {
                self.links.record(&key_of("Binary", id), true, place)?;
            } else if !self.can_be_served(&link, homes) {
                self.notes.record(Kind::Unserved, Some(place), None, 1, || url);
            }
        }
        Ok(())
    }

    /// Returns whether an export can serve the attachment, or does not change its URL because it is outside the lake.
    fn can_be_served<T: AsRef<[u8]>>(&self, link: &Link, homes: &[T]) -> bool {
        let targets = match link {
            Link::Elsewhere(_) => return true,
            Link::Nowhere => return false,
            Link::Record(targets) => targets,
        };
        let Some(lake) = &self.load.lake else { return true };
        let has = |home: &T, name: &str| {
            let patient = String::from_utf8_lossy(home.as_ref()).into_owned();
            lake.join(PATIENTS).join(patient).join(DOCUMENTS).join(name).is_file()
        };
        targets.iter().any(|target| match target {
            Target::File(name) => homes.iter().any(|home| has(home, name)),
            Target::Binary(_) => true,
        })
    }
}
