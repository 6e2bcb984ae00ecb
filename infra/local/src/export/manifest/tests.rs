use serde_json::json;

use super::*;

fn page(url: &str, body: Value) -> ManifestPage {
    ManifestPage::new(url.parse().expect("a URL"), body).expect("a manifest")
}

fn server() -> Url {
    "https://server.example/fhir".parse().expect("a URL")
}

/// The token is sent to another origin only if the manifest says that its files need it.
#[test]
fn other_servers_get_the_token_only_if_the_manifest_says_so() {
    let urls = [
        "https://server.example/1",
        "https://status.example/2",
        "https://files.example/3",
        "http://server.example/4",
    ];
    for (requires, expected) in [
        (json!(true), [true; 4]),
        (json!(false), [false; 4]),
        (Value::Null, [true, true, false, false]),
        (json!("true"), [true, true, false, false]),
    ] {
        let output: Vec<_> = urls.iter().map(|url| json!({ "url": url })).collect();
        let body = json!({ "requiresAccessToken": requires, "output": output });
        let pages = [page("https://status.example/status", body)];
        let wanted = listed(&pages, &server(), Names::default()).expect("files");
        let with_token: Vec<_> = wanted.iter().map(|file| file.expected.with_token).collect();
        assert_eq!(with_token, expected, "{requires}");
        let base = server();
        let to_pages = urls
            .map(|url| pages[0].sends_token_to_page(&url.parse().expect("a URL"), [&base, pages[0].url()]));
        let others = requires == true;
        assert_eq!(to_pages, [true, true, others, others], "{requires}");
    }
}

#[test]
fn relative_urls_refer_to_the_page_that_has_them() {
    let body = json!({ "output": [{ "type": "Patient", "url": "../files/Patient.ndjson", "count": 2 }, { "url": "/other" }] });
    let pages = [
        page("https://server.example/fhir/jobs/1/status", body.clone()),
        page("https://files.example/a/b/c/d", body),
    ];
    let wanted = listed(&pages, &server(), Names::reserving(["other"])).expect("files");
    let urls: Vec<_> = wanted.iter().map(|file| file.expected.url.as_str()).collect();
    let expected = [
        "https://server.example/fhir/jobs/files/Patient.ndjson",
        "https://server.example/other",
        "https://files.example/a/b/files/Patient.ndjson",
        "https://files.example/other",
    ];
    assert_eq!(urls, expected);
    let names: Vec<_> = wanted.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["Patient.ndjson", "2-other", "2-Patient.ndjson", "3-other"]);
    assert_eq!(wanted[2].expected.position, Some(2));
    let next = page(
        "https://server.example/a/1",
        json!({ "output": [], "link": [{ "relation": "next", "url": "2?x=1" }] }),
    );
    assert_eq!(
        next.next().expect("a URL").map(String::from).as_deref(),
        Some("https://server.example/a/2?x=1")
    );
}

#[test]
fn an_entry_without_a_usable_url_is_named() {
    for (entry, reason) in [
        (json!({ "type": "Patient" }), "an entry of 'error' in the manifest has no URL"),
        (
            json!({ "url": "ftp://files.example/1" }),
            "the server returned an invalid URL: ftp://files.example/1",
        ),
        (json!({ "url": "https://" }), "the server returned an invalid URL: https://"),
    ] {
        let pages = [page("https://server.example/1", json!({ "output": [], "error": [entry] }))];
        let failure = listed(&pages, &server(), Names::default()).err().expect("an error");
        assert_eq!(failure.to_string(), reason);
    }
}

#[test]
fn the_pages_are_joined_to_one_manifest() {
    let pages = [
        page(
            "https://server.example/1",
            json!({ "transactionTime": "t", "output": [{ "url": "a" }], "error": [], "link": [{ "relation": "self", "url": "1" }, { "relation": "next", "url": "2" }] }),
        ),
        page(
            "https://server.example/2",
            json!({ "transactionTime": "u", "output": [{ "url": "b" }], "deleted": [{ "url": "c" }] }),
        ),
    ];
    assert_eq!(
        joined(&pages),
        json!({ "transactionTime": "t", "output": [{ "url": "a" }, { "url": "b" }], "error": [], "deleted": [{ "url": "c" }],
            "link": [{ "relation": "self", "url": "1" }] })
    );
}
