//! Sends the mails to patients and records them in the audit trail, on every host.

use std::sync::Arc;

use domain::audit::{Action, Actor, Event, Outcome};
use domain::clock::Clock;
use domain::error::{Error, Result};
use domain::notice::Notice;
use domain::ports::audit::AuditLog;
use domain::ports::mail::Mailer;
use domain::retries::is_over;
use jiff::SignedDuration;

/// The way of a mail to its patient.
#[derive(Clone)]
pub struct Post {
    pub mailer: Arc<dyn Mailer>,
    pub audit: Arc<dyn AuditLog>,
    pub clock: Arc<dyn Clock>,
    /// The longest time for which a mail is tried again.
    pub outage: SignedDuration,
}

impl Post {
    /// Sends the mail of a notice. Returns the outcome, which the caller then [records](Self::record); `None` if there is
    /// nothing to tell the patient any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the mail must be tried again.
    pub async fn send(&self, notice: &Notice) -> Result<Option<Outcome>> {
        let kind = notice.kind.name();
        if notice.is_outdated(self.clock.now()) {
            tracing::warn!(job.id = %notice.job, mail.kind = kind, "a mail was not sent in time, and the copy is no longer there");
            return Ok(None);
        }
        let Err(error) = self.mailer.send(notice).await else {
            tracing::info!(job.id = %notice.job, mail.kind = kind, "mail sent");
            return Ok(Some(Outcome::Success));
        };
        let may_help = matches!(error, Error::Unavailable(_));
        if may_help && !is_over(notice.since, self.outage, self.clock.now()) {
            tracing::warn!(job.id = %notice.job, mail.kind = kind, error = %error, cause = error.causes(), "a mail could not be sent; it is tried again");
            return Err(error);
        }
        tracing::error!(job.id = %notice.job, mail.kind = kind, error = %error, cause = error.causes(), "a mail could not be sent, and is not tried again; tell the patient in another way");
        Ok(Some(Outcome::Failed))
    }

    /// Records a mail in the audit trail, without its address.
    ///
    /// # Errors
    ///
    /// The error of the store.
    pub async fn record(&self, notice: &Notice, outcome: Outcome) -> Result<()> {
        let event = Event::new(Actor::server(), Action::MailSent).with(outcome);
        let event = event.of_job(&notice.job).of_patient(&notice.patient);
        self.audit.append(&event.about(notice.kind.name())).await
    }
}
