use super::*;

fn found(text: &[u8]) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let mut take = |line: u64, what: Found<'_>| {
        let shown = match what {
            Found::Resource { text, full_url } => {
                format!("{}{}", full_url.unwrap_or_default(), String::from_utf8_lossy(text))
            }
            Found::Deleted(name) => format!("- {name}"),
            Found::Unusable(reason) => format!("! {reason}"),
        };
        found.push((line, shown));
        Ok(())
    };
    objects(text, &mut take).expect("read");
    found
}

#[test]
fn bundles_are_read_entry_by_entry_however_they_are_printed() {
    let pretty = br#"{
  "resourceType" : "Bundle",
  "type": "collection", "link": [ { "relation": "self" } ],
  "entry": [
    {
      "fullUrl": "urn:uuid:1",
      "resource": { "resourceType": "Patient", "id": "a b\"]}", "n": 1.50, "l": [ ], "t": true }
    }, { "request": { "method": "DELETE" } },
    { "resource": { "resourceType": "Claim" } }
  ]
}
{ "resourceType": "List", "id": "l", "entry": [ { "item": {} } ] }"#;
    let found = found(pretty);
    assert_eq!(
        found,
        [
            (5, "urn:uuid:1{\"resourceType\":\"Patient\",\"id\":\"a b\\\"]}\",\"n\":1.50,\"l\":[],\"t\":true}".to_owned()),
            (8, "- an entry that does not name the resource".to_owned()),
            (9, "{\"resourceType\":\"Claim\"}".to_owned()),
            (1, "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"link\":[{\"relation\":\"self\"}],\"entry\":[]}".to_owned()),
            (12, "{\"resourceType\":\"List\",\"id\":\"l\",\"entry\":[{\"item\":{}}]}".to_owned()),
        ]
    );
}

#[test]
fn each_damaged_entry_before_the_type_is_reported() {
    let text =
        br#"{"entry":[{},{"resource":{"resourceType":"Claim","id":"1","id":"2"}},{"resource":{"a":1,"a":2}},
            {"resource":{"resourceType":"Claim","id":"3"}}],"resourceType":"Bundle"}"#;
    let texts: Vec<_> = found(text).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0].starts_with("! entry 2:") && texts[1].starts_with("! entry 3:"), "{texts:?}");
    assert!(texts[2].contains("\"3\"") && texts[3].contains("Bundle"), "{texts:?}");
}

#[test]
fn a_fault_is_reported_at_its_own_line() {
    let text = b"{\"resourceType\":\"Bundle\",\"entry\":[\n{\"resource\":{\"resourceType\":\"Claim\",\n\"id\":\"1\"}},\n{\"resource\":{\n\"resourceType\":\"Claim\",\n\"id\":tru}},\n{\"resource\":{\"resourceType\":\"Claim\",\"id\":\"3\"}}]}";
    let faults: Vec<_> = found(text).into_iter().filter(|(_, text)| text.starts_with('!')).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].0 == 6 && faults[0].1.contains("entry 2:"), "{faults:?}");
}

#[test]
fn a_truncated_bundle_is_reported_at_its_last_line() {
    let found = found(
        b"{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Claim\"}},\n{\"resou",
    );
    let texts: Vec<_> = found.iter().map(|(line, text)| (*line, text.starts_with('!'))).collect();
    assert_eq!(texts, [(1, false), (2, true)]);
}

#[test]
fn a_deletion_is_named_by_its_url_or_its_resource() {
    for (entry, expected) in [
        (r#"{"request":{"method":"DELETE","url":"Claim/1"}}"#, "- Claim/1"),
        (r#"{"request":{"url":" /Claim/1","method":"delete"}}"#, "- Claim/1"),
        (
            r#"{"request":{"method":"Delete","url":"https:\/\/h\/fhir\/Claim\/1"},"fullUrl":"urn:uuid:1"}"#,
            "- Claim/1",
        ),
        (
            r#"{"request":{"method":"DELETE","url":"Claim/1"},"resource":{"resourceType":"Claim","id":"2"}}"#,
            "- Claim/1",
        ),
        (
            r#"{"request":{"method":"DELETE","url":""},"resource":{"resourceType":"Claim","id":"2"}}"#,
            "- Claim/2",
        ),
        (r#"{"request":{"method":"DELETE"},"fullUrl":"https://h/fhir/Claim/3"}"#, "- Claim/3"),
        (
            r#"{"request":{"method":"DELETE","url":"Claim?identifier=https://h/Claim/4"}}"#,
            "- Claim?identifier=https://h/Claim/4",
        ),
        (r#"{"request":{"method":"DELETE","url":"Claim/1/_history/2"}}"#, "- Claim/1/_history/2"),
        (r#"{"request":{"method":"DELETE","url":7}}"#, "- an entry that does not name the resource"),
    ] {
        let text = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{entry}]}}"#);
        assert_eq!(found(text.as_bytes())[0], (1, expected.to_owned()), "{entry}");
        let mut names = Vec::new();
        let mut take = |found: Found<'_>| {
            if let Found::Deleted(name) = found {
                names.push(format!("- {name}"));
            }
            Ok(())
        };
        entries(&plainly(text.as_bytes()), &mut take).expect("read");
        assert_eq!(names, [expected], "{entry}");
    }
    let long = format!(
        r#"{{"resourceType":"Bundle","entry":[{{"request":{{"method":"DELETE","url":"Claim?x={}"}}}}]}}"#,
        "y".repeat(10_000)
    );
    assert!(found(long.as_bytes())[0].1.len() < 300);
    let kept = br#"{"resourceType":"Bundle","entry":[{"request":{"method":"GET","url":"Claim/1"}},{"request":{"method":"PUT","url":"Claim/1"},"resource":{"a":1}}]}"#;
    assert_eq!(found(kept)[0], (1, r#"{"a":1}"#.to_owned()));
}
