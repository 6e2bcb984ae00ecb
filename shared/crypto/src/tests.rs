use super::*;

#[test]
fn unsupported_keys_are_ignored() {
    let set =
        key_set(br#"{"keys":[{"kid":7},{"kty":"AKP","kid":"new"},{"kty":"oct","k":"AAAA","kid":"old"}]}"#);
    assert!(set.is_some_and(|set| set.find("old").is_some()));
    for text in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(key_set(text.as_bytes()).is_none(), "{text}");
    }
}
