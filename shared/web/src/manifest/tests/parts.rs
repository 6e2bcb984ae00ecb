//! The parts of a page: each fits into a response of a function on AWS, and no setting moves their bounds.

use domain::chunk::OutputFile;
use domain::dialect::Dialect;
use domain::manifest::{Names, PART_BYTES};
use security::keys::StoredKeys;

use super::*;

/// The maximum size of a response of a function on AWS, with its status and headers.
const LAMBDA_BYTES: usize = 6 * 1024 * 1024;

/// Returns the settings of a server with the longest host name that DNS allows.
fn longest() -> Settings {
    let label = "x".repeat(63);
    let host = format!("{label}.{label}.{label}.{}", "x".repeat(61));
    assert_eq!(host.len(), 253);
    settings(&format!("https://{host}"))
}

fn settings(base_url: &str) -> Settings {
    let text = format!("base_url = \"{base_url}\"\nmax_direct_bytes = 4194304");
    Settings::parse(&text, |_| None, None).expect("valid settings")
}

fn keys() -> Keys {
    Keys::new(&StoredKeys::from_seed(&"a".repeat(40)).expect("keys")).expect("keys")
}

/// Returns files with the longest values, under the names of a late page.
fn files(purpose: Purpose, number: usize) -> Vec<NamedFile> {
    let mut names = Names::of_page(u32::MAX);
    let file = |position: usize| OutputFile {
        purpose,
        resource_type: "T".repeat(64),
        key: format!("exports/{position}"),
        place: None,
        count: u64::MAX,
        size: u64::MAX,
        sha256: "0".repeat(64),
    };
    (0..number).map(|position| names.name(file(position))).collect()
}

/// Returns a job in the dialect, which was started at this server.
fn job(dialect: &Dialect, manifest_v4: bool, at: &Settings) -> Job {
    let Job::Queued(Queued { mut header }) = contract::job(1, "a") else { panic!("another state") };
    header.request.base = dialect.base;
    header.request.selection = Some(Selection::default());
    header.request.output.manifest_v4 = manifest_v4;
    header.request.output.manifest_url_bytes = u32::try_from(at.base_url.len()).ok();
    Job::Queued(Queued { header })
}

fn part(job: &Job, files: &[NamedFile], from: usize, settings: &Settings) -> Option<Value> {
    let (keys, transaction_time) = (keys(), Timestamp::UNIX_EPOCH);
    let signer = Some((&keys, "2026-03-01T12:00:00Z".parse().expect("a time")));
    let (files, next) = Part { page: 0, from }.of((files, true), job, settings)?;
    Some(Page { job, transaction_time, files, next, signer }.to_json(settings))
}

/// Returns the size of a response of a function on AWS: the body is a JSON string.
fn response_bytes(body: &Value) -> usize {
    let headers =
        json!({ "content-type": "application/json", "expires": "x".repeat(29), "x-more": "x".repeat(500) });
    let response = json!({
        "statusCode": 200, "headers": headers, "multiValueHeaders": {}, "body": body.to_string(),
        "isBase64Encoded": false, "cookies": [],
    });
    response.to_string().len()
}

/// Follows the links of a page; returns the begin of each part, and its body.
fn parts(job: &Job, files: &[NamedFile], settings: &Settings) -> Vec<(usize, Value)> {
    let (mut from, mut parts) = (0, Vec::new());
    loop {
        let body = part(job, files, from, settings).expect("a part");
        let url = body["link"][0]["url"].as_str().expect("a link").to_owned();
        parts.push((from, body));
        let query = url.split_once('?').expect("a query").1;
        match query.strip_prefix("page=0&from=") {
            Some(next) => from = next.parse().expect("a position"),
            None => {
                assert_eq!(query, "page=1");
                return parts;
            }
        }
    }
}

/// Returns the URLs in a list of all parts, without signatures.
fn urls(parts: &[(usize, Value)], list: &str) -> Vec<String> {
    let entries = parts.iter().flat_map(|(_, body)| body[list].as_array().expect("a list"));
    entries
        .map(|entry| entry["url"].as_str().expect("a URL").split('?').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn an_entry_is_never_larger_than_its_bound() {
    let settings = longest();
    for (dialect, manifest_v4) in
        Dialect::all().iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
    {
        let job = job(dialect, manifest_v4, &settings);
        let bytes = |files: &[NamedFile]| response_bytes(&part(&job, files, 0, &settings).expect("a part"));
        for purpose in
            [Purpose::Output, Purpose::Documents, Purpose::Blocks, Purpose::Deleted, Purpose::Error]
        {
            let files = files(purpose, 100);
            let bound: usize = files.iter().map(|file| file.entry_bytes(settings.base_url.len())).sum();
            let rendered = bytes(&files) - bytes(&[]);
            assert!(
                rendered <= bound,
                "{:?}, {manifest_v4}, {purpose:?}: {rendered} of {bound}",
                dialect.base
            );
        }
    }
}

#[test]
fn a_page_with_the_longest_urls_is_divided_into_responses_that_a_function_can_return() {
    let settings = longest();
    for (dialect, manifest_v4) in
        Dialect::all().iter().flat_map(|dialect| [(dialect, false), (dialect, true)])
    {
        let job = job(dialect, manifest_v4, &settings);
        let mut files = files(Purpose::Output, 11_000);
        files.extend(self::files(Purpose::Error, 1_000));
        let parts = parts(&job, &files, &settings);
        assert!(parts.len() > 1);
        for (from, body) in &parts {
            let bytes = response_bytes(body);
            assert!(bytes < LAMBDA_BYTES - 1_000_000, "{:?}: {bytes} bytes", dialect.base);
            assert_eq!(part(&job, &files, *from, &settings).as_ref(), Some(body), "a part stays the same");
        }
        let expected = |purpose: Purpose| -> Vec<String> {
            let files = files.iter().filter(|named| named.file.purpose == purpose);
            files.map(|named| file_url(&settings, &job, &named.name)).collect()
        };
        assert_eq!(urls(&parts, "output"), expected(Purpose::Output));
        let errors = if manifest_v4 { "outcome" } else { "error" };
        assert_eq!(urls(&parts, errors), expected(Purpose::Error));
        assert_eq!(part(&job, &files, files.len(), &settings), None);
        assert_eq!(part(&job, &files, files.len() + 1, &settings), None);
    }
}

#[test]
fn the_bounds_of_parts_do_not_follow_the_settings() {
    let (long, short) = (longest(), settings("https://short.example"));
    let files = files(Purpose::Output, 20_000);
    let begins = |job: &Job, settings: &Settings| -> Vec<usize> {
        parts(job, &files, settings).iter().map(|(from, _)| *from).collect()
    };
    let of_long = job(Dialect::all().first().expect("a dialect"), true, &long);
    assert_eq!(begins(&of_long, &short), begins(&of_long, &long));
    // Longer URLs need smaller parts; every link still leads to the files that were not listed before.
    let of_short = job(Dialect::all().first().expect("a dialect"), true, &short);
    let moved = parts(&of_short, &files, &long);
    assert_eq!(urls(&moved, "output").len(), files.len());
    assert!(moved.iter().all(|(_, body)| response_bytes(body) < LAMBDA_BYTES));
}

/// A job of an earlier version has no length of the URL: its parts follow from the current one. A client that has read the whole page
/// continues with the next page.
#[test]
fn a_page_of_an_earlier_version_has_parts_for_the_current_url() {
    let settings = longest();
    let of_now = job(Dialect::all().first().expect("a dialect"), true, &settings);
    let Job::Queued(Queued { mut header }) = of_now.clone() else { panic!("another state") };
    header.request.output.manifest_url_bytes = None;
    let stored = serde_json::to_value(Job::Queued(Queued { header })).expect("JSON");
    assert!(!stored.to_string().contains("manifestUrlBytes"), "as an earlier version wrote it: {stored}");
    let earlier: Job = serde_json::from_value(stored).expect("a job");
    let files = files(Purpose::Output, 11_000);
    assert_eq!(parts(&earlier, &files, &settings), parts(&of_now, &files, &settings));
}

#[test]
fn a_host_without_a_limit_returns_the_whole_page() {
    let mut settings = longest();
    let job = job(Dialect::all().first().expect("a dialect"), true, &settings);
    settings.max_direct_bytes = u64::MAX;
    let files = files(Purpose::Output, 11_000);
    let parts = parts(&job, &files, &settings);
    assert_eq!((parts.len(), urls(&parts, "output").len()), (1, 11_000));
    assert!(response_bytes(&parts[0].1) > PART_BYTES);
}
