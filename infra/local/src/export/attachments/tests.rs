use serde_json::json;

use super::*;

fn collected(resource: &Value) -> Attachments {
    let origin = |url: &str| url.parse::<Url>().expect("a URL").origin();
    let servers = [("https://files.example", true), ("https://signed.example", false)];
    let servers = Arc::new(servers.map(|(url, with_token)| (origin(url), with_token)).into());
    let mut attachments = Attachments::new(&"https://server.example/fhir".parse().expect("a URL"), &servers);
    attachments.collect(resource.to_string().as_bytes());
    attachments
}

#[test]
fn attachments_are_found_in_every_element_that_can_have_them() {
    let attachment = json!({ "url": "Binary/1" });
    for resource in [
        json!({ "resourceType": "DocumentReference", "content": [{ "attachment": attachment }] }),
        json!({ "resourceType": "Media", "content": attachment }),
        json!({ "resourceType": "DiagnosticReport", "presentedForm": [attachment] }),
        json!({ "resourceType": "Patient", "photo": [attachment] }),
        json!({ "resourceType": "BodyStructure", "image": [attachment] }),
        json!({ "resourceType": "ExplanationOfBenefit", "form": attachment }),
        json!({ "resourceType": "Library", "relatedArtifact": [{ "document": attachment }] }),
        json!({ "resourceType": "Consent", "sourceAttachment": attachment }),
        json!({ "resourceType": "Observation", "extension": [{ "url": "x", "valueAttachment": attachment }] }),
        json!({ "resourceType": "Observation", "contained": [{ "resourceType": "Media", "content": attachment }] }),
    ] {
        let found = collected(&resource);
        assert_eq!(
            found.here.keys().collect::<Vec<_>>(),
            ["https://server.example/fhir/Binary/1"],
            "{resource}"
        );
        assert_eq!(found.elsewhere.len(), 0);
    }
}

#[test]
fn other_urls_are_not_those_of_attachments() {
    for resource in [
        json!({ "resourceType": "Library", "url": "https://server.example/Library/1", "content": [{ "title": "x" }] }),
        json!({ "resourceType": "Media", "content": { "extension": [{ "url": "https://server.example/x" }] } }),
        json!({ "resourceType": "Media", "content": { "url": "data:text/plain,x" } }),
        json!({ "resourceType": "Media", "content": { "url": "#inside" } }),
        json!({ "resourceType": "Media", "content": { "url": 1 } }),
    ] {
        let found = collected(&resource);
        assert_eq!((found.here.len(), found.elsewhere.len()), (0, 0), "{resource}");
    }
}

/// The token is sent to the origin of the FHIR base only.
#[test]
fn only_urls_of_the_server_of_the_base_are_downloaded() {
    for (url, here) in [
        ("Binary/1", Some("https://server.example/fhir/Binary/1")),
        (" ./Binary/1#page=2 ", Some("https://server.example/fhir/Binary/1")),
        ("/files/1?key=a", Some("https://server.example/files/1?key=a")),
        ("https://SERVER.example:443/1", Some("https://server.example/1")),
        ("//server.example/1", Some("https://server.example/1")),
        ("http://server.example/1", None),
        ("https://server.example:8443/1", None),
        ("https://server.example.evil.example/1", None),
        ("https://server.example@evil.example/1", None),
        ("https://user:password@server.example/1", None),
        ("//evil.example/1", None),
        ("\\\\evil.example/1", None),
        ("ftp://server.example/1", None),
        ("file:///etc/passwd", None),
        ("urn:oid:1.2.3", None),
    ] {
        let found = collected(&json!({ "resourceType": "Media", "content": { "url": url } }));
        assert_eq!(found.here.keys().map(String::as_str).collect::<Vec<_>>(), here.as_slice(), "{url}");
        let elsewhere: Vec<_> = found.elsewhere.iter().map(String::as_str).collect();
        assert_eq!(elsewhere, if here.is_some() { vec![] } else { vec![url] }, "{url}");
    }
}

/// The server may name itself with another origin than the user, such as `127.0.0.1` instead of `localhost`.
#[test]
fn attachments_of_the_export_are_downloaded_from_where_its_files_are() {
    for (url, with_token) in [
        ("https://files.example/download/attachments/k/1.pdf", Some(true)),
        ("https://files.example/ehi/download/attachments/k/1.pdf", Some(true)),
        ("https://signed.example/download/attachments/k/1.pdf", Some(false)),
        ("https://server.example/download/attachments/k/1.pdf", Some(true)),
        ("https://files.example/fhir/Binary/1", None),
        ("https://files.example/1?x=/download/attachments/1", None),
        ("http://files.example/download/attachments/k/1.pdf", None),
        ("https://files.example:8443/download/attachments/k/1.pdf", None),
        ("https://user@files.example/download/attachments/k/1.pdf", None),
        ("https://evil.example/download/attachments/k/1.pdf", None),
    ] {
        let found = collected(&json!({ "resourceType": "Media", "content": { "url": url } }));
        let expected = found.here.values().next();
        assert_eq!(expected.map(|expected| expected.with_token), with_token, "{url}");
        assert!(found.elsewhere.len() == usize::from(with_token.is_none()), "{url}");
    }
}

#[test]
fn the_size_the_hash_and_the_type_are_those_of_the_attachment() {
    let attachment =
        json!({ "url": "Binary/1", "size": 3, "hash": "aGk=", "contentType": "application/pdf" });
    let found = collected(&json!({ "resourceType": "Media", "content": attachment }));
    let expected = found.here.values().next().expect("an attachment");
    assert_eq!((expected.size, expected.sha1.as_deref(), expected.with_token), (Some(3), Some("aGk="), true));
    assert_eq!(expected.kind.accept(), "application/pdf, */*;q=0.5");
    assert_eq!(attachment_name(&expected.url, Some("application/pdf")), "1.pdf");
}
