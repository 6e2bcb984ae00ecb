use super::*;

#[test]
fn the_path_of_the_base_url_is_removed() {
    for (prefix, path, expected) in [
        ("/ehi", "/ehi/fhir/metadata?x=1", "/fhir/metadata?x=1"),
        ("/ehi", "/ehi", "/"),
        ("/ehi", "/ehi?x", "/?x"),
        ("/ehi", "/ehix/fhir", "/ehix/fhir"),
        ("/ehi", "/fhir/Patient/a/%24ehi-export", "/fhir/Patient/a/$ehi-export"),
        ("/a/b", "/a/b/fhir/%24export", "/fhir/$export"),
        ("", "/fhir/metadata", "/fhir/metadata"),
    ] {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        normalize(&mut request, prefix);
        assert_eq!(request.uri().to_string(), expected, "{path}");
    }
}

#[test]
fn programs_and_browsers_are_told_apart_by_accept() {
    for (accept, wanted) in [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Wanted::Page),
        ("application/fhir+json", Wanted::Json),
        ("application/json, text/plain, */*", Wanted::Json),
        ("text/html, application/fhir+json", Wanted::Usual),
        ("*/*", Wanted::Usual),
        ("", Wanted::Usual),
    ] {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(Wanted::of(&headers, "/fhir/metadata"), wanted, "{accept}");
        assert_eq!(Wanted::of(&headers, "/auth/authorize"), wanted, "{accept}");
        let of_client = if wanted == Wanted::Page { Wanted::Page } else { Wanted::OAuth };
        assert_eq!(Wanted::of(&headers, "/auth/token"), of_client, "{accept}");
    }
}
