//! Whoever wants to know what becomes of exports: other systems of the hospital, staff by mail.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::CloudEvent;

/// Where events are told.
#[async_trait]
pub trait Events: Send + Sync {
    /// Tells of events. When it returns, all are taken; after an error any of them may have been, and all are told again.
    async fn publish(&self, events: &[CloudEvent]) -> Result<()>;
}
