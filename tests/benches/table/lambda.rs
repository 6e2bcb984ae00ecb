//! Each function that serves requests, under AWS's runtime interface emulator: the time from its start to the first
//! response, and its resident memory then, compared with a function that only returns "hello". A stand-in for Secrets Manager and
//! DynamoDB on loopback serves the data that the function reads at its cold start.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Aim, Row, Scale};

/// The functions behind the API, each with an address that causes no call to AWS.
const SERVING: [(&str, &str); 8] = [
    ("kick-off", "/fhir/Patient/a/$nothing"),
    ("customize", "/jobs/a/nothing"),
    ("status", "/jobs/a/nothing"),
    ("download", "/jobs/a/nothing"),
    ("admin", "/admin/nothing"),
    ("authorize", "/auth/nothing"),
    ("metadata", "/fhir/metadata"),
    ("my", "/my/nothing"),
];

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let Some(emulator) = runtime_interface_emulator() else {
        eprintln!(
            "lambda: the runtime interface emulator is missing: run `cargo xtask check` once, which installs it"
        );
        std::process::exit(1);
    };
    let (secrets, trail) = stand_in();
    let tries = scale.of(21, 3);
    // The functions take turns, so that other load of the machine affects all of them alike.
    let programs: Vec<_> = std::iter::once(("hello", "/", hello()))
        .chain(SERVING.map(|(name, path)| (name, path, function(name))))
        .collect();
    let mut starts: Vec<Vec<Measured>> = programs.iter().map(|_| Vec::new()).collect();
    // The first start of `admin` records the settings, which a usual start only reads, so it is not measured.
    for (name, path, program) in &programs {
        once(&emulator, name, path, program, secrets);
    }
    assert_eq!(writes(&trail), 1, "`admin` records the settings once");
    for _ in 0..tries {
        for ((name, path, program), starts) in programs.iter().zip(&mut starts) {
            starts.push(once(&emulator, name, path, program, secrets));
        }
    }
    assert_eq!(writes(&trail), 1, "a measured start of `admin` recorded the settings");
    let mut medians = starts.into_iter().map(median);
    let hello = medians.next().expect("hello is first");
    let mut rows = Vec::new();
    for ((name, _), of) in SERVING.into_iter().zip(medians) {
        rows.push(Row {
            what: format!("`{name}`, cold start, median of {tries}"),
            measured: format!("{:.1} ms", of.cold),
            yardstick: format!("hello: {:.1} ms", hello.cold),
            ratio: Some(of.cold / hello.cold),
            aim: Aim::ratio_at_most(2.00, of.cold / hello.cold),
        });
        rows.push(Row {
            what: format!("`{name}`, resident memory"),
            measured: format!("{:.1} MB", of.resident),
            yardstick: format!("hello: {:.1} MB", hello.resident),
            ratio: Some(of.resident / hello.resident),
            aim: Aim::ratio_at_most(2.50, of.resident / hello.resident),
        });
    }
    for name in SERVING.map(|(name, _)| name).into_iter().chain(["export-generator", "cleanup", "announce"]) {
        let zipped = zipped(&function(name));
        rows.push(Row {
            what: format!("`{name}`, zipped"),
            measured: format!("{zipped:.2} MB"),
            yardstick: String::new(),
            ratio: None,
            aim: Aim::at_most(6.0, "MB", zipped).required(),
        });
    }
    rows
}

/// The cold start in milliseconds, and the resident memory in megabytes.
struct Measured {
    cold: f64,
    resident: f64,
}

/// Returns the program of a function that `sam build` made, from the directory in its template. Functions with the same
/// program share a directory.
fn function(name: &str) -> PathBuf {
    let words = match name {
        "export-generator" => "large-generator",
        name => name,
    };
    let capitalised = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let resource: String = words.split('-').map(capitalised).collect();
    let built = root().join("target/sam/release");
    let template = std::fs::read_to_string(built.join("template.yaml")).expect("what `sam build` wrote");
    let after = |text: &str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_owned());
    let directory =
        after(&template, &format!("\n  {resource}Function:\n")).and_then(|rest| after(&rest, "CodeUri: "));
    let directory = directory.and_then(|rest| rest.lines().next().map(str::to_owned)).expect("a directory");
    built.join(directory).join("bootstrap")
}

/// Returns the example that cargo built with this benchmark.
fn hello() -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    this.ancestors().nth(2).expect("the release directory").join("examples/hello")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root of the project")
}

/// Returns AWS's emulator, which comes with SAM's command line.
fn runtime_interface_emulator() -> Option<PathBuf> {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let libraries = std::fs::read_dir(root().join("target/tools/sam/lib")).ok()?;
    libraries.flatten().map(|entry| entry.path()).find_map(|python| {
        let path = python.join(format!("site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"));
        path.exists().then_some(path)
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn zipped(path: &Path) -> f64 {
    let bytes = std::fs::read(path).expect("a program");
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&bytes).expect("compressed");
    encoder.finish().expect("compressed").len() as f64 / 1e6
}

/// Returns the median cold start, with its memory.
fn median(mut starts: Vec<Measured>) -> Measured {
    starts.sort_by(|one, other| one.cold.total_cmp(&other.cold));
    starts.swap_remove(starts.len() / 2)
}

fn once(emulator: &Path, name: &str, path: &str, program: &Path, secrets: u16) -> Measured {
    let (port, api) = (free_port(), free_port());
    let endpoint = format!("http://127.0.0.1:{secrets}");
    let mut child = Command::new(emulator)
        .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
        .args(["--runtime-api-address", &format!("127.0.0.1:{api}")])
        .arg(program)
        .envs([
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("EHI_BASE_URL", "https://ehi.example.org"),
            ("EHI_LOG", "off"),
            ("EHI_SIGNING_SECRET", "signing"),
            ("EHI_SETTINGS_SECRET", "settings"),
            ("EHI_JOBS_TABLE", "jobs"),
            ("EHI_GRANTS_TABLE", "grants"),
            ("EHI_AUDIT_TABLE", "audit"),
            ("EHI_SMALL_QUEUE", "http://127.0.0.1:9/small"),
            ("EHI_LARGE_QUEUE", "http://127.0.0.1:9/large"),
            ("EHI_FILES_BUCKET", "files"),
            ("EHI_RECORDS", "s3://records/lake"),
        ])
        // These are not set on Lambda.
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the runtime interface emulator");
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The first invocation starts the program.
    let started = Instant::now();
    let response = invoke(port, &event(path));
    let cold = started.elapsed().as_secs_f64() * 1e3;
    // 503 is the response of a function without settings, which has done no work.
    assert!(response["statusCode"].as_u64().is_some_and(|status| status < 500), "{name}: {response}");
    let resident = resident(&child, program);
    let _ = child.kill();
    let _ = child.wait();
    Measured { cold, resident }
}

/// Returns a request as API Gateway sends it (payload format 2.0).
fn event(path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "host": "ehi.example.org" }, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "ehi.example.org", "domainPrefix": "ehi", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1,
            "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench" }
        }
    })
}

fn invoke(port: u16, event: &Value) -> Value {
    let body = event.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the emulator listens");
    let head = format!(
        "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // The response may be chunked. The JSON is between the outermost braces.
    let json = body.find('{').zip(body.rfind('}')).map_or("null", |(from, to)| &body[from..=to]);
    serde_json::from_str(json).unwrap_or(Value::Null)
}

/// Returns the resident memory of the program in megabytes, as Linux counts it (VmRSS).
fn resident(emulator: &Child, program: &Path) -> f64 {
    // Any of the emulator's threads may have started it.
    let threads = std::fs::read_dir(format!("/proc/{}/task", emulator.id())).expect("Linux");
    let children: String = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default())
        .collect();
    let is_it = |id: &&str| {
        std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe.file_name() == program.file_name())
    };
    let id = children.split_whitespace().find(is_it).expect("the program runs");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    resident.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0 / 1e6
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The audit trail: the last entry with the settings, and the number of writes. `admin` writes it at its first cold start, and later only
/// reads it.
#[derive(Default)]
struct Trail {
    entry: Option<Value>,
    writes: u32,
}

type Recorded = Arc<Mutex<Trail>>;

/// Returns how often the audit trail was written.
fn writes(trail: &Recorded) -> u32 {
    trail.lock().expect("no panic").writes
}

/// Starts a stand-in for Secrets Manager that has the two secrets, and for DynamoDB with an audit trail that is empty at first. Returns its
/// port and its audit trail. It is plain HTTP, so a cold start reads no TLS roots and makes no handshakes here.
fn stand_in() -> (u16, Recorded) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let trail = Recorded::default();
    let recorded = trail.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let recorded = recorded.clone();
            std::thread::spawn(move || respond(stream, &recorded));
        }
    });
    (port, trail)
}

/// Returns the response of DynamoDB to a request of `admin`.
fn audit_trail(request: &str, recorded: &Recorded) -> Value {
    let mut recorded = recorded.lock().expect("no panic");
    let body = request.split_once("\r\n\r\n").map_or("null", |(_, body)| body);
    if request.contains("PutItem") {
        let mut put: Value = serde_json::from_str(body).expect("JSON");
        recorded.entry = Some(put["Item"].take());
        recorded.writes += 1;
        return json!({});
    }
    // The settings are looked for by their actor.
    let found: Vec<_> = recorded.entry.iter().filter(|_| body.contains("by-actor")).cloned().collect();
    json!({ "Items": found, "Count": found.len(), "ScannedCount": found.len() })
}

fn respond(mut stream: TcpStream, recorded: &Recorded) {
    let (mut received, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        while !received.ends_with(b"}") {
            match stream.read(&mut piece) {
                Ok(read) if read > 0 => received.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&received).into_owned();
        received.clear();
        let (status, body) = if text.contains("DynamoDB_") {
            ("200 OK", audit_trail(&text, recorded))
        } else if text.contains("AWSPREVIOUS") {
            ("400 Bad Request", json!({ "__type": "ResourceNotFoundException" }))
        } else {
            let secret = if text.contains("signing") {
                "s".repeat(64)
            } else {
                "token_lifetime_seconds = 300".to_owned()
            };
            ("200 OK", json!({ "SecretString": secret, "CreatedDate": 1.0 }))
        };
        let body = body.to_string();
        // One write: a second one would wait until the function acknowledges the first.
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
