//! Tracks which resources of a patient's record refer to which of its documents, and decides on each document by that.
//!
//! A document follows the resources that refer to it: it is withheld if one of them is withheld, and left out if they
//! are all left out.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use domain::decision::Decision;
use domain::filter::{Filter, Refusal};
use domain::ledger::Reason;
use domain::ports::records::Part;
use domain::sensitive::Sensitive;
use fhir::attachments::{Link, LinkedAttachment, Target};
use fhir::references::Reference;

use crate::keys::format_key;

/// The references to the documents of one patient.
pub(crate) struct DocumentReferences<'p> {
    /// The files of the record that are not FHIR resources.
    files: &'p [Part],
    /// Resources to which access is refused, with their sensitive category.
    refused: HashMap<String, Option<Sensitive>>,
    /// Binaries whose `securityContext` is another resource than the patient, and that resource.
    contexts: Vec<(Target, String)>,
    /// Documents that an exported resource refers to.
    referenced: HashSet<Target>,
    /// The subset of `referenced` that a DocumentReference refers to.
    referenced_by_documents: HashSet<Target>,
    /// Documents that a withheld resource refers to, with its category.
    withheld: HashMap<Target, Option<Sensitive>>,
    /// Documents that a refused resource refers to. They are withheld only if an exported resource refers to them too.
    held: HashMap<Target, Option<Sensitive>>,
    left_out: HashSet<Target>,
}

impl<'p> DocumentReferences<'p> {
    pub(crate) fn new(files: &'p [Part]) -> Self {
        Self {
            files,
            refused: HashMap::new(),
            contexts: Vec::new(),
            referenced: HashSet::new(),
            referenced_by_documents: HashSet::new(),
            withheld: HashMap::new(),
            held: HashMap::new(),
            left_out: HashSet::new(),
        }
    }

    /// Records the decision on a resource that has these attachments.
    pub(crate) fn record_decision(
        &mut self,
        resource_type: &str,
        linked: &[LinkedAttachment],
        decision: Decision,
    ) {
        for attachment in linked {
            match decision {
                Decision::Keep => {
                    let Some(target) = self.meant(&attachment.link) else { continue };
                    if resource_type == "DocumentReference" {
                        self.referenced_by_documents.insert(target.clone());
                    }
                    self.referenced.insert(target);
                }
                // Every document that the URL may mean is withheld.
                Decision::Withhold(category) => {
                    let targets = attachment.link.targets().iter().cloned();
                    self.withheld.extend(targets.map(|target| (target, Some(category))));
                }
                Decision::Unreadable => {
                    let targets = attachment.link.targets().iter().cloned();
                    self.withheld.extend(targets.map(|target| (target, None)));
                }
                Decision::LeaveOut(_) => self.left_out.extend(attachment.link.targets().iter().cloned()),
            }
        }
    }

    /// Returns the document of the record that a URL means.
    pub(crate) fn meant(&self, link: &Link) -> Option<Target> {
        let Link::Record(targets) = link else { return None };
        let is_there = |target: &&Target| match target {
            Target::File(name) => self.files.iter().any(|part| part.name == *name),
            Target::Binary(_) => true,
        };
        targets.iter().find(is_there).or(targets.first()).cloned()
    }

    /// Records a resource to which access is refused. Its documents, and the Binaries with this resource as
    /// `securityContext`, are withheld even if other resources refer to them.
    pub(crate) fn refuse(
        &mut self,
        resource_type: &str,
        id: Option<&str>,
        linked: &[LinkedAttachment],
        Refusal { category }: Refusal,
    ) {
        if let Some(id) = id {
            self.refused.insert(format_key(resource_type, id), category);
        }
        let targets = linked.iter().flat_map(|attachment| attachment.link.targets());
        self.held.extend(targets.map(|target| (target.clone(), category)));
    }

    /// Records a resource that is withheld because of the resource that it is about. Returns whether this was not known.
    pub(crate) fn refuse_more(&mut self, resource_type: &str, id: Option<&str>, refusal: Refusal) -> bool {
        let Some(id) = id else { return false };
        match self.refused.entry(format_key(resource_type, id)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(unknown) => {
                unknown.insert(refusal.category);
                true
            }
        }
    }

    /// Records the documents that the text of a refused resource mentions. They are not exported.
    pub(crate) fn refuse_mentioned(&mut self, mentioned: Vec<Target>, Refusal { category }: Refusal) {
        for target in mentioned {
            self.left_out.insert(target.clone());
            self.held.entry(target).or_insert(category);
        }
    }

    /// Returns the refusal of a resource or a Binary; `None` if access to it is not refused.
    pub(crate) fn refusal(&self, reference: Reference<'_>) -> Option<Refusal> {
        let document = || {
            let target = Target::Binary(reference.id.to_owned());
            self.withheld.get(&target).or_else(|| self.held.get(&target))
        };
        let refused = self.refused.get(reference.text);
        let category = refused.or_else(|| document().filter(|_| reference.resource_type == "Binary"))?;
        Some(Refusal { category: *category })
    }

    /// Records a Binary whose `securityContext` is another resource than the patient. It is exported only if an
    /// exported resource refers to it.
    pub(crate) fn follow_access(&mut self, target: Target, context: String) {
        self.contexts.push((target.clone(), context));
        self.left_out.insert(target);
    }

    /// Withholds a document, whatever refers to it.
    pub(crate) fn hold_back(&mut self, target: Target) {
        self.withheld.entry(target).or_insert(None);
    }

    /// Withholds a document that is itself of a sensitive category.
    pub(crate) fn withhold(&mut self, target: Target, category: Sensitive) {
        self.withheld.insert(target, Some(category));
    }

    /// Withholds the documents whose `securityContext` is refused. Called when the whole record is read.
    pub(crate) fn settle(&mut self, filter: &Filter<'_>) {
        for (target, context) in std::mem::take(&mut self.contexts) {
            let is_granted = context.split('/').next().is_some_and(|name| filter.grants(name));
            let refused = self.refused.get(&context).copied().or((!is_granted).then_some(None));
            if let Some(category) = refused {
                self.held.entry(target).or_insert(category);
            }
        }
    }

    /// Returns whether one of these attachments is a file that changed after `_since`. The resource that describes it
    /// is then exported, however old it is.
    pub(crate) fn have_changed(&self, linked: &[LinkedAttachment], filter: &Filter<'_>) -> bool {
        let is_new = |name: &String| {
            let part = self.files.iter().find(|part| part.name == *name);
            part.is_some_and(|part| part.changed.is_none_or(|at| filter.is_new(at.as_microsecond())))
        };
        linked.iter().any(|attachment| match self.meant(&attachment.link) {
            Some(Target::File(name)) => is_new(&name),
            Some(Target::Binary(_)) | None => false,
        })
    }

    /// Returns whether a resource of the record refers to a document, exported or not.
    pub(crate) fn is_referred_to(&self, target: &Target) -> bool {
        self.withheld.contains_key(target)
            || self.referenced.contains(target)
            || self.left_out.contains(target)
    }

    /// Returns whether an exported resource describes a document. With `by_documents_only`, only a DocumentReference
    /// counts.
    pub(crate) fn is_described(&self, target: &Target, by_documents_only: bool) -> bool {
        let described = if by_documents_only { &self.referenced_by_documents } else { &self.referenced };
        described.contains(target)
    }

    /// Returns whether a withheld or refused resource holds a document back.
    pub(crate) fn is_held_back(&self, target: &Target) -> bool {
        self.withheld.contains_key(target) || self.held.contains_key(target)
    }

    /// Decides on a document; `otherwise` is the decision if nothing refers to it.
    pub(crate) fn decide(&self, target: &Target, otherwise: Decision) -> Decision {
        // One withheld resource is enough to withhold a document that exported resources refer to as well.
        let of_referenced = self.held.get(target).filter(|_| self.referenced.contains(target));
        if let Some(category) = self.withheld.get(target).or(of_referenced) {
            category.map_or(Decision::LeaveOut(Reason::Document), Decision::Withhold)
        } else if self.referenced.contains(target) {
            Decision::Keep
        } else if self.left_out.contains(target) {
            Decision::LeaveOut(Reason::Document)
        } else {
            otherwise
        }
    }
}
