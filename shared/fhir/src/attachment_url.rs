//! Classifies the URL of an attachment: a document in the patient's record, a URL of another server, or a URL that no
//! client can fetch.

use crate::base::Base;
use crate::ids::is_fhir_id;
use crate::references;

/// A document of the record to which a URL can point.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Binary by its id.
    Binary(String),
    /// A file in the patient's `files/` by its name.
    File(String),
}

/// The destination of the URL of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A document of the record: the first of these targets that the record has. There can be several because the name
    /// of a file can be the encoded or the decoded spelling of its URL.
    Record(Vec<Target>),
    /// An absolute URL of another server, and the Binary that the record may have with the same id.
    Elsewhere(Option<Target>),
    /// A URL that no client can fetch: a relative URL that cannot name a document of a record, a URN, or an earlier
    /// download URL of this server.
    Nowhere,
}

impl Link {
    /// Returns all documents of the record that the URL can mean.
    pub fn targets(&self) -> &[Target] {
        match self {
            Self::Record(targets) => targets,
            Self::Elsewhere(target) => target.as_slice(),
            Self::Nowhere => &[],
        }
    }
}

/// Classifies a URL. `base_url` is the public URL of this server, below which its base paths are; it is empty if it is
/// not known.
///
/// `Binary/x` and `files/name` are documents of the record. They are recognized as well as `./Binary/x`, below a base
/// path of this server (`/fhir/Binary/x`, or absolute), percent-encoded, and with a query, a fragment or `/_history/…`.
/// A bare `name` is a file.
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
    // Relative to the URL of a resource, `../Binary/x` is a Binary below the same base.
    match relative.strip_prefix("../").filter(|rest| rest.starts_with("Binary/")) {
        Some(rest) => of_record(Some(rest)),
        None => of_record(Some(relative)),
    }
}

/// Returns the path of a URL below `base_url`; `None` for a URL of another server.
fn below<'u>(url: &'u str, base_url: &str) -> Option<&'u str> {
    let base_url = base_url.trim_end_matches('/');
    let path = url.strip_prefix(base_url).filter(|_| !base_url.is_empty())?;
    (path.is_empty() || path.starts_with(['/', '?', '#'])).then_some(path)
}

/// Returns the part of an absolute path after a base path of the server; `None` for any other path.
fn segments_below_base(path: &str) -> Option<&str> {
    // The longest base comes first, because `/fhir` is also the beginning of `/fhir/r4`.
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
        // An encoded slash is part of the name, and the name of a file cannot contain a slash.
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

/// Parses `Binary/x`, with or without a version.
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

/// Returns the Binary at the end of the URL of another server.
fn binary_of(url: &str) -> Option<Target> {
    let reference = references::parse(url)?;
    (reference.resource_type == "Binary").then(|| Target::Binary(reference.id.to_owned()))
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// Returns whether a URL works without a base: it has a scheme and a host, or is a `data:` URL.
fn is_absolute(url: &str) -> bool {
    let host = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, host)| host);
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        || url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Returns whether a text is a URI with a scheme, such as a URN. `files/scan:1.png` is a relative path.
fn has_scheme(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Percent-decodes a text; `None` if the encoding is broken or the result is not UTF-8.
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
mod tests;
