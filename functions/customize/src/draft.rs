//! The fields of a form that the patient has not sent yet. The server stores them, so that no input is lost between the steps, at the end
//! of the session, or after a change of the language.

use std::collections::BTreeMap;

use domain::choices::reading::{Problem, from_form};
use domain::choices::{Choices, RecordGroup};
use domain::error::{Error, Result};
use domain::ids::JobId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use domain::sensitive::Sensitive;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::extract::Fields;

use crate::Customize;
use crate::typed_date::TypedDate;

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) parts: BTreeMap<RecordGroup, PartDraft>,
    pub(crate) topics: BTreeMap<Sensitive, TopicDraft>,
    /// The number of changes to the parts. A page contains the number of the version that it shows.
    pub(crate) parts_version: u64,
    /// The number of changes to the topics.
    pub(crate) topics_version: u64,
    /// The app's URL, to which the patient is redirected after sending.
    pub(crate) redirect: Option<String>,
    /// The export that this draft started, for a form without a job.
    #[serde(default)]
    pub(crate) sent: Option<JobId>,
    /// Whether the export `sent` was started. Without its job, it was then removed.
    #[serde(default)]
    pub(crate) is_started: bool,
    /// The content for which the patient ticked the box of the permission: see [`crate::view::agreement`].
    #[serde(default)]
    pub(crate) agreed: Option<String>,
    /// The app's URL of the export that was started last.
    #[serde(default)]
    pub(crate) returned: Option<Returned>,
}

/// The app's URL to which a form redirects after sending. A second click leads there as well, for a short time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Returned {
    pub(crate) to: String,
    /// The time until which a click leads there: [`NOT_YET`] until the first one did.
    pub(crate) until: Timestamp,
}

/// The end of a [`Returned`] to which the patient was not redirected yet, because the export could not be started, or because the request
/// was interrupted. The URL is kept as long as the draft.
const NOT_YET: Timestamp = Timestamp::MAX;

/// The time after sending in which a second click redirects to the same page as the first one.
pub(crate) const REPEAT: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartDraft {
    pub(crate) ticked: bool,
    pub(crate) from: TypedDate,
    pub(crate) to: TypedDate,
    pub(crate) note: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicDraft {
    pub(crate) ticked: bool,
    pub(crate) text: String,
}

impl Default for Draft {
    /// Returns a draft in which all parts and no private topics are ticked.
    fn default() -> Self {
        let ticked = PartDraft { ticked: true, ..PartDraft::default() };
        Self {
            parts: RecordGroup::ALL.into_iter().map(|group| (group, ticked.clone())).collect(),
            topics: Sensitive::ALL.into_iter().map(|topic| (topic, TopicDraft::default())).collect(),
            parts_version: 0,
            topics_version: 0,
            redirect: None,
            sent: None,
            is_started: false,
            agreed: None,
            returned: None,
        }
    }
}

pub(crate) fn is_ticked(fields: &Fields, name: &str) -> bool {
    matches!(fields.find(name), Some("on" | "true"))
}

/// Returns a field's text with `\n` as the line end and without white space at the end.
fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).replace("\r\n", "\n").trim_end().to_owned()
}

impl Draft {
    /// Reads the parts from the fields of step 1.
    pub(crate) fn parts_of(fields: &Fields) -> BTreeMap<RecordGroup, PartDraft> {
        let part = |group: RecordGroup| {
            let path = format!("parameters.{}", group.key());
            PartDraft {
                ticked: is_ticked(fields, &format!("{path}.enabled")),
                from: TypedDate::of_fields(fields, &format!("{path}.from")),
                to: TypedDate::of_fields(fields, &format!("{path}.to")),
                note: text(fields, &format!("{path}.notes")),
            }
        };
        RecordGroup::ALL.into_iter().map(|group| (group, part(group))).collect()
    }

    /// Reads the topics from the fields of step 2.
    pub(crate) fn topics_of(fields: &Fields) -> BTreeMap<Sensitive, TopicDraft> {
        let topic = |topic: Sensitive| {
            let path = format!("authorizations.{}", topic.key());
            let text =
                if topic.has_description() { text(fields, &format!("{path}.text")) } else { String::new() };
            TopicDraft { ticked: is_ticked(fields, &path), text: text.trim().to_owned() }
        };
        Sensitive::ALL.into_iter().map(|category| (category, topic(category))).collect()
    }

    /// Returns the choices, parsed like those of a one-page form.
    pub(crate) fn choices(&self) -> Result<Choices, Problem> {
        let mut fields = Vec::new();
        for (group, part) in &self.parts {
            let mut add = |name: &str, value: String| {
                fields.push((format!("parameters.{}.{name}", group.key()), value));
            };
            if part.ticked {
                add("enabled", "on".to_owned());
            }
            // An invalid date is not changed, so that the parser refuses it.
            add("from", part.from.fhir().unwrap_or_else(|| part.from.year.clone()));
            add("to", part.to.fhir().unwrap_or_else(|| part.to.year.clone()));
            add("notes", part.note.clone());
        }
        for (topic, draft) in &self.topics {
            let path = format!("authorizations.{}", topic.key());
            if draft.ticked {
                fields.push((path.clone(), "on".to_owned()));
            }
            if topic.has_description() {
                fields.push((format!("{path}.text"), draft.text.clone()));
            }
        }
        from_form(&fields, &[])
    }

    pub(crate) fn has_topics(&self) -> bool {
        self.topics.values().any(|topic| topic.ticked)
    }

    /// Returns the id of the export for which the draft is claimed, if it is not known to be started.
    pub(crate) fn claimed(&self) -> Option<&JobId> {
        self.sent.as_ref().filter(|_| !self.is_started)
    }

    /// Claims the draft for the export with this id, if it is not claimed yet, or if its export was started before. The app's URL then
    /// belongs to the claimed export, so that the next copy begins without it. Returns whether the draft was changed.
    pub(crate) fn claim(&mut self, job: &JobId) -> bool {
        let is_new = self.claimed().is_none() && self.sent.as_ref() != Some(job);
        if is_new {
            self.sent = Some(job.clone());
            self.is_started = false;
        }
        let to = self.redirect.take();
        let is_changed = is_new || to.is_some();
        if is_changed {
            self.returned = to.map(|to| Returned { to, until: NOT_YET });
        }
        is_changed
    }

    /// Records that this export was started, and that the patient is redirected to its app's URL. Returns whether the draft was changed.
    pub(crate) fn mark_started(&mut self, job: &JobId, until: Timestamp) -> bool {
        if self.sent.as_ref() != Some(job) {
            return false;
        }
        let is_first = self.record_start(job);
        match self.returned.as_mut().filter(|returned| returned.until == NOT_YET) {
            Some(returned) => returned.until = until,
            None => return is_first,
        }
        true
    }

    /// Records that this export was started. Returns whether the draft was changed.
    pub(crate) fn record_start(&mut self, job: &JobId) -> bool {
        self.sent.as_ref() == Some(job) && !std::mem::replace(&mut self.is_started, true)
    }

    /// Takes the app's URL for another copy. If the patient was not redirected to that of the copy before, it is taken too.
    pub(crate) fn take_redirect(&mut self) -> Option<String> {
        let before = self.returned.take().filter(|returned| returned.until == NOT_YET);
        self.redirect.take().or_else(|| before.map(|returned| returned.to))
    }

    /// Returns the app's URL to which sending the form redirects.
    pub(crate) fn leads_to(&self, now: Timestamp) -> Option<&str> {
        self.redirect.as_deref().or_else(|| self.returned_to(now))
    }

    /// Returns the app's URL to which a click just before has redirected, or to which it would have redirected if it had succeeded.
    pub(crate) fn returned_to(&self, now: Timestamp) -> Option<&str> {
        self.returned.as_ref().filter(|returned| now < returned.until).map(|returned| returned.to.as_str())
    }
}

impl Customize {
    pub(crate) async fn draft(&self, key: &str) -> Result<Draft> {
        let entry = self.expiring.get(EntryKind::Draft, key).await?;
        entry.map_or_else(|| Ok(Draft::default()), |entry| entry.read())
    }

    /// Changes a draft and saves it, with further attempts if another tab changes it at the same time. `change` returns whether it changed
    /// the draft.
    pub(crate) async fn change_draft(
        &self,
        key: &str,
        mut change: impl FnMut(&mut Draft) -> bool,
    ) -> Result<Draft> {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            let entry = self.expiring.get(EntryKind::Draft, key).await?;
            let mut draft = entry.as_ref().map_or_else(|| Ok(Draft::default()), ExpiringEntry::read)?;
            if !change(&mut draft) {
                return Ok(draft);
            }
            let lifetime = self.settings.retention.unfinished;
            let expires_at = self.after(lifetime)?;
            let value = json!(draft);
            let is_kept = match entry {
                Some(entry) => {
                    let entry = ExpiringEntry { value, expires_at, ..entry };
                    self.expiring.replace(EntryKind::Draft, key, &entry).await?
                }
                None => self.expiring.put(EntryKind::Draft, key, value, expires_at).await?,
            };
            if is_kept {
                return Ok(draft);
            }
        }
        Err(Error::conflict("this form was changed in another tab at the same time; try again"))
    }

    /// Returns the time until which a draft is kept.
    pub(crate) async fn draft_ends(&self, key: &str) -> Result<Timestamp> {
        let entry = self.expiring.get(EntryKind::Draft, key).await?;
        let lifetime = self.settings.retention.unfinished;
        entry.map_or_else(|| self.after(lifetime), |entry| Ok(entry.expires_at))
    }

    /// Deletes the draft after the form was sent. Only the app's URL is kept for a short time, for a second click.
    pub(crate) async fn forget_draft(&self, key: &str) -> Result<()> {
        let Some(entry) = self.expiring.get(EntryKind::Draft, key).await? else { return Ok(()) };
        if let Some(to) = entry.read::<Draft>()?.redirect {
            let until = self.after(REPEAT)?;
            let value = json!(Draft { returned: Some(Returned { to, until }), ..Draft::default() });
            let closed = ExpiringEntry { value, expires_at: until, ..entry };
            if self.expiring.replace(EntryKind::Draft, key, &closed).await? {
                return Ok(());
            }
        }
        self.expiring.take(EntryKind::Draft, key).await?;
        Ok(())
    }

    pub(crate) fn after(&self, lifetime: SignedDuration) -> Result<Timestamp> {
        self.clock.now().saturating_add(lifetime).map_err(Error::internal)
    }
}
