//! The port for events about exports, which other systems and staff with mail notifications receive.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::CloudEvent;

/// The receiver of events.
#[async_trait]
pub trait Events: Send + Sync {
    /// Publishes events. When it returns, all of them are accepted. After an error some of them may have been accepted,
    /// and the caller publishes all of them again.
    async fn publish(&self, events: &[CloudEvent]) -> Result<()>;
}
