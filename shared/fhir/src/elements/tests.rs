use serde_json::Value;

use super::*;
use crate::head::{Plain, head_and_members};
use crate::mandatory::MANDATORY;

fn subset_of(line: &str, requested: &[&str]) -> Value {
    let plain = &mut Plain::default();
    let (head, members) = head_and_members(line.as_bytes(), plain).expect("a resource");
    let mut written = Vec::new();
    subset(head.text, head.resource_type, &members, requested, &mut written);
    serde_json::from_slice(&written).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&written)))
}

#[test]
fn tables_are_sorted() {
    assert!(MANDATORY.is_sorted_by_key(|(name, _)| name));
    assert!(CHOICES.is_sorted());
}

#[test]
fn requested_and_mandatory_elements_are_kept_and_others_are_removed() {
    let line = r#"{"resourceType":"Observation","id":"1","meta":{"versionId":"3"},"text":{"div":"x"},"status":"final","code":{"text":"y"},"valueQuantity":{"value":16942.30},"valuePeriodically":1,"effectiveDateTime":"2024","_effectiveDateTime":{"id":"e"},"issued":"z"}"#;
    let value = subset_of(line, &["value", "effective[x]"]);
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "_effectiveDateTime",
            "code",
            "effectiveDateTime",
            "id",
            "meta",
            "resourceType",
            "status",
            "valueQuantity"
        ]
    );
    assert_eq!(value["meta"]["tag"][0]["code"], "SUBSETTED");
    assert_eq!(value["meta"]["versionId"], "3");
    let plain = &mut Plain::default();
    let (_, members) = head_and_members(line.as_bytes(), plain).expect("a resource");
    let mut written = Vec::new();
    subset(line.as_bytes(), "Observation", &members, &["value"], &mut written);
    assert!(String::from_utf8_lossy(&written).contains("16942.30"), "digits stay");
}
