//! Sends the mails to patients that wait in the state of the server. A mail that the mail server does not accept now is
//! tried again, also by the next process, until `outage_hours` are over.

use std::sync::Arc;

use domain::clock::Random;
use domain::error::{Error, Result};
use domain::job::Job;
use domain::notice::Notice;
use domain::ports::jobs::Jobs;
use domain::retries::pause;
use local::{Local, LocalOutbox, WaitingMail};
use platform::Platform;
use platform::post::Post;

use crate::worker::Shutdown;

/// The task that sends mails.
pub struct Mails {
    post: Post,
    outbox: Arc<LocalOutbox>,
    jobs: Arc<dyn Jobs>,
    random: Arc<dyn Random>,
}

impl Mails {
    /// Returns the task; `None` if the settings name no mail server.
    ///
    /// # Errors
    ///
    /// That of [`mail::mailer`].
    pub fn of(platform: &Local) -> Result<Option<Self>> {
        let settings = platform.settings();
        let mailer = mail::mailer(&settings, platform.clock())?;
        let (Some(mailer), Some(outbox)) = (mailer, platform.outbox()) else { return Ok(None) };
        let post = Post { mailer, audit: platform.audit(), clock: platform.clock(), outage: settings.outage };
        Ok(Some(Self { post, outbox, jobs: platform.jobs(), random: platform.random() }))
    }

    /// Sends mails until the shutdown begins.
    pub async fn send_until(self, shutdown: Shutdown) {
        while !shutdown.has_begun() {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    waited = self.outbox.wait() => if let Err(error) = waited { rest(&error).await },
                    () = shutdown.begun() => {}
                },
                Err(error) => rest(&error).await,
            }
        }
    }

    /// Handles one mail that is due. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// The errors of the database.
    pub async fn step(&self) -> Result<bool> {
        let Some(mail) = self.outbox.due()? else { return Ok(false) };
        match self.handle(&mail).await {
            Ok(()) => self.outbox.remove(&mail).await?,
            // The cause of the failure is logged.
            Err(_) => self.outbox.put_back(&mail, pause(mail.tries + 1, &*self.random)).await?,
        }
        Ok(true)
    }

    async fn handle(&self, mail: &WaitingMail) -> Result<()> {
        let stored = self.jobs.get(&mail.job).await.inspect_err(|error| unfinished(mail, error))?;
        let Some(job) = stored.map(|stored| stored.job) else { return Ok(()) };
        let Some(notice) = Notice::of(mail.kind, &job) else {
            return match job {
                // If staff undo the deletion, the patient still needs the mail.
                Job::Cancelled(gone) if gone.restorable(self.post.clock.now()).is_some() => {
                    Err(Error::unavailable("the export may be restored"))
                }
                // The copy was deleted, or the patient has taken back the request.
                _ => Ok(()),
            };
        };
        let outcome = match mail.outcome {
            Some(outcome) => outcome,
            None => {
                let Some(outcome) = self.post.send(&notice).await? else { return Ok(()) };
                self.outbox.settle(mail, outcome).await?;
                outcome
            }
        };
        self.post.record(&notice, outcome).await.inspect_err(|error| unfinished(mail, error))
    }
}

fn unfinished(mail: &WaitingMail, error: &Error) {
    tracing::error!(job.id = %mail.job, mail.kind = mail.kind.name(), error = %error, cause = error.causes(), "a mail could not be completed; it is tried again");
}

/// Logs that the outbox cannot be read, and waits a second before the next attempt.
async fn rest(error: &Error) {
    tracing::error!(error = %error, cause = error.causes(), "the waiting mails cannot be read");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}
