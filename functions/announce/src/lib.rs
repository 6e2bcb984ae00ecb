//! Sends the outcomes of exports to EventBridge, from the stream of the jobs table. The same program, deployed a second
//! time, sends mails to patients ([`aws::lambda::mails`]).
//!
//! The stream has every change that was written, so a process that dies loses no event, and no request waits for the bus.
//! Lambda delivers the same changes again until they are processed, for one day. A listener may therefore receive an event
//! twice, with the same id.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::error::{Error, Result};
use domain::event::CloudEvent;
use domain::ports::events::Events;
use settings::resources::Resources;

/// The source of the events, for rules to match on.
const SOURCE: &str = "ehi-export";
/// The maximum number of entries in one call (EventBridge, PutEvents).
const BATCH: usize = 10;

/// Returns the event bus of a deployment.
pub fn bus(sdk: &SdkConfig, resources: &Resources) -> Result<Arc<dyn Events>> {
    let name = resources.get("EHI_EVENT_BUS");
    let name = name.ok_or_else(|| Error::invalid("EHI_EVENT_BUS: the variable is not set"))?.to_owned();
    Ok(Arc::new(EventBridge { client: Client::new(sdk), name }))
}

struct EventBridge {
    client: Client,
    /// Name or ARN of the bus.
    name: String,
}

#[async_trait]
impl Events for EventBridge {
    async fn publish(&self, events: &[CloudEvent]) -> Result<()> {
        for batch in events.chunks(BATCH) {
            let entries = batch.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.name)
                    .source(SOURCE)
                    .detail_type(&event.event_type)
                    .time(DateTime::from_millis(event.time.as_millisecond()))
                    .detail(event.to_json().to_string())
                    .build()
            });
            let put = self.client.put_events().set_entries(Some(entries.collect()));
            let put = put.send().await;
            let put = put
                .map_err(|error| Error::unavailable(format!("PutEvents: {}", DisplayErrorContext(error))))?;
            // The call may succeed although some entries failed.
            if let Some(failed) = put.entries().iter().find_map(|entry| entry.error_code()) {
                return Err(Error::unavailable(format!(
                    "PutEvents: {} left out, {failed}",
                    put.failed_entry_count()
                )));
            }
        }
        Ok(())
    }
}
