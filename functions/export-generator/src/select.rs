//! Lines of a bulk export: what was asked for is kept, cut down to some elements where that was asked, and put where
//! it belongs.

use std::borrow::Cow;

use domain::chunk::Purpose;
use domain::error::Result;
use domain::filter::Decision;
use domain::ids::PatientId;
use domain::ledger::Reason;
use domain::selection::Provenance;
use domain::selector::{Selector, Verdict};
use fhir::attachments::{LinkedAttachment, Target};
use fhir::facts::Facts;
use fhir::head::{Plain, head_and_members};
use fhir::spelling::plainly;

use crate::collect::Collector;
use crate::documents::PatientDocuments;
use crate::provenance::{recorded, targets};
use crate::references::ReferredBy;
use crate::unserved::without_documents;

/// A line that grew over the limit because of what the export adds to it.
pub(crate) const TOO_LONG: &str = "a resource is longer than 16 MiB once it is rewritten";

impl Collector<'_> {
    /// Takes one line of a patient's record, or of `shared/` with no documents. Returns what is wrong with it, if it
    /// cannot be used.
    pub(crate) async fn select_line(
        &mut self,
        line: &[u8],
        selector: &Selector<'_>,
        mut documents: Option<&mut PatientDocuments<'_>>,
        ignore_since: bool,
    ) -> Result<Option<String>> {
        let mut plain = Plain::default();
        let (head, members) = match head_and_members(line, &mut plain) {
            Ok(read) => read,
            Err(problem) => return Ok(Some(problem.to_string())),
        };
        let (text, resource_type) = (head.text, head.resource_type);
        // Only who looks for it pays for it.
        let is_looked_for = !self.tombstones.is_empty() || self.provenance.is_wanted();
        let key = head.id.filter(|_| is_looked_for).map(|id| format_key(resource_type, id));
        if let Some(key) = key.as_deref()
            && self.tombstones.covers(key, Selector::changed(text, &members))
        {
            let decision = Decision::LeaveOut(Reason::Deleted);
            if let Some(documents) = &mut documents {
                // Its documents are not listed as if nothing had ever referred to them.
                documents.note(resource_type, &self.linked(text, resource_type), decision);
                if self.withholds() && selector.refuses(text, resource_type, &members) {
                    documents.refuse(resource_type, head.id, &[], None);
                }
            }
            self.account.decided(decision);
            return Ok(None);
        }
        if let (Some(documents), "Binary") = (&mut documents, resource_type) {
            // It goes where the resources go that refer to it.
            if !selector.has_tag(text, &members) {
                documents.hold_back(Target::Binary(head.id.unwrap_or_default().to_owned()));
                self.account.decided(Decision::LeaveOut(Reason::Tag));
                return Ok(None);
            }
            return documents.binary(text, &Facts::default(), self).await;
        }
        let mut verdict = selector.judge(text, resource_type, &members, ignore_since);
        let is_limited = self.withholds();
        if resource_type == "Binary" && is_limited && members.get(b"securityContext").is_some() {
            // In `shared/` nobody can look at the resource that access to it follows.
            let has_tags = selector.selection().tags.is_some();
            verdict = Verdict::LeaveOut(if has_tags { Reason::Tag } else { Reason::Scope });
        }
        let mut linked = match &documents {
            Some(_) => self.linked(text, resource_type),
            None => Vec::new(),
        };
        if let (Some(documents), Verdict::LeaveOut(Reason::Since)) = (&documents, verdict)
            && documents.have_changed(&linked, selector)
        {
            verdict = Verdict::Keep;
        }
        let decision = match verdict {
            Verdict::Keep => Decision::Keep,
            Verdict::LeaveOut(reason) => Decision::LeaveOut(reason),
        };
        let cut = match verdict {
            Verdict::Keep => selector.cut(text, resource_type, &members),
            Verdict::LeaveOut(_) => None,
        };
        if let Some(documents) = &mut documents {
            if let Some(cut) = &cut {
                // What `_elements` cuts refers to nothing any more.
                documents.note(resource_type, &linked, Decision::LeaveOut(Reason::Document));
                linked = self.linked(cut, resource_type);
            }
            documents.note(resource_type, &linked, decision);
            let is_left_out = verdict != Verdict::Keep;
            if is_limited && is_left_out && selector.refuses(text, resource_type, &members) {
                documents.refuse(resource_type, head.id, &[], None);
            }
        }
        self.account.decided(decision);
        if let Verdict::LeaveOut(reason) = verdict {
            if reason == Reason::Since && !selector.selection().all_shared {
                self.collect_references(text, ReferredBy::LeftOut).await?;
            }
            return Ok(None);
        }
        // In `shared/` nobody knows yet what other chunks export: rather one Provenance too many than one lost.
        let is_held = documents.is_some() && selector.selection().provenance != Provenance::All;
        if resource_type == "Provenance" && is_held {
            let key = format!("{}provenance.ndjson", self.prefix);
            self.provenance.hold(line, key, &*self.generator.files).await?;
            return Ok(None);
        }
        let line = cut.map_or(Cow::Borrowed(line), Cow::Owned);
        if let Some(key) = &key {
            self.provenance.exported(key);
        }
        if !selector.selection().all_shared {
            self.collect_references(text, ReferredBy::Exported).await?;
        }
        match documents {
            Some(documents) if !linked.iter().all(LinkedAttachment::is_elsewhere) => {
                documents.spool(&line, self).await?;
            }
            Some(_) => self.emit(Purpose::Output, resource_type, &line).await?,
            None => {
                let id = head.id.unwrap_or_default();
                let (line, unserved) = without_documents(&line, resource_type, id, self.base_url());
                for text in unserved {
                    self.error("not-found", &text).await?;
                }
                self.emit(Purpose::Output, resource_type, &line).await?;
            }
        }
        Ok(None)
    }

    /// Writes the Provenance resources that go along with what was exported of a patient.
    pub(crate) async fn write_relevant_provenance(&mut self, kind: Provenance) -> Result<()> {
        let (exported, mut lines, spilled) = self.provenance.replay(&*self.generator.files).await?;
        // By target, the latest; and whether a line is wanted can be said in a second look only.
        let mut latest = std::collections::HashMap::new();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        while let Some(line) = lines.next().await? {
            let Some(text) = line.text else {
                self.unusable(TOO_LONG).await?;
                continue;
            };
            let plain = plainly(text);
            let targets = targets(&plain);
            let relevant: Vec<_> = targets.into_iter().filter(|target| exported.contains(target)).collect();
            if relevant.is_empty() {
                self.account.decided(Decision::LeaveOut(Reason::Provenance));
                continue;
            }
            if kind == Provenance::Relevant {
                self.write_provenance(text).await?;
                continue;
            }
            let recorded = recorded(&plain);
            let number = kept.len();
            let mut is_latest = false;
            for target in relevant {
                let known = latest.entry(target).or_insert((recorded, number));
                if *known == (recorded, number) || known.0 < recorded {
                    *known = (recorded, number);
                    is_latest = true;
                }
            }
            if is_latest {
                kept.push(text.to_vec());
            } else {
                self.account.decided(Decision::LeaveOut(Reason::Provenance));
            }
        }
        let wanted: std::collections::BTreeSet<usize> =
            latest.into_values().map(|(_, number)| number).collect();
        let outdated = kept.len() - wanted.len();
        self.account.ledger.resources.left_out.add(Reason::Provenance, outdated as u64);
        for number in wanted {
            let line = std::mem::take(&mut kept[number]);
            self.write_provenance(&line).await?;
        }
        match spilled {
            Some(key) => self.generator.files.remove(&key).await,
            None => Ok(()),
        }
    }

    async fn write_provenance(&mut self, line: &[u8]) -> Result<()> {
        let mut plain = Plain::default();
        let mut cut = None;
        if let Ok((head, members)) = head_and_members(line, &mut plain) {
            self.collect_references(head.text, ReferredBy::Exported).await?;
            cut = self.selector.and_then(|selector| selector.cut(head.text, "Provenance", &members));
        }
        self.emit(Purpose::Output, "Provenance", cut.as_deref().unwrap_or(line)).await
    }

    /// Writes a line to its file, or to the patient's block.
    pub(crate) async fn emit(&mut self, purpose: Purpose, resource_type: &str, line: &[u8]) -> Result<()> {
        match &mut self.block {
            Some(block) if purpose.is_data() => {
                if resource_type == "Patient" && block.patient.is_none() {
                    block.patient = Some(line.to_vec());
                    return Ok(());
                }
                let key = format!("{}block.ndjson", self.prefix);
                block.lines.push(line, || key, &*self.generator.files).await
            }
            _ => self.outputs.write(purpose, resource_type, line).await,
        }
    }

    /// Writes the patient's block: header, Patient, the rest (Bulk Data 3.0, `organizeOutputBy`).
    pub(crate) async fn end_block(&mut self, patient: &PatientId) -> Result<()> {
        let Some(block) = &mut self.block else { return Ok(()) };
        let (own, spool) = (block.patient.take(), std::mem::take(&mut block.lines));
        if own.is_none() && spool.is_empty() {
            return Ok(());
        }
        let header = serde_json::json!({
            "resourceType": "Parameters",
            "parameter": [{ "name": "header", "valueReference": { "reference": format!("Patient/{patient}") } }],
        });
        let header = header.to_string();
        let length = |line: &[u8]| line.len() as u64 + 1;
        let bytes = length(header.as_bytes()) + own.as_deref().map_or(0, length) + spool.bytes();
        self.outputs.begin_block(bytes).await?;
        self.outputs.write_header("Patient", header.as_bytes()).await?;
        if let Some(own) = own {
            self.outputs.write(Purpose::Blocks, "Patient", &own).await?;
        }
        let (mut lines, spilled) = spool.replay(&*self.generator.files).await?;
        while let Some(line) = lines.next().await? {
            match line.text {
                Some(text) => self.outputs.write(Purpose::Blocks, "Patient", text).await?,
                None => self.unusable(TOO_LONG).await?,
            }
        }
        if let Some(key) = spilled {
            self.generator.files.remove(&key).await?;
        }
        Ok(())
    }
}

pub(crate) fn format_key(resource_type: &str, id: &str) -> String {
    let mut key = String::with_capacity(resource_type.len() + id.len() + 1);
    key.push_str(resource_type);
    key.push('/');
    key.push_str(id);
    key
}
