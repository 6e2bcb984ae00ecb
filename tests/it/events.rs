//! Events about exports on an event bus: each relevant change is published once, without any name.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws::lambda::changes::{Announcer, Changes};
use crypto::OsRandom;
use domain::clock::Random;
use domain::error::{Error, Result};
use domain::event::CloudEvent;
use domain::ids::JobId;
use domain::job::Job;
use domain::ports::events::Events;
use http::Method;
use jiff::SignedDuration;
use platform::Platform;
use serde_json::{Value, json};
use tests::deployed::aws;
use tests::{ANNA, World};

use crate::logs::Captured;

/// An event bus that records events, and refuses them while it is down.
#[derive(Default)]
struct Bus {
    published: Mutex<Vec<Value>>,
    is_down: Mutex<bool>,
}

#[async_trait::async_trait]
impl Events for Bus {
    async fn publish(&self, events: &[CloudEvent]) -> Result<()> {
        if *self.is_down.lock().expect("a flag") {
            return Err(Error::unavailable("the bus is down"));
        }
        self.published.lock().expect("a list").extend(events.iter().map(CloudEvent::to_json));
        Ok(())
    }
}

impl Bus {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.published.lock().expect("a list"))
    }

    async fn handle(self: &Arc<Self>, records: &[Value]) -> Result<()> {
        let (source, stage) = ("https://ehi.example.org".to_owned(), "test".to_owned());
        let announcer = Announcer { events: self.clone(), source, stage };
        let changes: Changes = serde_json::from_value(json!({ "Records": records })).expect("changes");
        announcer.announce(&changes).await
    }
}

/// Returns a row of the table of jobs as a stream shows it.
pub(crate) fn row(job: &Job) -> Value {
    json!({
        "job_id": { "S": job.id().as_str() },
        "part": { "S": "job" },
        "job_state": { "S": job.state().name() },
        "document": { "S": serde_json::to_string(job).expect("JSON") },
        "revision": { "N": "7" },
    })
}

pub(crate) fn change(before: &Job, after: &Job) -> Value {
    json!({ "eventName": "MODIFY", "dynamodb": { "OldImage": row(before), "NewImage": row(after), "SequenceNumber": "1" } })
}

/// Returns a job as it is stored now.
pub(crate) async fn stored(world: &World, path: &str) -> Job {
    let id = JobId::parse(path.trim_start_matches("/jobs/")).expect("an id");
    world.platform().jobs().get(&id).await.expect("a response").expect("a job").job
}

#[tokio::test]
async fn only_review_and_the_end_of_an_export_are_published() -> tests::Result {
    let log = Captured::start();
    let world = World::new();
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let job = world.kick_off(&token, "", ANNA).await;
    let mut states = vec![stored(&world, &job).await];
    let choices = json!({ "parameters": { "medicalRecord": { "enabled": true } } });
    world.post(&job).bearer(&token).json(&choices).send().await;
    states.push(stored(&world, &job).await);
    // A short export goes from here to its end in one task.
    let Job::Queued(queued) = states[1].clone() else { panic!("the form was sent") };
    let now = world.platform().clock().now();
    states.push(Job::Running(queued.begin(now, SignedDuration::ZERO)));
    world.work().await;
    states.push(stored(&world, &job).await);
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    states.push(stored(&world, &job).await);
    world.request(Method::DELETE, &format!("{job}/status")).bearer(&token).send().await;
    states.push(stored(&world, &job).await);
    let names: Vec<_> = states.iter().map(|job| job.state().name()).collect();
    assert_eq!(names, ["awaiting-input", "queued", "running", "in-review", "complete", "cancelled"]);

    // The log of one machine has the same changes.
    let lines = log.with("job changed its state");
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, state) in lines.iter().zip(["in-review", "complete", "cancelled"]) {
        assert!(line.contains(&format!("job.state=\"{state}\"")) && !line.contains(ANNA), "{line}");
    }

    let bus = Arc::new(Bus::default());
    let changes: Vec<_> = states.windows(2).map(|two| change(&two[0], &two[1])).collect();
    bus.handle(&changes).await?;
    let published = bus.take();
    let id = job.trim_start_matches("/jobs/");
    let Some(summary) = states[4].summary() else { panic!("the export is written") };
    let totals = |state: &str| {
        json!({
            "job": id, "state": state, "kind": "ehi", "files": summary.files, "resources": summary.resources,
            "bytes": summary.bytes, "stage": "test",
        })
    };
    let expected = |state: &str, data: Value| {
        json!({
            "specversion": "1.0", "id": format!("{id}/{state}"), "source": "https://ehi.example.org",
            "type": format!("ehi-export.job.{state}"), "subject": id, "time": "2026-03-01T12:00:00Z",
            "datacontenttype": "application/json", "data": data,
        })
    };
    let gone = json!({ "job": id, "state": "cancelled", "kind": "ehi", "stage": "test" });
    assert_eq!(
        published,
        [
            expected("in-review", totals("in-review")),
            expected("complete", totals("complete")),
            expected("cancelled", gone),
        ]
    );
    let text = json!(published).to_string();
    for secret in [ANNA, "Lindqvist", "\"app\"", "admin"] {
        assert!(!text.contains(secret), "{secret}");
    }
    Ok(())
}

#[tokio::test]
async fn rejected_failed_and_expired_exports_are_published() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let staff = world.staff().await;
    let bus = Arc::new(Bus::default());
    // One export is rejected with a reason that names the patient, and then expires.
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let review = stored(&world, &job).await;
    let reason = json!({ "reason": "Anna Lindqvist asked for it twice" });
    world.post(&format!("/admin{job}/reject")).cookie(&staff).json(&reason).send().await;
    let rejected = stored(&world, &job).await;
    world.advance(100_000);
    world.clean().await;
    let expired = stored(&world, &job).await;
    // The other export fails for a reason that names a file.
    let failing = world.kick_off(&world.token(ANNA).await, "/no-form", ANNA).await;
    let queued = stored(&world, &failing).await;
    let (now, retention) = (world.platform().clock().now(), world.platform().settings().retention);
    let failed = queued.clone().fail(
        "Patient/anna-lindqvist/a.ndjson is damaged",
        "exception",
        "task",
        now,
        &retention,
    );
    let failed = Job::Failed(failed.expect("a queued job can fail"));
    let changes = [change(&review, &rejected), change(&rejected, &expired), change(&queued, &failed)];
    bus.handle(&changes).await?;
    let published = bus.take();
    let states: Vec<_> =
        published.iter().map(|event| event["data"]["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["rejected", "expired", "failed"]);
    let text = json!(published).to_string();
    assert!(!text.contains("Lindqvist") && !text.contains(ANNA), "{text}");
    Ok(())
}

#[tokio::test]
async fn other_changes_are_not_published_and_a_repeated_event_has_the_same_id() -> tests::Result {
    let world = World::new();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    let queued = stored(&world, &job).await;
    world.work().await;
    let review = stored(&world, &job).await;
    let bus = Arc::new(Bus::default());
    let chunk = json!({ "job_id": { "S": "a" }, "part": { "S": "chunk#000000.0" }, "chunk": { "S": "{}" } });
    let unread = json!({ "part": { "S": "job" }, "job_state": { "S": "complete" }, "document": { "S": "{\"of\":\"tomorrow\"}" } });
    let silent = [
        // Here a file was attached.
        change(&review, &review),
        json!({ "eventName": "INSERT", "dynamodb": { "NewImage": chunk, "SequenceNumber": "2" } }),
        json!({ "eventName": "REMOVE", "dynamodb": { "OldImage": row(&review), "SequenceNumber": "3" } }),
        json!({ "eventName": "MODIFY", "dynamodb": { "NewImage": unread, "OldImage": row(&review), "SequenceNumber": "4" } }),
    ];
    bus.handle(&silent).await?;
    assert_eq!(bus.take(), Vec::<Value>::new());

    // If the bus is down, the whole batch fails and is delivered again; so it is if the response of the bus is lost.
    let batch = [silent.as_slice(), &[change(&queued, &review)]].concat();
    *bus.is_down.lock().expect("a flag") = true;
    bus.handle(&batch).await.expect_err("no event was published");
    *bus.is_down.lock().expect("a flag") = false;
    bus.handle(&batch).await?;
    bus.handle(&batch).await?;
    let published = bus.take();
    assert_eq!(published.len(), 2);
    assert_eq!(published[0], published[1], "the events have the same id");
    Ok(())
}

/// A queue that receives the messages that a test waits for.
struct Listener(String);

impl Listener {
    fn new() -> (Self, String) {
        let name = format!("listener-{}", OsRandom.attempt());
        let url = tests::text(&aws(&["sqs", "create-queue", "--queue-name", &name])["QueueUrl"]);
        let attributes =
            aws(&["sqs", "get-queue-attributes", "--queue-url", &url, "--attribute-names", "QueueArn"]);
        let arn = tests::text(&attributes["Attributes"]["QueueArn"]);
        let allow = json!({
            "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn,
            "Principal": { "Service": ["events.amazonaws.com", "sns.amazonaws.com"] },
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [allow] }).to_string();
        let policy = json!({ "Policy": policy }).to_string();
        aws(&["sqs", "set-queue-attributes", "--queue-url", &url, "--attributes", &policy]);
        (Self(url), arn)
    }

    /// Returns the first message that contains this text.
    fn message_with(&self, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            // The queue waits for a message, so that the command line is not started again and again.
            let receive = ["sqs", "receive-message", "--queue-url", &self.0];
            let received =
                aws(&[&receive[..], &["--max-number-of-messages", "10", "--wait-time-seconds", "10"]]
                    .concat());
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if let Some(body) = messages
                .iter()
                .map(|message| tests::text(&message["Body"]))
                .find(|body| body.contains(wanted))
            {
                return body;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "no message contains '{wanted}'");
        }
    }
}

#[tokio::test]
#[ignore = "cargo xtask test deploys the stack that it needs"]
async fn a_deployment_publishes_events_and_mails_staff() -> tests::Result {
    let (bus, arn) = Listener::new();
    let rule = format!("listener-{}", OsRandom.attempt());
    aws(&["events", "put-rule", "--name", &rule, "--event-pattern", "{\"source\":[\"ehi-export\"]}"]);
    aws(&["events", "put-targets", "--rule", &rule, "--targets", &format!("Id=queue,Arn={arn}")]);
    let (mail, arn) = Listener::new();
    let topics = aws(&["sns", "list-topics"]);
    let topics =
        topics["Topics"].as_array().expect("topics").iter().map(|topic| tests::text(&topic["TopicArn"]));
    let topic = topics.into_iter().find(|arn| arn.contains("StaffTopic")).expect("a topic of staff");
    aws(&["sns", "subscribe", "--topic-arn", &topic, "--protocol", "sqs", "--notification-endpoint", &arn]);

    let world = World::deployed();
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let id = job.trim_start_matches("/jobs/");
    let event = bus.message_with(&format!("{id}/in-review"));
    let event: Value = serde_json::from_str(&event)?;
    assert_eq!(
        (&event["source"], &event["detail-type"]),
        (&json!("ehi-export"), &json!("ehi-export.job.in-review"))
    );
    assert_eq!((&event["detail"]["specversion"], &event["detail"]["subject"]), (&json!("1.0"), &json!(id)));
    assert_eq!(
        (&event["detail"]["data"]["stage"], &event["detail"]["data"]["kind"]),
        (&json!("dev"), &json!("ehi"))
    );
    assert!(!event.to_string().contains("Lindqvist") && !event.to_string().contains(ANNA), "{event}");
    let mailed = mail.message_with(id);
    assert!(
        mailed.contains("waits for your review")
            && mailed.contains(&format!("{}/staff{job}", tests::BASE_URL)),
        "{mailed}"
    );
    let staff = world.staff().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    bus.message_with(&format!("{id}/complete"));
    Ok(())
}
