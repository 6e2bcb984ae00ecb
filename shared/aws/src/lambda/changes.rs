//! Changes of the table of jobs on Lambda. Those of a job's state cause events, and mails to patients ([`super::mails`]).

use std::sync::Arc;

use domain::error::Result;
use domain::event::{CloudEvent, JobEvent};
use domain::job::{Job, JobState};
use domain::notice::Notice;
use domain::ports::events::Events;
use serde::Deserialize;

/// The used fields of an event of a DynamoDB stream (Lambda, using Lambda with DynamoDB Streams). The types of
/// aws_lambda_events would add chrono and serde_dynamo.
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
    /// The row after the change; `None` if it was removed.
    #[serde(default)]
    new_image: Option<Row>,
    #[serde(default)]
    old_image: Option<Row>,
}

/// The used attributes of a row. Rows of chunks and counters have none of them.
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
    fn before(&self) -> Option<JobState> {
        self.old_image.as_ref().and_then(Row::state)
    }

    /// Returns the job after the change; `None` if the row is not that of a job, or if the job cannot be read.
    fn job(&self) -> Option<Job> {
        let document = self.new_image.as_ref()?.document.as_ref()?;
        match serde_json::from_str::<Job>(&document.text) {
            Ok(job) => Some(job),
            Err(error) => {
                // A retry would fail as well and delay all later changes. The error itself is not logged, because its
                // text may contain a part of the document.
                tracing::error!(
                    line = error.line(),
                    column = error.column(),
                    "a job cannot be read; nobody is told about its change"
                );
                None
            }
        }
    }
}

impl Changes {
    fn events(&self) -> impl Iterator<Item = JobEvent> {
        self.records.iter().filter_map(|Record { dynamodb }| {
            dynamodb.job().and_then(|job| JobEvent::of_change(dynamodb.before(), &job))
        })
    }

    /// Returns the notices that the changes cause.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.records.iter().filter_map(|Record { dynamodb }| {
            dynamodb.job().and_then(|job| Notice::of_change(dynamodb.before(), &job))
        })
    }
}

/// Publishes the events of changes.
pub struct Announcer {
    pub events: Arc<dyn Events>,
    /// The server's base URL, which is the source of the events.
    pub source: String,
    /// The name of the deployment.
    pub stage: String,
}

impl Announcer {
    /// Publishes the events of all changes. If this fails, Lambda delivers all of these changes again.
    ///
    /// # Errors
    ///
    /// The error of [`Events::publish`].
    pub async fn announce(&self, changes: &Changes) -> Result<()> {
        let events: Vec<CloudEvent> =
            changes.events().map(|event| event.into_cloud_event(&self.source, &self.stage)).collect();
        if events.is_empty() {
            return Ok(());
        }
        self.events.publish(&events).await?;
        for event in &events {
            tracing::info!(job.id = %event.data["job"].as_str().unwrap_or_default(), event.id = event.id, "event published");
        }
        Ok(())
    }
}
