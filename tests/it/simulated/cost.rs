//! The requests, the capacity and the costs of one patient's export with the form, review and downloads, as `infra/docs/cost.md` states
//! them: they are measured on the simulated AWS.

use domain::ports::audit::{AuditQuery, all};
use domain::sensitive::Sensitive;
use futures_util::TryStreamExt;
use platform::Platform;
use serde_json::json;
use tests::simulated::account::Setup;
use tests::simulated::names::{AUDIT_TABLE, GRANTS_TABLE, JOBS_TABLE};
use tests::simulated::platform::{platform, random};
use tests::simulated::prices::{
    DYNAMODB_MILLION_READS, DYNAMODB_MILLION_WRITES, LAMBDA_GB_SECOND, LAMBDA_MILLION_REQUESTS,
    S3_THOUSAND_GETS, S3_THOUSAND_PUTS,
};
use tests::simulated::{Client, Meter, Record, Stage, run_with_large_stack};
use tests::{ANNA, BASE_URL, Launch, World, text};

use crate::browsing::Browser;
use crate::docs::page;

/// The price of a million requests to an HTTP API.
const HTTP_MILLION_REQUESTS: f64 = 1.0;
/// The requests to S3 that cost as much as a PUT.
const PUTS: [&str; 5] =
    ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2"];

/// Signs a patient in with an app, reading each page like a person; returns the access token.
async fn signed_in(world: &World) -> String {
    let launch = Launch::new("app");
    let login = world.get(&launch.authorize()).send().await.location();
    world.get(&login).send().await;
    let request = tests::parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    world.get(&picked.location()).cookie(&picked).send().await;
    let fields = [("request", request.as_str()), ("decision", "allow")];
    let back = world.post("/authorize-app").cookie(&picked).form(&fields).send().await.location();
    let code = tests::parameter(&back, "code").expect("a code");
    text(&world.redeem(&launch, &code).await.json()["access_token"])
}

/// Loads the files of the pages once, as each browser does.
async fn loaded(world: &World, page: &str) {
    for file in crate::pages::files(page) {
        world.get(file.strip_prefix(BASE_URL).expect("a file of this server")).send().await;
    }
}

/// Fills in the form: every part and every topic.
async fn filled_in(world: &World, link: &str) {
    let mut browser = Browser::open(world, link).await;
    loaded(world, &browser.page.text()).await;
    browser.press("next", &[]).await;
    let topics = Sensitive::ALL.map(|topic| format!("authorizations.{}", topic.key()));
    let ticks: Vec<_> = topics.iter().map(|topic| (topic.as_str(), "on")).collect();
    browser.press("next", &ticks).await;
    browser.press("send", &[("agree", "on")]).await;
}

/// Signs a member of staff in, who looks at the export and approves it.
async fn approved(world: &World, job: &str) {
    let login = world.get("/staff").send().await.location();
    let shown = world.get(login.strip_prefix(BASE_URL).unwrap_or(&login)).send().await.text();
    loaded(world, &shown).await;
    let staff = world.staff().await;
    world.get("/staff").cookie(&staff).send().await;
    world.get(&format!("/staff{job}")).cookie(&staff).send().await;
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).json(&json!({})).send().await;
    assert!(approved.status.is_success(), "{}", approved.text());
}

/// Downloads the files and the attachments one by one; returns how many there are.
async fn downloaded(world: &World, token: &str, job: &str) -> (usize, usize) {
    let manifest = world.status(token, job).await.json();
    let (mut files, mut attachments) = (0, 0);
    for file in manifest["output"].as_array().expect("files") {
        let lines = world.get(&text(&file["url"])).bearer(token).send().await;
        files += 1;
        for url in lines.text().split('"').filter(|text| text.contains("/download/attachments/")) {
            let attachment = world.get(url.strip_prefix(BASE_URL).unwrap_or(url)).bearer(token).send().await;
            assert!(attachment.status.is_success(), "{url}: {}", attachment.status);
            attachments += 1;
        }
    }
    (files, attachments)
}

/// Returns the number of entries of the audit trail. Its table also has rows for the patients whom a list shows.
async fn entries(world: &World) -> usize {
    let client = Client::new(world.account().simulation(), Stage::Outside);
    let log = platform(&client, "", random(1)).await.audit().expect("the port");
    let query = AuditQuery { count: 500, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*log, query).try_collect().await.expect("entries");
    entries.len()
}

/// What was counted during an export.
struct Counted {
    before: Meter,
    after: Meter,
    requests: u64,
    /// New entries of the audit trail.
    entries: usize,
    files: usize,
    attachments: usize,
}

/// Exports a patient's record like people do, with a worker that has just started.
async fn exported() -> Counted {
    let world = World::simulated(Setup::default(), &Record::default());
    let simulation = world.account().simulation();
    // The first export indexes the shared resources.
    let token = world.token(ANNA).await;
    world.exported(&token, ANNA).await;
    let earlier = entries(&world).await;
    let (before, requests) = (simulation.meter(Clone::clone), world.account().requests());
    let token = signed_in(&world).await;
    let kicked_off = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
    let link = kicked_off.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    let job = kicked_off.job();
    filled_in(&world, &link).await;
    world.status(&token, &job).await;
    world.work().await;
    approved(&world, &job).await;
    let (files, attachments) = downloaded(&world, &token, &job).await;
    let (after, requests) = (simulation.meter(Clone::clone), world.account().requests() - requests);
    Counted { before, after, requests, entries: entries(&world).await - earlier, files, attachments }
}

impl Counted {
    /// Returns the read and write units of tables.
    fn capacity(&self, tables: &[&str]) -> (u64, u64) {
        let sum = |meter: &Meter| {
            let all = tables.iter().map(|table| meter.capacity_of(table));
            all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        };
        let (before, after) = (sum(&self.before), sum(&self.after));
        ((after.0 - before.0).div_ceil(2), after.1 - before.1)
    }

    fn calls(&self, operations: &[&str]) -> u64 {
        self.after.calls(&[], operations) - self.before.calls(&[], operations)
    }

    /// Returns the sentences of the cost page.
    fn sentences(&self) -> Vec<String> {
        let Self { requests, entries, files, attachments, .. } = self;
        let http = count(*requests) * HTTP_MILLION_REQUESTS / 1e6;
        let starts = count(requests + 1) * LAMBDA_MILLION_REQUESTS / 1e6;
        let gb_seconds = count(*requests) * 0.020 * 0.38;
        let served = gb_seconds * LAMBDA_GB_SECOND;
        let (reads, writes) = self.capacity(&[JOBS_TABLE, GRANTS_TABLE]);
        let (audit_reads, audit_writes) = self.capacity(&[AUDIT_TABLE]);
        let units = |reads, writes| {
            (count(reads) * DYNAMODB_MILLION_READS + count(writes) * DYNAMODB_MILLION_WRITES) / 1e6
        };
        let (tables, audit) = (units(reads, writes), units(audit_reads, audit_writes));
        let puts = self.calls(&PUTS);
        let gets = self.calls(&["GetObject", "HeadObject"]);
        let s3 = (count(puts) * S3_THOUSAND_PUTS + count(gets) * S3_THOUSAND_GETS) / 1e3;
        vec![
            format!(
                "{files} files and {attachments} attachments downloaded one by one: {requests} requests and 1 task."
            ),
            format!("| HTTP API | {requests} requests | ${http:.6} |"),
            format!("| Lambda, requests | {} | ${starts:.6} |", requests + 1),
            format!("| {requests} × 20 ms × 0.38 GB = {gb_seconds:.2} GB-s | ${served:.6} |"),
            format!("with the requests, {reads} read units and {writes} write units | ${tables:.6} |"),
            format!(
                "| audit trail | {entries} entries: {audit_reads} read units and, with its three indexes, {audit_writes} write units | ${audit:.6} |"
            ),
            format!("with the requests, {puts} PUT or LIST and {gets} GET | ${s3:.6} |"),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn count(number: u64) -> f64 {
    number as f64
}

#[test]
fn the_export_of_one_patient_costs_what_the_page_says() {
    let counted = run_with_large_stack(exported);
    let (page, sentences) = (page("cost.md"), counted.sentences());
    let missing: Vec<_> = sentences.iter().filter(|sentence| !page.contains(sentence.as_str())).collect();
    assert!(missing.is_empty(), "infra/docs/cost.md does not say: {missing:#?}");
}
