//! Records failed tasks in the row of their job, and fails the job if [`retries`] decides that.

use std::fmt::Write as _;

use domain::error::{Error, Kind, Result};
use domain::job::Job;
use domain::ports::queue::{Delivery, Settled};
use domain::retries::{self, Decision, FREE_DELIVERIES, MAX_LOST, Tries};
use domain::states::{Running, Trouble, Waiting};
use domain::task::Task;
use platform::exports::remove_files;
use platform::telemetry::{self, Metric};

use crate::Generator;

/// The number of attempts to change a job's row while others change it.
const RACES: u32 = 20;

/// A job's row after a change was recorded in it.
enum Noted {
    /// The current state; `None` if no worker has started the job, because then nothing can be recorded.
    Active(Option<Box<Running>>),
    /// The job was cancelled, finished or removed: its tasks have nothing to do.
    Inactive,
}

/// Returns what the job's row says of earlier failures of a task. It follows the latest failure in the diagnostics.
fn earlier_failures(job: &Job, task: &Task) -> String {
    let Job::Running(running) = job else { return String::new() };
    let mut text = String::new();
    let trouble = running.troubles.get(&task.key()).copied().unwrap_or_default();
    for (count, what) in
        [(trouble.defects, "failed by a fault of the server"), (trouble.lost, "lost its worker")]
    {
        if count > 0 {
            let _ = write!(text, ", {what} {count} times");
        }
    }
    if let Some(waiting) = running.waiting {
        let _ = write!(text, ", {}", waiting.describe());
    }
    text
}

impl Generator {
    /// Counts a delivery that is repeated although no failure is recorded: its worker died. A few deaths are normal,
    /// for example when a server stops. A task whose workers die again and again fails its job.
    pub(crate) async fn count_delivery(&self, delivery: &Delivery) -> Option<Settled> {
        if delivery.deliveries <= FREE_DELIVERIES {
            return None;
        }
        let key = delivery.task.key();
        let counted = self
            .update_running(&delivery.task, |running| {
                // While a store is unavailable, tasks are delivered again although no worker died.
                let outage = self.settings.outage;
                let now = self.clock.now();
                if running.waiting.is_some_and(|waiting| !retries::is_over(waiting.since, outage, now)) {
                    return;
                }
                running.troubles.entry(key.clone()).or_default().lost += 1;
            })
            .await;
        match counted {
            Ok(Noted::Active(Some(running))) => {
                let lost = running.troubles.get(&key).map_or(0, |trouble| trouble.lost);
                if lost <= MAX_LOST {
                    return None;
                }
                let reason = Error::internal(format!("the worker died {lost} times with this task"));
                Some(self.end(delivery, &reason).await)
            }
            Ok(_) => None,
            Err(error) => Some(self.again(delivery, &error, None)),
        }
    }

    /// Clears the recorded failures of a task: its store responds again.
    pub(crate) async fn succeeded(&self, delivery: &Delivery) -> Settled {
        if delivery.deliveries > 1 {
            let key = delivery.task.key();
            let forgotten = self
                .update_running(&delivery.task, |running| {
                    running.waiting = None;
                    running.troubles.remove(&key);
                })
                .await;
            if let Err(error) = forgotten {
                tracing::debug!(error = %error, cause = error.causes(), "the end of an outage was not recorded");
            }
        }
        Settled::Done
    }

    /// Records why a task failed, and decides what happens to it.
    pub(crate) async fn failed(&self, delivery: &Delivery, error: &Error) -> Settled {
        let kind = retries::kind(error, delivery.deliveries);
        let (now, key) = (self.clock.now(), delivery.task.key());
        let noted = self
            .update_running(&delivery.task, |running| {
                let trouble = running.troubles.remove(&key).unwrap_or_default();
                let mut trouble = Trouble { lost: 0, ..trouble };
                match kind {
                    Kind::Defect => trouble.defects += 1,
                    // While a job waits, cleanup does not send its tasks again, and no worker is counted as lost.
                    Kind::Unavailable | Kind::Newer => {
                        let waiting = Waiting { since: now, store: error.store() };
                        running.waiting.get_or_insert(waiting);
                    }
                    Kind::Contended | Kind::Damaged | Kind::Refused => {}
                }
                if trouble != Trouble::default() {
                    running.troubles.insert(key.clone(), trouble);
                }
            })
            .await;
        let running = match noted {
            Ok(Noted::Active(running)) => running,
            Ok(Noted::Inactive) => return Settled::Done,
            // The row of the job cannot be read, so no worker can run its tasks. Cleanup sends them again after a
            // repair.
            Err(problem) if problem.kind() == Kind::Defect && delivery.deliveries >= retries::MAX_DEFECTS => {
                tracing::error!(job.id = %delivery.task.job(), error = %problem, cause = problem.causes(), "a task is dropped, because its job cannot be read");
                return Settled::Done;
            }
            Err(problem) => {
                tracing::warn!(job.id = %delivery.task.job(), error = %problem, cause = problem.causes(), "a failure was not recorded");
                return self.again(delivery, error, None);
            }
        };
        let tries = Tries {
            deliveries: delivery.deliveries,
            defects: match &running {
                Some(running) => running.troubles.get(&key).map_or(0, |trouble| trouble.defects),
                None => delivery.deliveries,
            },
            waiting_since: running.as_ref().and_then(|running| running.waiting).map(|waiting| waiting.since),
        };
        match retries::decide(kind, tries, self.settings.outage, now, &*self.random) {
            Decision::Again(pause) => self.again(delivery, error, Some(pause)),
            Decision::Fail => self.end(delivery, error).await,
        }
    }

    pub(crate) fn again(
        &self,
        delivery: &Delivery,
        error: &Error,
        pause: Option<jiff::SignedDuration>,
    ) -> Settled {
        let pause = pause.unwrap_or_else(|| retries::pause(delivery.deliveries, &*self.random));
        let (task, deliveries) = (delivery.task.key(), delivery.deliveries);
        tracing::warn!(job.id = %delivery.task.job(), task, deliveries, wait.seconds = pause.as_secs(), error = %error, cause = error.causes(), "task failed; it will be tried again");
        if matches!(error.kind(), Kind::Unavailable | Kind::Newer) {
            telemetry::metrics(&[(Metric::StoreFailures, 1)]);
        }
        Settled::Again(pause)
    }

    /// Fails the job. If that cannot be written, the task is delivered again.
    async fn end(&self, delivery: &Delivery, reason: &Error) -> Settled {
        let waited = (reason.kind() == Kind::Unavailable).then(|| self.settings.outage.as_hours());
        match self.fail_job(&delivery.task, reason, waited, &delivery.diagnostics()).await {
            Ok(()) => Settled::Done,
            Err(problem) => self.again(delivery, &problem, None),
        }
    }

    /// Fails the job of a task, unless the job has ended. `waited` is the number of hours for which a store was
    /// unavailable.
    pub(crate) async fn fail_job(
        &self,
        task: &Task,
        reason: &Error,
        waited: Option<i64>,
        delivery_diagnostics: &str,
    ) -> Result<()> {
        let id = task.job();
        for _ in 0..RACES {
            let Some(stored) = self.jobs.get(id).await? else { return Ok(()) };
            let request = stored.job.header().request_id.clone();
            let diagnostics = format!("{delivery_diagnostics}{}", earlier_failures(&stored.job, task));
            let text = match (reason.kind(), waited, request) {
                (Kind::Unavailable, Some(hours), _) => {
                    format!(
                        "a store that the export needs did not respond for {hours} hour{}; start the export again",
                        if hours == 1 { "" } else { "s" }
                    )
                }
                (Kind::Damaged | Kind::Refused, ..) => reason.to_string(),
                (_, _, Some(request)) => format!("{reason}; tell the operator the request id {request}"),
                (_, _, None) => format!("{reason}; tell the operator the job id {id}"),
            };
            let (now, retention) = (self.clock.now(), &self.settings.retention);
            // `transient` would tell clients to ask again, but a failed export stays failed.
            let code = if reason.kind() == Kind::Unavailable { "no-store" } else { reason.issue_code() };
            let failed = stored.job.fail(&text, code, &diagnostics, now, retention);
            // A job that has ended cannot fail: it was cancelled, or another delivery finished it.
            let Ok(failed) = failed else { return Ok(()) };
            match self.jobs.replace(&Job::Failed(failed), stored.version).await {
                Ok(_) => {
                    tracing::error!(job.id = %id, task = task.key(), diagnostics, error = %reason, cause = reason.causes(), "export failed");
                    telemetry::metrics(&[(Metric::ExportsFailed, 1)]);
                    remove_files(&*self.files, id).await;
                    return Ok(());
                }
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("too many tasks change the job at the same time"))
    }

    /// Changes what is recorded on a running job. Does not write if nothing changes.
    async fn update_running(&self, task: &Task, change: impl Fn(&mut Running) + Send) -> Result<Noted> {
        for _ in 0..RACES {
            let Some(stored) = self.jobs.get(task.job()).await? else { return Ok(Noted::Inactive) };
            let running = match stored.job {
                Job::Running(running) => running,
                Job::Queued(_) => return Ok(Noted::Active(None)),
                _ => return Ok(Noted::Inactive),
            };
            let mut changed = running.clone();
            change(&mut changed);
            if changed == running {
                return Ok(Noted::Active(Some(Box::new(running))));
            }
            match self.jobs.replace(&Job::Running(changed.clone()), stored.version).await {
                Ok(_) => {
                    if changed.waiting != running.waiting {
                        let since = changed.waiting.map(|waiting| waiting.since);
                        tracing::info!(job.id = %task.job(), since = since.map(tracing::field::display), "waiting for a store changed");
                    }
                    return Ok(Noted::Active(Some(Box::new(changed))));
                }
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict("too many tasks change the job at the same time"))
    }
}
