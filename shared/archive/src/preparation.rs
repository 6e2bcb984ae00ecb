//! The state of a ZIP that workers make: a small file beside it, which changes by compare-and-set and is removed with the copy.

use domain::chunk::job_prefix;
use domain::error::{Error, Result};
use domain::ids::{Attempt, JobId};
use domain::ports::files::{Files, read_all};
use domain::states::{Trouble, Waiting};
use domain::task::Task;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use words::Language;

use crate::checkpoint::Checkpoint;
use crate::plan::Plan;
use crate::texts::Texts;

/// The maximum size of a state: it has a line for each segment, and one for each type of resources.
const MAX_STATE: usize = 8 * 1024 * 1024;
/// A ZIP without any change for this time is asked for again: its task may be lost. No stage takes so long.
const STALE: SignedDuration = SignedDuration::from_mins(20);
/// The number of attempts to change a state while others change it.
const RACES: u32 = 20;

/// How far a ZIP is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Progress {
    /// The checkpoint of the last stage.
    Preparing(Checkpoint),
    Ready,
    /// It failed for good.
    Failed,
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preparation {
    /// [`Plan::fingerprint`] of the copy.
    pub contents: String,
    /// The name of the patient's last request for the ZIP. Only its tasks change the state, and their segments have a prefix of their own, so
    /// that the end of an earlier run ends and removes nothing of the next.
    #[serde(default)]
    pub run: String,
    /// The bytes of the copy.
    pub bytes: u64,
    pub texts: Texts,
    pub changed_at: Timestamp,
    pub progress: Progress,
    /// The failures of the task.
    #[serde(default)]
    pub trouble: Trouble,
    /// A store that does not respond.
    #[serde(default)]
    pub waiting: Option<Waiting>,
}

impl Preparation {
    /// Returns the state of a ZIP that is asked for now. It continues where an earlier task for the same content was lost.
    pub fn begin(plan: &Plan, texts: Texts, earlier: Option<&Self>, now: Timestamp, run: String) -> Self {
        let contents = plan.fingerprint();
        let is_same = |earlier: &&Self| earlier.contents == contents && earlier.texts == texts;
        let checkpoint = match earlier.filter(is_same).map(|earlier| &earlier.progress) {
            Some(Progress::Preparing(checkpoint)) => checkpoint.clone(),
            _ => Checkpoint::default(),
        };
        Self {
            contents,
            run,
            bytes: plan.bytes(),
            texts,
            changed_at: now,
            progress: Progress::Preparing(checkpoint),
            trouble: Trouble::default(),
            waiting: None,
        }
    }

    /// Returns the state after a stage.
    pub fn after(&self, progress: Progress, now: Timestamp) -> Self {
        Self { progress, changed_at: now, trouble: Trouble::default(), waiting: None, ..self.clone() }
    }

    /// Returns whether the ZIP has this content and can be downloaded.
    pub fn is_ready(&self, plan: &Plan) -> bool {
        self.progress == Progress::Ready && self.contents == plan.fingerprint()
    }

    /// Returns whether a worker makes the ZIP, or will soon.
    pub fn is_under_way(&self, now: Timestamp) -> bool {
        matches!(self.progress, Progress::Preparing(_)) && now.duration_since(self.changed_at) < STALE
    }

    /// Returns the progress in whole percent: at most 99 before the ZIP is ready.
    pub fn percent(&self) -> u8 {
        match &self.progress {
            Progress::Ready => 100,
            Progress::Failed => 0,
            Progress::Preparing(checkpoint) => {
                let percent = checkpoint.copied().saturating_mul(100) / self.bytes.max(1);
                u8::try_from(percent.min(99)).unwrap_or(99)
            }
        }
    }
}

/// A state as it was read, to change it.
#[derive(Debug)]
pub struct Read {
    pub preparation: Preparation,
    stored: Vec<u8>,
}

/// The place of the ZIP of a copy in one language.
#[derive(Debug, Clone)]
pub struct ZipPlace {
    job: JobId,
    language: Language,
}

impl ZipPlace {
    pub fn new(job: &JobId, language: Language) -> Self {
        Self { job: job.clone(), language }
    }

    /// Returns the prefix of all ZIPs of a copy. On AWS the functions for requests may write only below such a prefix.
    pub fn folder(job: &JobId) -> String {
        format!("{}zip/", job_prefix(job))
    }

    fn key_of(&self, name: &str) -> String {
        format!("{}{name}", Self::folder(&self.job))
    }

    /// Returns the key of the ZIP.
    pub fn key(&self) -> String {
        self.key_of(&format!("copy-{}.zip", self.language.tag()))
    }

    /// Returns the prefix of the segments of all runs.
    pub fn all_segments(&self) -> String {
        self.key_of(&format!("{}/", self.language.tag()))
    }

    /// Returns the prefix of the segments of a run. An earlier version gave the run no name.
    pub fn segments(&self, run: &str) -> String {
        match run {
            "" => self.all_segments(),
            run => format!("{}{run}/", self.all_segments()),
        }
    }

    /// Returns the prefix of the segment of one attempt at a stage.
    pub fn segment(&self, run: &str, number: usize, attempt: &Attempt) -> String {
        format!("{}{number:06}-{attempt}/", self.segments(run))
    }

    /// Returns the task of a run.
    pub fn task(&self, run: &str) -> Task {
        Task::Zip { job: self.job.clone(), language: self.language.tag().to_owned(), run: run.to_owned() }
    }

    fn state(&self) -> String {
        self.key_of(&format!("{}.json", self.language.tag()))
    }

    /// Returns the state of the ZIP; `None` if nobody has asked for it, or the copy is deleted.
    pub async fn read(&self, files: &dyn Files) -> Result<Option<Read>> {
        match read_all(files, &self.state(), MAX_STATE).await {
            Ok(stored) => Ok(Some(Read { preparation: serde_json::from_slice(&stored)?, stored })),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the state if it is still the known one. Returns whether it did.
    pub async fn swap(&self, files: &dyn Files, known: Option<&Read>, new: &Preparation) -> Result<bool> {
        let known = known.map(|known| &known.stored[..]);
        files.swap(&self.state(), known, serde_json::to_vec(new)?).await
    }

    /// Changes a state that exists. Returns the state afterwards, which is `None` if it does not exist.
    pub async fn change(
        &self,
        files: &dyn Files,
        decide: impl Fn(&mut Preparation) + Send,
    ) -> Result<Option<Preparation>> {
        for _ in 0..RACES {
            let Some(known) = self.read(files).await? else { return Ok(None) };
            let mut changed = known.preparation.clone();
            decide(&mut changed);
            if changed == known.preparation || self.swap(files, Some(&known), &changed).await? {
                return Ok(Some(changed));
            }
        }
        Err(Error::conflict("too many tasks change the ZIP at the same time"))
    }
}

#[cfg(test)]
mod tests;
