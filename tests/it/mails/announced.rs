//! Mails to patients on AWS, from the stream of the table of jobs.

use std::sync::Arc;

use aws::lambda::changes::Changes;
use aws::lambda::mails::{Mails, deliver};
use domain::clock::Clock;
use domain::email::EmailAddress;
use domain::error::Result;
use domain::ids::JobId;
use domain::job::Job;
use domain::notice::Notice;
use domain::ports::mail::Mailer;
use jiff::SignedDuration;
use platform::Platform;
use platform::post::Post;
use serde_json::{Value, json};
use tests::mail_server::{MailServer, Mood};
use tests::simulated::platform::random;
use tests::{ANNA, World};

use super::{ADDRESS, approve, asked, check, lake, settings, with_address};
use crate::audit::{events, summary};
use crate::events::{change, row, stored};
use crate::logs::Captured;

fn changes(records: &[Value]) -> Changes {
    serde_json::from_value(json!({ "Records": records })).expect("changes")
}

fn inserted(job: &Job) -> Value {
    json!({ "eventName": "INSERT", "dynamodb": { "NewImage": row(job), "SequenceNumber": "1" } })
}

/// Returns the way of mails as the function has it, over the stores of a World in memory.
fn post(world: &World) -> Post {
    let (platform, settings) = (world.platform(), world.platform().settings());
    let mailer = mail::mailer(&settings, platform.clock()).expect("a mail server").expect("a mail server");
    Post { mailer, audit: platform.audit(), clock: platform.clock(), outage: settings.outage }
}

#[tokio::test]
async fn changes_that_are_delivered_twice_cause_mails_with_the_same_ids() -> tests::Result {
    let server = MailServer::start().await;
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let job = asked(&world, "es").await;
    let queued = stored(&world, &job).await;
    let Job::Queued(state) = queued.clone() else { panic!("the form was sent") };
    let running = Job::Running(state.begin(world.clock().now(), SignedDuration::ZERO));
    world.work().await;
    let review = stored(&world, &job).await;
    approve(&world, &job).await;
    let complete = stored(&world, &job).await;
    let chunk = json!({ "job_id": { "S": "a" }, "part": { "S": "chunk#000000.0" }, "chunk": { "S": "{}" } });
    let unread = json!({ "part": { "S": "job" }, "job_state": { "S": "complete" }, "document": { "S": "{\"of\":\"tomorrow\"}" } });
    let all = changes(&[
        inserted(&queued),
        change(&queued, &queued),
        change(&queued, &running),
        change(&running, &review),
        json!({ "eventName": "INSERT", "dynamodb": { "NewImage": chunk } }),
        json!({ "eventName": "REMOVE", "dynamodb": { "OldImage": row(&review) } }),
        json!({ "eventName": "MODIFY", "dynamodb": { "NewImage": unread, "OldImage": row(&review) } }),
        change(&review, &complete),
        change(&complete, &complete),
    ]);
    let post = post(&world);
    let mut ids = Vec::new();
    for _ in 0..2 {
        deliver(&all, &post).await?;
        let mails = server.take();
        mails.iter().for_each(check);
        let bodies: Vec<_> =
            mails.iter().map(|mail| mail.body().chars().take(9).collect::<String>()).collect();
        assert_eq!(bodies, ["Tenemos s", "Su copia "]);
        ids.push(mails.iter().map(|mail| mail.header("message-id")).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1]);
    let trail = events(&world, "action=mail-sent").await;
    assert_eq!(trail.iter().map(summary).collect::<Vec<_>>(), ["mail-sent by server: success"; 4]);
    Ok(())
}

#[tokio::test]
async fn a_mail_that_is_not_accepted_is_delivered_again_until_the_outage_limit() -> tests::Result {
    let (server, log) = (MailServer::start().await, Captured::start());
    let records = lake(&with_address());
    let world = World::with(&settings(&server), records.path());
    let job = asked(&world, "en").await;
    let all = changes(&[inserted(&stored(&world, &job).await)]);
    let post = post(&world);
    server.set(Mood::Refuses(451));
    deliver(&all, &post).await.expect_err("Lambda delivers the change again");
    server.set(Mood::Accepts);
    deliver(&all, &post).await?;
    assert_eq!(server.take().len(), 1);
    server.set(Mood::Refuses(451));
    world.advance(6 * 3_600);
    deliver(&all, &post).await?;
    assert_eq!(log.with("is not tried again").len(), 1);
    assert_eq!(log.with("example.org").len(), 0);
    let trail = events(&world, "action=mail-sent").await;
    let summaries: Vec<_> = trail.iter().map(summary).collect();
    assert_eq!(summaries, ["mail-sent by server: failed", "mail-sent by server: success"]);
    Ok(())
}

/// A mail server that accepts everything.
struct Accepts;

#[async_trait::async_trait]
impl Mailer for Accepts {
    async fn send(&self, notice: &Notice) -> Result<()> {
        assert_eq!(notice.to.as_str(), ADDRESS);
        Ok(())
    }
}

/// Checks the function on the simulated AWS: it reads its settings and records the mail.
pub(crate) async fn a_mail_is_sent_to_the_patient(world: World) {
    let token = world.token(ANNA).await;
    let job = world.exported(&token, ANNA).await;
    let id = JobId::parse(job.trim_start_matches("/jobs/")).expect("an id");
    let stored = world.account().simulation().job(&id).expect("a job");
    let silent = changes(&[inserted(&stored)]);
    let Job::Complete(mut complete) = stored else { panic!("the export is complete") };
    complete.header.patient.as_mut().expect("a patient").email = EmailAddress::parse(ADDRESS);
    let ready = changes(&[inserted(&Job::Complete(complete))]);
    let (sdk, resources) = world.account().configuration("MailFunction").await;
    let clock: Arc<dyn Clock> = Arc::new(world.account().simulation().clock());
    let mut mails = Mails { sdk, resources, clock, random: random(77), server: |_, _| Ok(None) };
    mails.send(&ready).await.expect("without a mail server nothing is sent");
    mails.server = |_, _| Ok(Some(Arc::new(Accepts)));
    mails.send(&silent).await.expect("no mail is due");
    assert_eq!(events(&world, "action=mail-sent").await.len(), 0);
    mails.send(&ready).await.expect("sent");
    let trail = events(&world, "action=mail-sent").await;
    assert_eq!(trail.iter().map(summary).collect::<Vec<_>>(), ["mail-sent by server: success"]);
    assert!(!json!(trail).to_string().contains(ADDRESS), "{trail:?}");
}
