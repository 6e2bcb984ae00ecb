//! The time from the kick-off to the manifest over HTTP: one patient, no form, no review, compared with one durable
//! write on the same machine, of which an export needs several; and the time of many such exports at once.

use std::io::Write;
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

use crate::{Row, Scale, directory, runtime, settings};

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lake = directory();
    let state = directory();
    let patients = 50;
    ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let exports = scale.of(400, 50);
    let (mut took, mut together) = runtime().block_on(async {
        let (server, base, platform) = serve(lake.path(), state.path()).await;
        let members = platform.records().members(None, 100).await.expect("patients").members;
        let client = reqwest::Client::new();
        let mut took = Vec::new();
        for number in 0..exports {
            let patient = members[usize::try_from(number % patients).expect("small")].patient.to_string();
            took.push(once(&client, &base, &token(&platform, &patient, "bench"), &patient).await);
        }
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
        (took, together)
    });
    took.sort();
    together.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let sync = durable_write();
    let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
    let at_once = Row {
        what: format!(
            "{patients} exports of one patient at once, kick-off to the last manifest, median of {}",
            together.len()
        ),
        measured: format!("{:.0} ms", milliseconds(together[together.len() / 2])),
        yardstick: String::new(),
        ratio: None,
        aim: "300 ms",
    };
    [(50, "median", "6 ms"), (99, "p99", "")]
        .into_iter()
        .map(|(percent, name, aim)| Row {
            what: format!("kick-off to manifest, one patient (470 kB), {name} of {exports}"),
            measured: format!("{:.1} ms", milliseconds(at(percent))),
            yardstick: format!("one durable write: {:.2} ms", milliseconds(sync)),
            ratio: Some(at(percent).as_secs_f64() / sync.as_secs_f64()),
            aim,
        })
        .chain([at_once])
        .collect()
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
