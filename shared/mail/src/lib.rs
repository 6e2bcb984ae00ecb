//! Mails to patients: their texts, and SMTP. This crate knows nothing of jobs, stores or HTTP, only of notices.
//!
//! - [`letter`]: the texts of a mail, without the name of the patient and without anything about health;
//! - [`smtp`]: sends it.

mod letter;
mod smtp;

use std::sync::Arc;

use domain::clock::Clock;
use domain::error::Result;
use domain::ports::mail::Mailer;
use settings::Settings;

pub use self::letter::Letter;
use self::smtp::Smtp;

/// Returns the mail server of the settings; `None` if the settings name none.
///
/// # Errors
///
/// [`Error::Invalid`](domain::error::Error::Invalid) if the host of the mail server cannot have a certificate.
pub fn mailer(settings: &Arc<Settings>, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Mailer>>> {
    let Some(mail) = &settings.mail else { return Ok(None) };
    let smtp = Smtp::new(mail, settings.clone(), clock)?;
    Ok(Some(Arc::new(smtp)))
}
