use proptest::prelude::*;

use super::*;

const OURS: &str = "https://ehi.example.org";

fn binary(id: &str) -> Link {
    Link::Record(vec![Target::Binary(id.to_owned())])
}

fn files(names: &[&str]) -> Link {
    Link::Record(names.iter().map(|name| Target::File((*name).to_owned())).collect())
}

#[test]
fn every_spelling_of_a_binarys_url_is_recognized() {
    for url in [
        "Binary/x-1",
        " Binary/x-1 ",
        "./Binary/x-1",
        "../Binary/x-1",
        "/fhir/Binary/x-1",
        "/4_0_0/Binary/x-1",
        "/fhir/r4/Binary/x-1",
        "https://ehi.example.org/fhir/Binary/x-1",
        "https://ehi.example.org/fhir/r4/Binary/x-1/_history/3?_format=json#page=2",
        "Binary/x-1/_history/1",
        "Binary/x-1?_format=application/pdf",
        "Binary/x-1#top",
        "Binary/x%2D1",
        "Binary/x-1/",
    ] {
        assert_eq!(link(url, OURS), binary("x-1"), "{url}");
    }
}

#[test]
fn names_of_files_are_tried_as_they_are_written_and_decoded() {
    for (url, expected) in [
        ("files/scan.png", files(&["scan.png"])),
        ("scan.png", files(&["scan.png"])),
        ("./files/scan.png", files(&["scan.png"])),
        ("/fhir/files/scan.png", files(&["scan.png"])),
        ("files/a%20b.pdf", files(&["a%20b.pdf", "a b.pdf"])),
        ("files/a b.pdf", files(&["a b.pdf"])),
        ("files/50%.pdf", files(&["50%.pdf"])),
        ("files/a.pdf?x=1#p", files(&["a.pdf?x=1#p", "a.pdf"])),
        ("files/scan:1.png", files(&["scan:1.png"])),
        ("files/a%2Fb", files(&["a%2Fb"])),
    ] {
        assert_eq!(link(url, OURS), expected, "{url}");
    }
}

#[test]
fn urls_of_other_servers_differ_from_urls_that_no_client_can_fetch() {
    assert_eq!(link("/ehi/fhir/Binary/x", "https://example.org/ehi"), binary("x"));
    assert_eq!(link("/fhir/Binary/x", "https://example.org/ehi"), Link::Nowhere);
    assert_eq!(link("/fhir/Binary/x", "https://example.org/"), binary("x"));
    assert_eq!(link("https://elsewhere.example/x.pdf", OURS), Link::Elsewhere(None));
    assert_eq!(link("data:text/plain;base64,aGk=", OURS), Link::Elsewhere(None));
    for url in ["https://other.example/fhir/Binary/x", "https://ehi.example.org.evil/fhir/Binary/x"] {
        assert_eq!(link(url, OURS), Link::Elsewhere(Some(Target::Binary("x".to_owned()))), "{url}");
    }
    for url in [
        "",
        " ",
        "#contained",
        "urn:uuid:0c4d0c6e-5f0e-4b43-b9ad-000000000000",
        "mailto:a@b.example",
        "//other.example/Binary/x",
        "/Binary",
        "/somewhere/x.pdf",
        "some/where/x.pdf",
        "files/../x",
        "files/..",
        "files/%2e%2e",
        "../x.pdf",
        "https:///x",
        "https://ehi.example.org/jobs/1/download/attachments/x.pdf",
        "https://ehi.example.org",
        "Binary/x/y",
        "Patient/ann/files/x.pdf",
    ] {
        let found = link(url, OURS);
        let harmless = found == Link::Nowhere
            || matches!(&found, Link::Record(targets) if targets == &[Target::File(url.trim_start_matches("files/").to_owned())]);
        assert!(harmless, "{url}: {found:?}");
    }
}

proptest! {
    #[test]
    fn no_url_has_a_target_outside_the_record(url in "[a-zA-Z0-9%./:#?\\\\ -]{0,40}") {
        for target in link(&url, OURS).targets() {
            match target {
                Target::Binary(id) => prop_assert!(is_fhir_id(id)),
                Target::File(name) => prop_assert!(!name.contains(['/', '\\']) && name != ".." && !name.is_empty()),
            }
        }
    }
}
