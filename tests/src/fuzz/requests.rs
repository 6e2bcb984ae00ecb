//! Fuzzes requests: the parameters of a bulk kick-off, the Range of a download, the files of an upload.

use domain::ids::JobId;
use futures_util::TryStreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::Source;
use crate::{ANNA, TestResponse, World};

/// A server of this thread, which many cases share.
pub(super) struct Server {
    pub(super) runtime: Runtime,
    pub(super) world: World,
    /// The token of a backend service.
    service: String,
    /// The token of a patient's app.
    app: String,
    /// The path of a file of a finished export, and its content.
    file: (String, Vec<u8>),
    staff: TestResponse,
    /// The path of a job in review, and the number of its attachments.
    review: std::cell::RefCell<(String, usize)>,
}

pub(super) fn with_server<T>(body: impl FnOnce(&Server) -> T) -> T {
    thread_local! {
        static SERVER: Server = Server::new();
    }
    SERVER.with(body)
}

impl Server {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let world = World::new();
        let (service, app, file, staff, review) = runtime.block_on(async {
            let service = world.service("service", "system/*.rs").await;
            let app = world.token(ANNA).await;
            let job = world.exported(&app, ANNA).await;
            let path = format!("{job}/download/Patient");
            let file = world.get(&path).bearer(&app).send().await.body;
            let review = in_review(&world, &app).await;
            (service, app, (path, file), world.staff().await, review)
        });
        Self { runtime, world, service, app, file, staff, review: std::cell::RefCell::new((review, 0)) }
    }
}

async fn in_review(world: &World, token: &str) -> String {
    let job = world.kick_off(token, "/no-form", ANNA).await;
    world.work().await;
    job
}

/// Checks that the same parameters have the same result by query and in a body, and that no body causes a server error.
pub(super) fn parameters(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    with_server(|server| {
        if source.once_in(4) {
            let call =
                server.world.post("/fhir/$export").bearer(&server.service).header("prefer", "respond-async");
            let response = server.runtime.block_on(call.body("application/fhir+json", source.rest()).send());
            assert!(!response.status.is_server_error(), "{}", response.text());
            delete_job(server, &response);
            return;
        }
        let parameters: Vec<_> = (0..=source.below(4)).map(|_| parameter(&mut source)).collect();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters.iter().map(|(name, _, value)| (name, value)));
        let path = format!("/fhir/$export?{}", query.finish());
        let get = server.world.get(&path).bearer(&server.service).header("prefer", "respond-async");
        let by_query = server.runtime.block_on(get.send());
        let list: Vec<_> =
            parameters.iter().map(|(name, kind, value)| json!({ "name": name, (*kind): value })).collect();
        let body = json!({ "resourceType": "Parameters", "parameter": list });
        let post =
            server.world.post("/fhir/$export").bearer(&server.service).header("prefer", "respond-async");
        let by_body = server.runtime.block_on(post.body("application/fhir+json", body.to_string()).send());
        assert!(!by_query.status.is_server_error(), "{}", by_query.text());
        assert_eq!(by_query.status, by_body.status, "{body}: {} {}", by_query.text(), by_body.text());
        assert_eq!(selected(server, &by_query), selected(server, &by_body), "{body}");
        delete_job(server, &by_query);
        delete_job(server, &by_body);
    });
}

fn parameter(source: &mut Source<'_>) -> (String, &'static str, String) {
    let (name, kind) = source.pick(&[
        ("_type", "valueString"),
        ("_typeFilter", "valueString"),
        ("_since", "valueInstant"),
        ("_until", "valueInstant"),
        ("_elements", "valueString"),
        ("includeAssociatedData", "valueCode"),
        ("_outputFormat", "valueString"),
        ("organizeOutputBy", "valueString"),
        ("unknown", "valueString"),
    ]);
    let value = match (name, source.below(3)) {
        (_, 0) => source.text(),
        ("_type", _) => {
            source.pick(&["Patient", "Patient,Observation", "Bogus", " Patient ,", ","]).to_owned()
        }
        ("_typeFilter", _) => source
            .pick(&[
                "Observation?status=final",
                "Patient?gender=female,Observation?code=a,b",
                "Observation?x=1",
                "Observation?",
            ])
            .to_owned(),
        ("_since" | "_until", _) => source
            .pick(&[
                "2024-01-01T00:00:00Z",
                "2024-01-01",
                "2024-13-01T00:00:00Z",
                "2024-01-01T00:00:00+01:00",
            ])
            .to_owned(),
        ("_elements", _) => source.pick(&["id", "Patient.name,status", "Patient.", "a b", "."]).to_owned(),
        ("_outputFormat", _) => source.pick(&["ndjson", "application/fhir+ndjson", "xml"]).to_owned(),
        ("organizeOutputBy", _) => source.pick(&["Patient", "patient", "Group"]).to_owned(),
        _ => source.pick(&["LatestProvenanceResources", "RelevantProvenanceResources", "x"]).to_owned(),
    };
    (name.to_owned(), kind, value)
}

fn job_of(response: &TestResponse) -> Option<JobId> {
    let accepted = response.status == StatusCode::ACCEPTED;
    accepted.then(|| JobId::parse(response.job().trim_start_matches("/jobs/")).expect("an id"))
}

/// Returns the selection of the job that a response started.
fn selected(server: &Server, response: &TestResponse) -> Option<Value> {
    let id = job_of(response)?;
    let stored =
        server.runtime.block_on(server.world.platform().jobs().get(&id)).expect("stored").expect("the job");
    serde_json::to_value(&stored.job.header().request.selection).ok()
}

fn delete_job(server: &Server, response: &TestResponse) {
    if job_of(response).is_some() {
        let call = server
            .world
            .request(Method::DELETE, &format!("{}/status", response.job()))
            .bearer(&server.service);
        assert!(server.runtime.block_on(call.send()).status.is_success());
    }
}

/// Checks that a range of a file is the one that RFC 9110 defines.
pub(super) fn range(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    with_server(|server| {
        let (path, file) = &server.file;
        let spec = match source.below(4) {
            0 => String::from_utf8_lossy(source.rest()).into_owned(),
            _ => {
                let number = |source: &mut Source<'_>| match source.below(5) {
                    0 => String::new(),
                    1 => format!("{}", file.len() + source.below(3) - 1),
                    2 => source
                        .pick(&[
                            "18446744073709551615",
                            "99999999999999999999",
                            "+1",
                            "-1",
                            " 1",
                            "1 ",
                            "0x1",
                        ])
                        .to_owned(),
                    _ => source.below(256).to_string(),
                };
                let unit = source.pick(&["bytes=", "bytes=", "bytes=", "bytes", "lines="]);
                format!(
                    "{unit}{}{}{}",
                    number(&mut source),
                    source.pick(&["-", "-", "-", "", ","]),
                    number(&mut source)
                )
            }
        };
        // No header can contain these bytes.
        if spec.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return;
        }
        let call = server.world.get(path).bearer(&server.app).header("range", &spec);
        let response = server.runtime.block_on(call.send());
        let size = u128::try_from(file.len()).expect("a size");
        let place = |number: u128| usize::try_from(number.min(size)).expect("within the file");
        let (status, expected) = match requested_range(&spec) {
            None => (StatusCode::OK, &file[..]),
            Some((Some(first), _)) if first >= size => (StatusCode::RANGE_NOT_SATISFIABLE, &[][..]),
            Some((None, Some(0))) => (StatusCode::RANGE_NOT_SATISFIABLE, &[][..]),
            Some((Some(first), last)) => {
                let end = last.map_or(size, |last| last.saturating_add(1));
                (StatusCode::PARTIAL_CONTENT, &file[place(first)..place(end)])
            }
            Some((None, last)) => {
                (StatusCode::PARTIAL_CONTENT, &file[place(size - size.min(last.unwrap_or(0)))..])
            }
        };
        assert_eq!(response.status, status, "{spec}");
        if status != StatusCode::RANGE_NOT_SATISFIABLE {
            assert!(response.body == expected, "{spec}");
        }
    });
}

/// Returns the first and last byte of a single range; `None` if the header must be ignored.
fn requested_range(spec: &str) -> Option<(Option<u128>, Option<u128>)> {
    let (unit, range) = spec.trim_matches([' ', '\t']).split_once('=')?;
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    // All numbers beyond the end of every file are equivalent.
    let most = u128::from(u64::MAX);
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Some((!text.is_empty()).then(|| text.parse().map_or(most, |number: u128| number.min(most)))),
        false => None,
    };
    let (first, last) = (number(first)?, number(last)?);
    let is_backward = matches!((first, last), (Some(first), Some(last)) if last < first);
    (unit == "bytes" && (first, last) != (None, None) && !is_backward).then_some((first, last))
}

/// Checks that the stored files are the uploaded ones, and that no body causes a server error.
pub(super) fn multipart(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    with_server(|server| {
        if server.review.borrow().1 > 80 {
            let old = server.review.borrow().0.clone();
            let call = server.world.request(Method::DELETE, &format!("/admin{old}")).cookie(&server.staff);
            assert!(server.runtime.block_on(call.send()).status.is_success());
            *server.review.borrow_mut() = (server.runtime.block_on(in_review(&server.world, &server.app)), 0);
        }
        let (job, known) = server.review.borrow().clone();
        let send = |body: Vec<u8>| {
            let call = server.world.post(&format!("/admin{job}/add-files")).cookie(&server.staff);
            server.runtime.block_on(call.body("multipart/form-data; boundary=the-boundary-0", body).send())
        };
        if source.once_in(4) {
            let body = [b"--the-boundary-0\r\n", source.rest()].concat();
            let response = send(body);
            assert!(!response.status.is_server_error(), "{}", response.text());
            if response.status == StatusCode::OK {
                server.review.borrow_mut().1 =
                    response.json()["attachments"].as_array().map_or(known, Vec::len);
            }
            return;
        }
        let (mut body, mut files, mut others) = (Vec::new(), Vec::new(), 0);
        for _ in 0..source.below(8) {
            let is_file = !source.once_in(3);
            let name = if is_file { "attachments" } else { source.pick(&["action", "x", ""]) };
            let content: Vec<u8> = (0..source.below(40)).map(|_| source.byte()).collect();
            let title = source.pick(&["a.txt", "../b.pdf", "ä b.csv", ".", "c"]);
            body.extend_from_slice(format!("--the-boundary-0\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{title}\"\r\n\r\n").as_bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
            if is_file {
                files.push(content);
            } else {
                others += 1;
            }
        }
        body.extend_from_slice(b"--the-boundary-0--\r\n");
        let response = send(body);
        let expected = match files.len() {
            0 => StatusCode::BAD_REQUEST,
            1..=5 => StatusCode::OK,
            _ => StatusCode::PAYLOAD_TOO_LARGE,
        };
        assert_eq!(
            response.status,
            expected,
            "{} files, {others} other fields: {}",
            files.len(),
            response.text()
        );
        if expected != StatusCode::OK {
            return;
        }
        let listed = response.json()["attachments"].as_array().expect("a list").clone();
        assert_eq!(listed.len(), known + files.len());
        server.review.borrow_mut().1 = listed.len();
        check_stored(server, &job, known, &files);
    });
}

/// Checks that the attachments of a job behind the first `known` ones are these files.
fn check_stored(server: &Server, job: &str, known: usize, files: &[Vec<u8>]) {
    let id = JobId::parse(job.trim_start_matches("/jobs/")).expect("an id");
    let platform = server.world.platform();
    let stored = server.runtime.block_on(platform.jobs().get(&id)).expect("stored").expect("the job");
    for (attachment, content) in stored.job.header().attachments[known..].iter().zip(files) {
        let blocks = server.runtime.block_on(async {
            platform.files().open(&attachment.key, None).await.expect("a file").try_collect::<Vec<_>>().await
        });
        assert_eq!(blocks.expect("read").concat(), *content, "{}", attachment.title);
    }
}
