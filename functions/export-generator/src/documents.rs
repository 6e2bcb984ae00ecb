//! What of a patient's record is no line of NDJSON: Binary resources and the files in `files/`. They are
//! written as attachments, and the resources that refer to them get absolute URLs (Bulk Data 2.0, attachments).
//!
//! A document goes where the resources that refer to it go: withheld with one that is withheld, left out with
//! those left out. What nothing refers to is listed in a DocumentReference of our own.
//!
//! A URL in the output can be fetched, or is not there: one of the record becomes an absolute URL of this server, those of
//! other servers stay, and any other is left out and named in the `error` file.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::choices::Sensitive;
use domain::chunk::{Purpose, attempt_prefix};
use domain::error::{Error, Result};
use domain::filter::Decision;
use domain::ids::{FileName, PatientId};
use domain::ledger::Reason;
use domain::ports::records::Part;
use domain::selector::Selector;
use fhir::attachments::{
    Document, EHI_EXPORT_TAG, Link, LinkedAttachment, Replacement, Target, linked_attachments, rewrite,
};
use fhir::facts::Facts;
use fhir::head::{Plain, head, head_and_members, id_fault};
use fhir::tags::tagged;
use fhir::{json, media_types};

use crate::collect::{Collector, UNREADABLE_LABEL};
use crate::inline::{Inlined, Line};
use crate::select::{TOO_LONG, format_key};
use crate::spool::Spool;
use crate::stored::{Pieces, Writing, Written, copy};
use crate::unserved::{shown, unserved_url};

/// Documents that are exported.
pub(crate) type Kept = HashMap<Target, Written>;

pub(crate) struct PatientDocuments<'p> {
    pub(crate) patient: &'p PatientId,
    pub(crate) parts: &'p [Part],
    /// Binaries that are written, by id.
    binaries: HashMap<String, Written>,
    /// When each of them changed, in microseconds, where it says so.
    pub(crate) changed: HashMap<String, Option<i64>>,
    /// Resources to which access is refused, and of which category they are; and Binaries whose access follows one.
    refused: HashMap<String, Option<Sensitive>>,
    contexts: Vec<(Target, String)>,
    pub(crate) claimed: HashSet<Target>,
    /// Those of them that a DocumentReference refers to.
    pub(crate) claimed_by_documents: HashSet<Target>,
    /// Of which category, where a sensitive resource refers to it.
    withheld: HashMap<Target, Option<Sensitive>>,
    /// The same of a resource that is left out anyhow: only what others claim is withheld because of it.
    held: HashMap<Target, Option<Sensitive>>,
    left_out: HashSet<Target>,
    spool: Spool,
}

impl<'p> PatientDocuments<'p> {
    pub(crate) fn new(patient: &'p PatientId, parts: &'p [Part]) -> Self {
        Self {
            patient,
            parts,
            binaries: HashMap::new(),
            changed: HashMap::new(),
            refused: HashMap::new(),
            contexts: Vec::new(),
            claimed: HashSet::new(),
            claimed_by_documents: HashSet::new(),
            withheld: HashMap::new(),
            held: HashMap::new(),
            left_out: HashSet::new(),
            spool: Spool::default(),
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
    fn meant(&self, link: &Link) -> Option<Target> {
        let Link::Record(targets) = link else { return None };
        let is_there = |target: &&Target| match target {
            Target::File(name) => self.parts.iter().any(|part| part.name == *name),
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
        category: Option<Sensitive>,
    ) {
        if let Some(id) = id {
            self.refused.insert(format_key(resource_type, id), category);
        }
        let targets = linked.iter().flat_map(|attachment| attachment.link.targets());
        self.held.extend(targets.map(|target| (target.clone(), category)));
    }

    /// Whether one of these is a file that changed after `_since`: then the resource that describes it goes, however old
    /// it is.
    pub(crate) fn have_changed(&self, linked: &[LinkedAttachment], selector: &Selector<'_>) -> bool {
        let is_new = |name: &String| {
            let part = self.parts.iter().find(|part| part.name == *name);
            part.is_some_and(|part| part.changed.is_none_or(|at| selector.is_new(at.as_microsecond())))
        };
        linked.iter().any(|attachment| match self.meant(&attachment.link) {
            Some(Target::File(name)) => is_new(&name),
            Some(Target::Binary(_)) | None => false,
        })
    }

    /// Holds a document back, whatever refers to it.
    pub(crate) fn hold_back(&mut self, target: Target) {
        self.withheld.entry(target).or_insert(None);
    }

    /// Sets a line aside until it is known what its URLs become.
    pub(crate) async fn spool(&mut self, line: &[u8], collector: &mut Collector<'_>) -> Result<()> {
        let key =
            || format!("{}spool.ndjson", attempt_prefix(collector.job, collector.chunk, &collector.attempt));
        self.spool.push(line, key, &*collector.generator.files).await
    }

    /// Takes a Binary in its plain spelling. Returns what is wrong with it, if it cannot be used.
    pub(crate) async fn binary(
        &mut self,
        line: &[u8],
        facts: &Facts<'_>,
        collector: &mut Collector<'_>,
    ) -> Result<Option<String>> {
        let (mut id, mut content_type, mut data) = (None::<Range<usize>>, None, None::<Range<usize>>);
        let (mut context, mut changed) = (None, None);
        json::members(line, 0..line.len(), |key, value| match key {
            b"id" => id = Some(value),
            b"contentType" => content_type = json::string(line, value),
            b"data" => data = Some(value),
            b"securityContext" => context = Some(value),
            b"meta" => changed = Selector::last_updated(line, value),
            _ => {}
        });
        let Some(id) = id.clone().and_then(|id| json::string(line, id)) else {
            return Ok(id_fault(line, id).map(|fault| format!("a Binary {fault}")));
        };
        let Some(data) = data.and_then(|data| json::string(line, data)) else {
            return Ok(Some("a Binary without data".to_owned()));
        };
        let target = Target::Binary(id.clone().into_owned());
        match collector.choices.map(|choices| choices.unless_sensitive(facts)) {
            Some(Decision::Withhold(category)) => {
                self.withheld.insert(target, Some(category));
                collector.account.decided(Decision::Withhold(category));
                return Ok(None);
            }
            Some(Decision::Unreadable) => {
                self.hold_back(target);
                return Ok(Some(UNREADABLE_LABEL.to_owned()));
            }
            _ => {}
        }
        if let Some(context) = context.filter(|_| collector.withholds()) {
            // Access to it follows another resource, which may be withheld. Where it is not the patient, the Binary goes
            // with what refers to it only.
            let reference =
                json::member(line, context, b"reference").and_then(|value| json::string(line, value));
            let reference = named(reference.as_deref().unwrap_or_default());
            let own = reference.strip_prefix("Patient/").is_some_and(|id| id == self.patient.as_str());
            if !own {
                self.contexts.push((target.clone(), reference.to_owned()));
                self.left_out.insert(target);
            }
        }
        let content_type = media_types::safe(content_type.as_deref().unwrap_or_default());
        let name = FileName::sanitize(&format!("{id}.{}", media_types::extension_of(content_type)));
        let mut writing = Writing::begin(name, content_type, collector);
        for piece in Pieces::of(&data) {
            let Ok(bytes) = STANDARD.decode(piece) else {
                writing.discard().await?;
                return Ok(Some(format!("Binary/{id} has data that is not base64")));
            };
            writing.write(bytes).await?;
        }
        let id = id.into_owned();
        self.changed.insert(id.clone(), changed);
        if let Some(earlier) = self.binaries.insert(id, writing.finish(collector).await?) {
            collector.account.ledger.resources.duplicates += 1;
            earlier.discard(collector).await?;
        }
        Ok(None)
    }

    /// The whole patient was read: copies the files, settles which documents go, writes the lines set aside.
    /// `ignore_since` exports documents however long ago they changed. Returns whether every file that should go could be
    /// read.
    pub(crate) async fn finish(mut self, collector: &mut Collector<'_>, ignore_since: bool) -> Result<bool> {
        let mut are_whole = true;
        for (target, context) in std::mem::take(&mut self.contexts) {
            let is_granted = collector.selector.is_none_or(|selector| {
                context.split('/').next().is_some_and(|name| selector.selection().grants(name))
            });
            let refused = self.refused.get(&context).copied().or((!is_granted).then_some(None));
            if let Some(category) = refused {
                self.held.entry(target).or_insert(category);
            }
        }
        let unreferenced = self.unreferenced(collector, ignore_since);
        let mut kept = Kept::new();
        for (id, written) in std::mem::take(&mut self.binaries) {
            let target = Target::Binary(id);
            match self.decide(&target, unreferenced.binaries) {
                Decision::Keep => {
                    kept.insert(target, written);
                    collector.account.ledger.resources.attachments += 1;
                }
                decision => {
                    collector.account.decided(decision);
                    written.discard(collector).await?;
                }
            }
        }
        for part in self.parts {
            let target = Target::File(part.name.clone());
            collector.account.ledger.documents.found += 1;
            let mut decision = self.decide(&target, unreferenced.files);
            if decision == Decision::Keep {
                match copy(self.patient, part, collector).await {
                    Ok(mut written) => {
                        // Nothing can take it back any more: no line will have its bytes.
                        if collector.inline_attachments_bytes() == 0 {
                            written.keep(collector).await?;
                        }
                        kept.insert(target, written);
                    }
                    // Half of a document is none: what refers to it says that it is missing.
                    Err(Error::Damaged(damage)) => {
                        collector.error("structure", &damage.to_string()).await?;
                        decision = Decision::Unreadable;
                        are_whole = false;
                    }
                    Err(error) => return Err(error),
                }
            }
            collector.account.document(decision);
        }
        let mut inlined = Inlined::default();
        let (mut lines, spilled) =
            std::mem::take(&mut self.spool).replay(&*collector.generator.files).await?;
        while let Some(line) = lines.next().await? {
            match line.text {
                Some(text) => self.write_linked(text, &kept, &mut inlined, collector).await?,
                None => collector.unusable(TOO_LONG).await?,
            }
        }
        if let Some(key) = spilled {
            collector.generator.files.remove(&key).await?;
        }
        self.describe(&kept, &mut inlined, collector).await?;
        for (target, mut written) in kept {
            match inlined.is_spare(&target) {
                true => written.discard(collector).await?,
                false => written.keep(collector).await?,
            }
        }
        Ok(are_whole)
    }

    /// Whether a resource of the record refers to a document, exported or not.
    pub(crate) fn is_referred_to(&self, target: &Target) -> bool {
        self.withheld.contains_key(target) || self.claimed.contains(target) || self.left_out.contains(target)
    }

    /// Decides on a document; `otherwise` where nothing refers to it.
    fn decide(&self, target: &Target, otherwise: Decision) -> Decision {
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

    /// What stands in the place of an attachment's URL.
    async fn replacement(
        &self,
        attachment: &LinkedAttachment,
        kept: &Kept,
        room: &mut Line,
        collector: &Collector<'_>,
    ) -> Result<Replacement> {
        if attachment.is_elsewhere() {
            return Ok(Replacement::Keep);
        }
        let target = self.meant(&attachment.link);
        let Some(written) = target.as_ref().and_then(|target| kept.get(target)) else {
            let is_withheld = target
                .is_some_and(|target| self.withheld.contains_key(&target) || self.held.contains_key(&target));
            return Ok(Replacement::Absent(if is_withheld { "masked" } else { "unknown" }));
        };
        let Document { url, title, content_type, size, hash } = &written.document;
        // The record's own bytes stay as they are, and may be others than those of the document.
        let data = if attachment.has_data() { None } else { written.inline(room, collector).await? };
        Ok(match data {
            Some(data) => {
                Replacement::Data { data, content_type: content_type.clone(), title: title.clone() }
            }
            None => {
                Replacement::Url { url: url.clone(), title: title.clone(), size: *size, hash: hash.clone() }
            }
        })
    }

    /// Writes a line that was set aside, with the URLs that its documents have now, or with their bytes.
    async fn write_linked(
        &self,
        line: &[u8],
        kept: &Kept,
        inlined: &mut Inlined,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let mut plain = Plain::default();
        let head = match head(line, &mut plain) {
            Ok(head) => head,
            Err(problem) => return collector.unusable(&problem.to_string()).await,
        };
        let linked = linked_attachments(head.text, head.resource_type, collector.base_url());
        let mut rewritten = Vec::with_capacity(line.len() + 256);
        let (mut unserved, mut misstated) = (Vec::new(), Vec::new());
        let (mut is_served, mut is_changed) = (false, false);
        let mut replacements = Vec::with_capacity(linked.len());
        let mut room = Line::new(collector.inline_attachments_bytes(), line.len());
        for attachment in &linked {
            let replacement = self.replacement(attachment, kept, &mut room, collector).await?;
            is_changed |= replacement != Replacement::Keep;
            match (&replacement, self.meant(&attachment.link)) {
                (Replacement::Url { size, hash, .. }, Some(target)) => {
                    is_served = true;
                    if attachment.misstates(*size, hash) {
                        misstated.push(attachment.url.clone());
                    }
                    inlined.linked(&target);
                }
                (Replacement::Data { .. }, Some(target)) => inlined.inside(&target),
                (Replacement::Absent("unknown"), _) => unserved.push(attachment.url.clone()),
                _ => {}
            }
            replacements.push(replacement);
        }
        let mut replacements = replacements.into_iter();
        let replace = |_: &LinkedAttachment| replacements.next().unwrap_or(Replacement::Keep);
        rewrite(head.text, &linked, replace, &mut rewritten);
        let id = head.id.unwrap_or_default();
        let place = format!("Patient/{}: {}/{id}", self.patient, head.resource_type);
        for url in unserved {
            collector.error("not-found", &unserved_url(&place, &url)).await?;
        }
        for url in misstated {
            let text = format!(
                "{place} states a size or a hash of '{}' that is not that of the document; it was corrected",
                shown(&url)
            );
            collector.error("value", &text).await?;
        }
        if !is_changed {
            return collector.emit(Purpose::Output, head.resource_type, line).await;
        }
        let is_document = head.resource_type == "DocumentReference" && collector.one_document_per_file();
        let mut again = Plain::default();
        if is_served
            && is_document
            && let Ok((head, members)) = head_and_members(&rewritten, &mut again)
        {
            let line = tagged(head.text, &members, EHI_EXPORT_TAG);
            return collector.emit(Purpose::Output, head.resource_type, &line).await;
        }
        collector.emit(Purpose::Output, head.resource_type, &rewritten).await
    }
}

/// `Type/id` at the end of a reference, however it is spelled: absolute, with a version, a query or a fragment. Where it
/// names a resource of another server, rather a document too few than one that must not go.
fn named(reference: &str) -> &str {
    let path = reference.trim().split(['?', '#', '|']).next().unwrap_or_default();
    let path = path.split_once("/_history").map_or(path, |(before, _)| before).trim_end_matches('/');
    let before_type = path.rmatch_indices('/').nth(1);
    before_type.map_or(path, |(at, _)| &path[at + 1..])
}
