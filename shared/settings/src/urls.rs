//! Checks of URLs.

use url::Url;

/// The first segments of the paths of all routes, also of those of a sandbox.
pub const FIRST_SEGMENTS: [&str; 16] = [
    ".well-known",
    "4_0_0",
    "admin",
    "assets",
    "auth",
    "authorize-app",
    "auto-approve",
    "fhir",
    "format",
    "jobs",
    "my",
    "no-form",
    "openapi.json",
    "patient-login",
    "patient-logout",
    "staff",
];

/// Returns whether the host of a URL is a loopback address or `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns the problem of a base URL, with what to do; `None` if there is none.
pub(super) fn problem_of_base_url(base_url: &str) -> Option<&'static str> {
    let parsed = Url::parse(base_url).ok();
    let usable = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    let Some(url) = usable else { return Some("must be an absolute http or https URL") };
    let first = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    // The server removes the path of the base URL from a request, also if a proxy has already removed it.
    if FIRST_SEGMENTS.contains(&first) {
        return Some(
            "has a path that begins like the path of a route, such as /fhir, so that requests could not be told apart behind a \
             proxy that removes the path: choose another path, such as /ehi, or none",
        );
    }
    (url.scheme() == "http" && !is_loopback(&url)).then_some(
        "must be an https URL, because passwords, tokens and records would be sent unencrypted: put a proxy that terminates TLS \
         in front of the server, and set the https URL of the proxy. Only on loopback, such as http://127.0.0.1:8888, is http \
         accepted",
    )
}

/// Returns the origin of an http or https URL as browsers send it: scheme, host, and the port if it is not the default
/// one.
pub fn origin_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
}
