use super::*;

fn reader(uri: &str, cookie: &'static str, accept: &'static str) -> Reader {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_static(cookie));
    headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
    Reader::of(Arc::default(), &http::Method::GET, &uri.parse().expect("an address"), &headers)
}

#[test]
fn the_url_has_priority_over_the_cookie_and_the_cookie_over_the_browser() {
    for (uri, cookie, accept, language) in [
        ("/?lang=es", "lang=en", "en", "es"),
        ("/?lang=fr", "sid=x; lang=es", "en", "es"),
        ("/", "", "es-MX, en;q=0.5", "es"),
        ("/", "lang=fr", "fr", "en"),
        ("/?language=es", "slang=es", "", "en"),
    ] {
        assert_eq!(reader(uri, cookie, accept).language.tag(), language, "{uri} {cookie} {accept}");
    }
}

#[test]
fn the_link_to_the_same_page_has_neither_language_nor_code() {
    for (uri, here) in [
        ("/", "/"),
        ("/?lang=es", "/"),
        ("/jobs/1/customize?code=secret&step=topics&lang=es", "/jobs/1/customize?step=topics"),
        ("/patient-login?next=/jobs/1%3Fa%3Db", "/patient-login?next=%2Fjobs%2F1%3Fa%3Db"),
    ] {
        assert_eq!(reader(uri, "", "").here.as_deref(), Some(here), "{uri}");
    }
    let posted = Reader::of(Arc::default(), &http::Method::POST, &Uri::from_static("/x"), &HeaderMap::new());
    assert_eq!((posted.here, posted.address.as_str()), (None, "/x"));
}

#[test]
fn a_page_loads_its_own_files_and_nothing_else() {
    let policy = Site::default().policy(None).expect("a header");
    let policy = policy.to_str().expect("text");
    assert!(
        policy.contains("style-src http://localhost/assets/; script-src http://localhost/assets/"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
    let policy = Site::default().policy(Some("https://app.example.org")).expect("a header");
    assert!(
        policy.to_str().is_ok_and(|policy| policy.contains("form-action 'self' https://app.example.org;"))
    );
}
