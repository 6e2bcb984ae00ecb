use super::*;

fn expected(resource_type: Option<&str>, count: Option<u64>) -> Expected {
    Expected {
        url: "https://server.example/files/1".parse().expect("a URL"),
        kind: Kind::Resources { resource_type: resource_type.map(str::to_owned) },
        count,
        size: None,
        sha256: None,
        sha1: None,
        with_token: false,
        position: None,
    }
}

fn verified(text: &[u8], expected: &Expected) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, text).expect("written");
    verify(&path, expected).map_err(|failure| failure.to_string())
}

#[test]
fn lines_are_counted_also_across_blocks_and_without_an_end() {
    let long = format!("{}\n{}", "a".repeat(300_000), "b".repeat(300_000));
    for (text, count) in
        [("", 0), ("\n \r\n\t\n", 0), ("a", 1), ("a\n", 1), ("a\r\n\r\nb\r\n", 2), (long.as_str(), 2)]
    {
        assert_eq!(verified(text.as_bytes(), &expected(None, Some(count))), Ok(()), "{count}");
        let wrong = verified(text.as_bytes(), &expected(None, Some(count + 1)));
        let sentence = format!("it has {count} lines, but {} according to the manifest", count + 1);
        assert_eq!(wrong, Err(sentence));
    }
}

#[test]
fn a_binary_resource_is_not_a_file_of_another_type() {
    let binary = "{ \"id\": \"1\", \"resourceType\" : \"Binary\", \"data\": \"e30=\" }";
    let sent = |text: &str, resource_type| verified(text.as_bytes(), &expected(resource_type, None));
    assert!(sent(binary, Some("Patient")).is_err_and(|text| text.contains("a Binary resource instead of")));
    assert_eq!(sent(binary, Some("Binary")), Ok(()));
    assert_eq!(sent(binary, None), Ok(()));
    let contained =
        "{\"contained\":[{\"resourceType\":\"Binary\"}],\"id\":\"1\",\"resourceType\":\"Media\"}\n";
    assert_eq!(sent(contained, Some("Media")), Ok(()));
    assert_eq!(sent("{\"resourceType\":\"Media\"}\n", Some("Media")), Ok(()));
}
