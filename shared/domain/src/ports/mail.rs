//! The port for mails to patients.

use async_trait::async_trait;

use crate::error::Result;
use crate::notice::Notice;

/// The mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends the mail of a notice. When it returns, the mail server has accepted it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) if it may be accepted later, and
    /// [`Error::Invalid`](crate::error::Error::Invalid) if it never will be. The errors do not contain the address.
    async fn send(&self, notice: &Notice) -> Result<()>;
}
