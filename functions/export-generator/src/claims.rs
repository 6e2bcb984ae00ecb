//! Which resources of a patient's record refer to which of its documents, and what is decided on each document by that.
//!
//! A document goes where the resources that refer to it go: withheld with one that is withheld, left out with those left
//! out.

use std::collections::{HashMap, HashSet};

use domain::choices::Sensitive;
use domain::decision::Decision;
use domain::filter::{Filter, Refusal};
use domain::ledger::Reason;
use domain::ports::records::Part;
use fhir::attachments::{Link, LinkedAttachment, Target};

use crate::references::format_key;

/// See the [module](self).
pub(crate) struct Claims<'p> {
    /// The files of the record that are no FHIR resources.
    files: &'p [Part],
    /// Resources to which access is refused, and of which category they are.
    refused: HashMap<String, Option<Sensitive>>,
    /// Binaries whose access follows another resource than the patient, and that resource.
    contexts: Vec<(Target, String)>,
    claimed: HashSet<Target>,
    /// Those of them that a DocumentReference refers to.
    claimed_by_documents: HashSet<Target>,
    /// Of which category, where a sensitive resource refers to it.
    withheld: HashMap<Target, Option<Sensitive>>,
    /// The same of a resource that is left out anyhow: only what others claim is withheld because of it.
    held: HashMap<Target, Option<Sensitive>>,
    left_out: HashSet<Target>,
}

impl<'p> Claims<'p> {
    pub(crate) fn new(files: &'p [Part]) -> Self {
        Self {
            files,
            refused: HashMap::new(),
            contexts: Vec::new(),
            claimed: HashSet::new(),
            claimed_by_documents: HashSet::new(),
            withheld: HashMap::new(),
            held: HashMap::new(),
            left_out: HashSet::new(),
        }
    }

    /// Notes what was decided on a resource that refers to these.
    pub(crate) fn note(&mut self, resource_type: &str, linked: &[LinkedAttachment], decision: Decision) {
        for attachment in linked {
            match decision {
                Decision::Keep => {
                    let Some(target) = self.meant(&attachment.link) else { continue };
                    if resource_type == "DocumentReference" {
                        self.claimed_by_documents.insert(target.clone());
                    }
                    self.claimed.insert(target);
                }
                // Whatever it may mean.
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

    /// The document of the record that a URL means.
    pub(crate) fn meant(&self, link: &Link) -> Option<Target> {
        let Link::Record(targets) = link else { return None };
        let is_there = |target: &&Target| match target {
            Target::File(name) => self.files.iter().any(|part| part.name == *name),
            Target::Binary(_) => true,
        };
        targets.iter().find(is_there).or(targets.first()).cloned()
    }

    /// Notes a resource to which access is refused: these documents of it and what has it as `securityContext` do not
    /// go, whoever else refers to them.
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

    /// Notes a Binary whose access follows another resource than the patient: it goes with what refers to it only.
    pub(crate) fn follow_access(&mut self, target: Target, context: String) {
        self.contexts.push((target.clone(), context));
        self.left_out.insert(target);
    }

    /// Holds a document back, whatever refers to it.
    pub(crate) fn hold_back(&mut self, target: Target) {
        self.withheld.entry(target).or_insert(None);
    }

    /// Holds back a document that is of a category itself.
    pub(crate) fn withhold(&mut self, target: Target, category: Sensitive) {
        self.withheld.insert(target, Some(category));
    }

    /// The whole record was read: holds back the documents whose access follows a resource to which it is refused.
    pub(crate) fn settle(&mut self, filter: &Filter<'_>) {
        for (target, context) in std::mem::take(&mut self.contexts) {
            let is_granted = context.split('/').next().is_some_and(|name| filter.grants(name));
            let refused = self.refused.get(&context).copied().or((!is_granted).then_some(None));
            if let Some(category) = refused {
                self.held.entry(target).or_insert(category);
            }
        }
    }

    /// Whether one of these is a file that changed after `_since`: then the resource that describes it goes, however old
    /// it is.
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

    /// Whether a resource of the record refers to a document, exported or not.
    pub(crate) fn is_referred_to(&self, target: &Target) -> bool {
        self.withheld.contains_key(target) || self.claimed.contains(target) || self.left_out.contains(target)
    }

    /// Whether an exported resource describes a document; or an exported DocumentReference, for clients that read nothing
    /// else.
    pub(crate) fn is_described(&self, target: &Target, by_documents_only: bool) -> bool {
        let described = if by_documents_only { &self.claimed_by_documents } else { &self.claimed };
        described.contains(target)
    }

    /// Whether a document is held back by a resource that must not go.
    pub(crate) fn is_held_back(&self, target: &Target) -> bool {
        self.withheld.contains_key(target) || self.held.contains_key(target)
    }

    /// Decides on a document; `otherwise` where nothing refers to it.
    pub(crate) fn decide(&self, target: &Target, otherwise: Decision) -> Decision {
        // One resource that must not go is enough to hold back what others refer to as well.
        let of_claimed = self.held.get(target).filter(|_| self.claimed.contains(target));
        if let Some(category) = self.withheld.get(target).or(of_claimed) {
            category.map_or(Decision::LeaveOut(Reason::Document), Decision::Withhold)
        } else if self.claimed.contains(target) {
            Decision::Keep
        } else if self.left_out.contains(target) {
            Decision::LeaveOut(Reason::Document)
        } else {
            otherwise
        }
    }
}
