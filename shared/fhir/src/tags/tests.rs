use serde_json::Value;

use super::*;
use crate::head::{Plain, head_and_members};

#[test]
fn a_tag_is_added_to_the_tags_of_the_resource() {
    for (line, tags) in [
        (r#"{"resourceType":"Patient","id":"1"}"#, 1),
        (r#" { "meta" : { } , "resourceType":"Patient","id":"1"}"#, 1),
        (r#"{"meta":{"tag":[]},"resourceType":"Patient"}"#, 1),
        (r#"{"meta":null,"resourceType":"Patient"}"#, 1),
        (r#"{"meta":{"tag":null,"source":"s"},"resourceType":"Patient"}"#, 1),
        (r#"{"meta":{"source":"s","tag":{"code":"a"}},"resourceType":"Patient"}"#, 2),
        (r#"{"meta":{"tag":[{"code":"a"},{"code":"b"}],"source":"s"},"resourceType":"Patient"}"#, 3),
    ] {
        let mut plain = Plain::default();
        let (_, members) = head_and_members(line.as_bytes(), &mut plain).expect("a resource");
        let tagged = tagged(line.as_bytes(), &members, r#"{"code":"new"}"#);
        let value: Value = serde_json::from_slice(&tagged).expect("JSON");
        assert_eq!(value["meta"]["tag"].as_array().expect("tags").len(), tags, "{line}");
        assert_eq!(value["meta"]["tag"][0]["code"], "new");
    }
}
