//! The time from the kick-off to the manifest over HTTP: one patient, no form, no review, compared with one durable
//! write on the same machine, of which an export needs several; the processor time of the server and of the client, which
//! is a process of its own; and the time of many such exports at once.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::OsRandom;
use domain::clock::SystemClock;
use ehi::server::Server;
use futures_util::future::join_all;
use http::StatusCode;
use indicatif::ProgressBar;
use local::Local;
use platform::Platform;
use security::tokens::{AccessTokenClaims, sign};
use tokio::net::TcpListener;

use crate::{Aim, Row, Scale, directory, runtime, settings};

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lake = directory();
    let state = directory();
    let patients = 50;
    ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let exports = scale.of(400, 50);
    let (one_by_one, mut together) = runtime().block_on(async {
        let (server, base, platform) = serve(lake.path(), state.path()).await;
        let members = platform.records().members(None, 100).await.expect("patients").members;
        let wanted = (0..exports).map(|number| {
            let patient = members[usize::try_from(number % patients).expect("small")].patient.to_string();
            format!("{} {patient}\n", token(&platform, &patient, "bench"))
        });
        let (wanted, at): (String, _) = (wanted.collect(), base.clone());
        let one_by_one = tokio::task::spawn_blocking(move || export_one_by_one(&at, &wanted));
        let one_by_one = one_by_one.await.expect("no panic");
        let client = reqwest::Client::new();
        let mut together = Vec::new();
        for _ in 0..scale.of(9, 3) {
            let started = Instant::now();
            // Each is of another client, because the number of running exports of one client is limited.
            let exports = members.iter().enumerate().map(|(number, member)| {
                let patient = member.patient.to_string();
                let token = token(&platform, &patient, &format!("bench-{number}"));
                let (client, base) = (&client, &base);
                async move { once(client, base, &token, &patient).await }
            });
            join_all(exports).await;
            together.push(started.elapsed());
        }
        server.stop().await.expect("stopped");
        (one_by_one, together)
    });
    together.sort();
    let half = together[together.len() / 2].as_secs_f64() * 1e3;
    let at_once = Row {
        what: format!(
            "{patients} exports of one patient at once, kick-off to the last manifest, median of {}",
            together.len()
        ),
        measured: format!("{half:.0} ms"),
        yardstick: String::new(),
        ratio: None,
        aim: Aim::at_most(300.0, "ms", half),
    };
    let mut rows = of_one_by_one(one_by_one);
    rows.push(at_once);
    rows
}

/// Returns the rows of exports that ran one after the other.
fn of_one_by_one(OneByOne { mut took, of_server, of_client }: OneByOne) -> Vec<Row> {
    took.sort_by(f64::total_cmp);
    let exports = took.len();
    let at = |percent: usize| took[(exports - 1) * percent / 100];
    let sync = durable_write().as_secs_f64();
    let processor = Row {
        what: format!(
            "kick-off to manifest, one patient (470 kB), processor time of the server, mean of {exports}"
        ),
        measured: format!("{:.2} ms", of_server * 1e3),
        yardstick: format!("of the client: {:.2} ms", of_client * 1e3),
        ratio: None,
        aim: Aim::at_most(4.0, "ms", of_server * 1e3),
    };
    [(50, "median", Some(6.0)), (99, "p99", None)]
        .into_iter()
        .map(|(percent, name, aim)| Row {
            what: format!("kick-off to manifest, one patient (470 kB), {name} of {exports}"),
            measured: format!("{:.1} ms", at(percent) * 1e3),
            yardstick: format!("one durable write: {:.2} ms", sync * 1e3),
            ratio: Some(at(percent) / sync),
            aim: aim.map_or_else(Aim::none, |aim| Aim::at_most(aim, "ms", at(percent) * 1e3)),
        })
        .chain([processor])
        .collect()
}

/// The argument that makes the program run the client.
pub(crate) const CLIENT: &str = "--part=client";

/// Exports that ran one after the other. All times are in seconds.
struct OneByOne {
    took: Vec<f64>,
    /// The processor time of the server for one export, on average.
    of_server: f64,
    /// The processor time of the client for one export, on average.
    of_client: f64,
}

/// Runs a client in a process of its own, which exports each wanted patient. This process is the server, and does nothing else meanwhile.
fn export_one_by_one(base: &str, wanted: &str) -> OneByOne {
    let this = std::env::current_exe().expect("this program");
    let mut client = Command::new(this);
    client.args([CLIENT, base]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let before = processor_seconds();
    let mut client = client.spawn().expect("the client runs");
    // The client reads all lines before it begins. The pipe is closed with the value.
    client.stdin.take().expect("piped").write_all(wanted.as_bytes()).expect("sent");
    let ended = client.wait_with_output().expect("the client ends");
    let of_server = processor_seconds() - before;
    assert!(ended.status.success(), "the client failed");
    let printed = String::from_utf8_lossy(&ended.stdout);
    let mut numbers = printed.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    let of_client = numbers.next().expect("the processor time");
    let took: Vec<f64> = numbers.collect();
    let exports = f64::from(u32::try_from(took.len()).expect("not many"));
    OneByOne { took, of_server: of_server / exports, of_client: of_client / exports }
}

/// Exports in this process, one export after the other. The input has a line for each, with a token and a patient. Returns the processor
/// time of all exports, and then the time of each of them.
pub(crate) fn client(base: &str) -> String {
    let wanted: Vec<_> = std::io::stdin().lines().map(|line| line.expect("a line")).collect();
    runtime().block_on(async {
        let client = reqwest::Client::new();
        let before = processor_seconds();
        let mut took = Vec::new();
        for line in &wanted {
            let (token, patient) = line.split_once(' ').expect("a token and a patient");
            took.push(once(&client, base, token, patient).await.as_secs_f64().to_string());
        }
        format!("{} {}", processor_seconds() - before, took.join(" "))
    })
}

/// Returns the processor time of this process so far, user and system, as Linux counts it (proc(5), utime and stime).
fn processor_seconds() -> f64 {
    /// The ticks in a second, which are the same on all machines (`USER_HZ`).
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name of the program is in parentheses, and may have spaces.
    let (_, fields) = stat.rsplit_once(") ").expect("fields after the name");
    let times = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number"));
    times.sum::<f64>() / TICKS
}

/// Starts a server over a lake on a free port.
pub(crate) async fn serve(lake: &std::path::Path, state: &std::path::Path) -> (Server, String, Local) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let platform = Local::open(state, lake, settings(&base), clock, random).expect("a platform");
    (Server::start(platform.clone(), listener, 2).await.expect("a server"), base, platform)
}

pub(crate) fn token(platform: &Local, patient: &str, client: &str) -> String {
    let settings = platform.settings();
    let now = platform.clock().now().as_second();
    let claims = AccessTokenClaims {
        iss: settings.base_url.clone(),
        aud: settings.base_url.clone(),
        sub: String::new(),
        client_id: client.to_owned(),
        scope: "patient/$ehi-export".to_owned(),
        patient: Some(patient.to_owned()),
        iat: now,
        exp: now + 3_600,
        jti: patient.to_owned(),
        fhir_user: None,
        family: None,
    };
    sign(&platform.keys(), &claims).expect("signed")
}

async fn once(client: &reqwest::Client, base: &str, token: &str, patient: &str) -> Duration {
    let started = Instant::now();
    let url = format!("{base}/auto-approve/no-form/fhir/Patient/{patient}/$ehi-export");
    let kicked_off = client.post(url).bearer_auth(token).send().await.expect("a response");
    assert_eq!(kicked_off.status(), StatusCode::ACCEPTED);
    let status = kicked_off.headers()["content-location"].to_str().expect("a URL").to_owned();
    loop {
        let response = client.get(&status).bearer_auth(token).send().await.expect("a response");
        match response.status() {
            StatusCode::OK => {
                response.bytes().await.expect("a manifest");
                return started.elapsed();
            }
            StatusCode::ACCEPTED => tokio::time::sleep(Duration::from_micros(500)).await,
            other => panic!("{other}"),
        }
    }
}

/// Returns the median time of small durable appends, like those of SQLite's log.
fn durable_write() -> Duration {
    let directory = directory();
    let mut file = std::fs::File::create(directory.path().join("log")).expect("a file");
    let mut took: Vec<_> = (0..200)
        .map(|_| {
            let started = Instant::now();
            file.write_all(&[0; 4096]).expect("written");
            file.sync_data().expect("durable");
            started.elapsed()
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}
