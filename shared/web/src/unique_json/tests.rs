use super::*;

#[test]
fn members_are_unique_at_every_depth_and_in_every_spelling() {
    let text = r#"{"a":[1,-2,2.5,"x",null,true,{"b":{}}],"c":"\u00e9"}"#;
    let value = parse(text.as_bytes()).expect("JSON");
    assert_eq!(value, serde_json::from_str::<Value>(text).expect("JSON"));
    for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"b":2,"\u0061":3}}]"#] {
        let error = parse(text.as_bytes()).expect_err("twice").to_string();
        assert!(error.contains("'a' is given twice"), "{error}");
    }
    assert!(parse(b"{} {}").is_err() && parse(b"").is_err());
}
