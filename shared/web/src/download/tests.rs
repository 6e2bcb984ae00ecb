use super::*;

fn range(spec: &str, size: u64) -> Result<Option<Range<u64>>> {
    let request = FileRequest {
        is_head: false,
        range: Some(HeaderValue::from_str(spec).expect("a header")),
        if_range: None,
        if_none_match: IfNoneMatch::of(&HeaderMap::new()),
        takes_gzip: false,
    };
    requested_range(&request, &HeaderValue::from_static("\"e\""), size)
}

#[test]
fn only_clients_that_accept_gzip_get_it() {
    for (accepted, expected) in [
        (None, false),
        (Some(""), false),
        (Some("gzip"), true),
        (Some("GZip"), true),
        (Some("x-gzip"), true),
        (Some("br, gzip;q=0.8"), true),
        (Some("br"), false),
        (Some("gzip;q=0"), false),
        (Some("gzip; q=0.000"), false),
        (Some("gzip;q=nonsense"), false),
        (Some("*"), true),
        (Some("*;q=0"), false),
        (Some("*;q=0, gzip"), true),
        (Some("gzip;q=0, *"), false),
        (Some("identity;q=0, gzip;q=0.1"), true),
        (Some("identity;q=0"), false),
        (Some("identity, gzip;q=0.5"), false),
        (Some("identity;q=0.5, gzip"), true),
    ] {
        let headers = accepted.map(|accepted| (ACCEPT_ENCODING, HeaderValue::from_static(accepted)));
        assert_eq!(takes_gzip(&HeaderMap::from_iter(headers)), expected, "{accepted:?}");
    }
}

#[test]
fn ranges_follow_the_rfc() {
    for (spec, expected) in [
        ("bytes=0-4", Some(0..5)),
        ("bytes=5-", Some(5..10)),
        ("bytes=-3", Some(7..10)),
        ("bytes=-30", Some(0..10)),
        ("bytes=8-100", Some(8..10)),
        ("bytes=0-18446744073709551615", Some(0..10)),
        ("bytes=4-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-4", None),
        ("bytes=x-", None),
        ("bytes=-", None),
        ("bytes=+1-2", None),
        ("bytes=0- 1", None),
        ("bytes=-99999999999999999999", Some(0..10)),
        ("bytes=2-99999999999999999999", Some(2..10)),
    ] {
        assert_eq!(range(spec, 10).expect(spec), expected, "{spec}");
    }
    assert!(matches!(range("bytes=10-", 10), Err(Error::RangeNotSatisfiable { size: 10 })));
    assert!(range("bytes=-0", 10).is_err());
    assert!(range("bytes=0-", 0).is_err());
}
