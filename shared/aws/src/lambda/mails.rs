//! Mails to patients on Lambda, from the stream of the jobs table.
//!
//! The stream has every change that was written, so no mail is lost. Lambda delivers a change again until it is
//! processed, for one day; the repeated mail has the same id.

use std::sync::Arc;

use aws_config::SdkConfig;
use domain::clock::{Clock, Random};
use domain::error::Result;
use domain::ports::mail::Mailer;
use jiff::SignedDuration;
use platform::Platform;
use platform::post::Post;
use settings::Settings;
use settings::resources::Resources;

use super::changes::Changes;
use crate::Aws;

/// The longest time for which a mail is tried again. The stream of the table keeps a change for 24 hours, and a mail that is
/// given up must still be in it, so that the log names its export.
const KEPT: SignedDuration = SignedDuration::from_hours(20);

/// Returns the mail server of the settings; `None` if they name none.
pub type MailServer = fn(&Arc<Settings>, Arc<dyn Clock>) -> Result<Option<Arc<dyn Mailer>>>;

/// Sends the mails that changes of jobs cause.
pub struct Mails {
    pub sdk: SdkConfig,
    pub resources: Arc<Resources>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub server: MailServer,
}

impl Mails {
    /// Sends the mails of all changes, and records them in the audit trail. If this fails, Lambda delivers all of these
    /// changes again. The settings are read only if there is a mail to send.
    ///
    /// # Errors
    ///
    /// The errors of the settings, of the mail server and of the audit trail.
    pub async fn send(&self, changes: &Changes) -> Result<()> {
        if changes.notices().next().is_none() {
            return Ok(());
        }
        let (sdk, resources) = (self.sdk.clone(), self.resources.clone());
        let connected = Aws::connect(sdk, resources, self.clock.clone(), self.random.clone(), None);
        let Some((platform, _)) = Box::pin(connected).await? else { return Ok(()) };
        let settings = platform.settings();
        let Some(mailer) = (self.server)(&settings, self.clock.clone())? else {
            for notice in changes.notices() {
                tracing::error!(job.id = %notice.job, mail.kind = notice.kind.name(), "PatientMail is true, but the settings have no section mail; a mail is not sent");
            }
            return Ok(());
        };
        let audit = platform.audit()?;
        let post = Post { mailer, audit, clock: self.clock.clone(), outage: settings.outage.min(KEPT) };
        deliver(changes, &post).await
    }
}

/// Sends the mails of all changes, one after the other, until one of them must be tried again.
///
/// # Errors
///
/// Those of [`Post::send`] and [`Post::record`].
pub async fn deliver(changes: &Changes, post: &Post) -> Result<()> {
    for notice in changes.notices() {
        if let Some(outcome) = post.send(&notice).await? {
            post.record(&notice, outcome).await?;
        }
    }
    Ok(())
}
