//! What the URL of an attachment means to this server: something of the record, somebody else's address, or nothing that
//! can be fetched.

use crate::base::Base;
use crate::ids::is_fhir_id;
use crate::references;

/// What a URL points to, as far as the record can have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Binary by its id.
    Binary(String),
    /// A file of the patient's `files/` by its name.
    File(String),
}

/// Where the URL of an attachment leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Into the record. The first of these that the record has is meant: a file may be called what its URL spells
    /// encoded, or what it spells decoded.
    Record(Vec<Target>),
    /// To another server, under an absolute URL; with the Binary of the record that it may be a copy of.
    Elsewhere(Option<Target>),
    /// Nowhere that a client can fetch: a relative URL that names nothing a record can have, a URN, an old download of
    /// this server.
    Nowhere,
}

impl Link {
    /// Everything of the record that the URL may mean.
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Record(targets) => targets,
            Self::Elsewhere(target) => target.as_slice(),
            Self::Nowhere => &[],
        }
    }
}

/// Reads a URL. `base_url` is the public address of this server, under which its bases lie; empty where it is not known.
///
/// `Binary/x` and `files/name` are of the record, also as `./Binary/x`, below one of our bases (`/fhir/Binary/x`, or
/// absolute), percent-encoded, with a query, a fragment or `/_history/…`; and a bare `name` is a file.
pub(super) fn link(url: &str, base_url: &str) -> Link {
    let url = url.trim();
    if let Some(path) = below(url, base_url) {
        return of_record(segments_below_base(path));
    }
    if is_absolute(url) {
        return Link::Elsewhere(binary_of(without_query(url)));
    }
    if url.starts_with("//") || has_scheme(url) {
        return Link::Nowhere;
    }
    if url.starts_with('/') {
        let prefix = base_url.splitn(4, '/').nth(3).map(|path| path.trim_end_matches('/'));
        let prefix = prefix.filter(|path| !path.is_empty()).map(|path| format!("/{path}"));
        let path = prefix.as_deref().map_or(Some(url), |prefix| url.strip_prefix(prefix));
        return of_record(path.and_then(segments_below_base));
    }
    let mut relative = url;
    while let Some(rest) = relative.strip_prefix("./") {
        relative = rest;
    }
    // Seen from a resource, `../Binary/x` is a Binary of the same base.
    match relative.strip_prefix("../").filter(|rest| rest.starts_with("Binary/")) {
        Some(rest) => of_record(Some(rest)),
        None => of_record(Some(relative)),
    }
}

/// The path of a URL of this server.
fn below<'u>(url: &'u str, base_url: &str) -> Option<&'u str> {
    let base_url = base_url.trim_end_matches('/');
    let path = url.strip_prefix(base_url).filter(|_| !base_url.is_empty())?;
    (path.is_empty() || path.starts_with(['/', '?', '#'])).then_some(path)
}

/// What stands behind one of the bases in an absolute path; `None` for any other path.
fn segments_below_base(path: &str) -> Option<&str> {
    // The longest first: `/fhir` begins `/fhir/r4` as well.
    let mut bases = Base::ALL.map(Base::path);
    bases.sort_unstable_by_key(|base| std::cmp::Reverse(base.len()));
    bases.into_iter().find_map(|base| path.strip_prefix(base)?.strip_prefix('/'))
}

fn of_record(path: Option<&str>) -> Link {
    let targets = path.map(targets).unwrap_or_default();
    if targets.is_empty() { Link::Nowhere } else { Link::Record(targets) }
}

fn targets(path: &str) -> Vec<Target> {
    if let Some(binary) = binary(without_query(path)) {
        return vec![binary];
    }
    let name = |path: &str, decode: bool| {
        let name = path.strip_prefix("files/").unwrap_or(path);
        // A slash that is encoded is part of the name, which no file can have.
        let name = if decode { decoded(name)? } else { name.to_owned() };
        (!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])).then_some(name)
    };
    let mut targets = Vec::new();
    let spellings = [(path, false), (path, true), (without_query(path), false), (without_query(path), true)];
    for name in spellings.into_iter().filter_map(|(path, decode)| name(path, decode)) {
        let target = Target::File(name);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

/// `Binary/x`, with or without a version.
fn binary(path: &str) -> Option<Target> {
    let mut segments = path.split('/');
    if segments.next()? != "Binary" {
        return None;
    }
    let id = decoded(segments.next()?).filter(|id| is_fhir_id(id))?;
    match (segments.next(), segments.next(), segments.next()) {
        (None | Some(""), None, None) | (Some("_history"), Some(_), None) => Some(Target::Binary(id)),
        _ => None,
    }
}

/// The Binary at the end of somebody else's URL.
fn binary_of(url: &str) -> Option<Target> {
    let reference = references::parse(url)?;
    (reference.resource_type == "Binary").then(|| Target::Binary(reference.id.to_owned()))
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// Whether others can fetch it: a scheme and a host, or the data itself.
fn is_absolute(url: &str) -> bool {
    let host = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, host)| host);
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        || url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Whether it is a URI such as a URN, and no relative path. `scan:1.png` in `files/` is a path.
fn has_scheme(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The text with its percent-encoding undone; `None` when it is broken or no UTF-8.
fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(
            u8::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?,
        );
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
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
    fn every_spelling_of_a_binary_of_the_record_is_that_binary() {
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
    fn names_of_files_are_read_as_they_stand_and_decoded() {
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
    fn what_others_serve_stays_and_what_nobody_serves_is_told_apart() {
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
        fn no_url_leads_out_of_the_record(url in "[a-zA-Z0-9%./:#?\\\\ -]{0,40}") {
            for target in link(&url, OURS).targets() {
                match target {
                    Target::Binary(id) => prop_assert!(is_fhir_id(id)),
                    Target::File(name) => prop_assert!(!name.contains(['/', '\\']) && name != ".." && !name.is_empty()),
                }
            }
        }
    }
}
