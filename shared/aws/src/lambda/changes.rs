//! Changes of the table of jobs on Lambda: each change of a job's state that others are told of becomes an event.

use std::sync::Arc;

use domain::error::Result;
use domain::event::{CloudEvent, JobEvent};
use domain::job::{Job, JobState};
use domain::ports::events::Events;
use serde::Deserialize;

/// An event of a DynamoDB stream (Lambda, using Lambda with DynamoDB Streams).
#[derive(Deserialize)]
pub struct Changes {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    /// The row as it is now; none where it was removed.
    #[serde(default)]
    new_image: Option<Row>,
    #[serde(default)]
    old_image: Option<Row>,
}

/// What is read of a row; those of chunks and counters have neither.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    job_state: Option<Text>,
    #[serde(default)]
    document: Option<Text>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Row {
    fn state(&self) -> Option<JobState> {
        JobState::named(&self.job_state.as_ref()?.text)
    }
}

impl Change {
    fn event(&self) -> Option<JobEvent> {
        let document = self.new_image.as_ref()?.document.as_ref()?;
        match serde_json::from_str::<Job>(&document.text) {
            Ok(job) => JobEvent::of_change(self.old_image.as_ref().and_then(Row::state), &job),
            Err(error) => {
                // Trying again would not make it readable, and hold up all events behind it. The text of the error may
                // repeat a part of the document.
                tracing::error!(
                    line = error.line(),
                    column = error.column(),
                    "a job cannot be read; nobody is told of it"
                );
                None
            }
        }
    }
}

/// Tells of changes.
pub struct Announcer {
    pub events: Arc<dyn Events>,
    /// The server's base URL.
    pub source: String,
    pub stage: String,
}

impl Announcer {
    /// Tells of all, or fails; then all come again.
    pub async fn announce(&self, changes: &Changes) -> Result<()> {
        let told = changes.records.iter().filter_map(|record| record.dynamodb.event());
        let told: Vec<CloudEvent> =
            told.map(|event| event.into_cloud_event(&self.source, &self.stage)).collect();
        if told.is_empty() {
            return Ok(());
        }
        self.events.publish(&told).await?;
        for event in &told {
            tracing::info!(job.id = %event.data["job"].as_str().unwrap_or_default(), event.id = event.id, "event told");
        }
        Ok(())
    }
}
