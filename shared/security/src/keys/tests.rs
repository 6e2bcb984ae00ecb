use super::*;

#[test]
fn a_seed_always_gives_the_same_keys_and_the_set_has_both_keys_during_a_rotation() {
    let seed = |text: &str| StoredKeys::from_seed(&text.repeat(40)).expect("keys");
    let (old, new) = (Keys::new(&seed("a")).expect("keys"), Keys::new(&seed("b")).expect("keys"));
    assert_eq!(old.jwks(), Keys::new(&seed("a")).expect("keys").jwks());
    let rotating = Keys::rotating(&seed("a"), &seed("b")).expect("keys");
    assert_eq!(rotating.jwks()["keys"], json!([old.jwks()["keys"][0], new.jwks()["keys"][0]]));
    let job = JobId::parse("01a1fb95-ab0a-7a46-aeea-001492bd7651").expect("an id");
    for code in [old.form_code(&job), new.form_code(&job)] {
        assert!(rotating.is_form_code(&job, &code));
    }
    assert!(!old.is_form_code(&job, &new.form_code(&job)));
    assert!(StoredKeys::from_seed("short").is_err());
}

#[test]
fn a_sealed_text_is_read_only_by_this_server_and_for_the_same_purpose() {
    let seed = |text: &str| StoredKeys::from_seed(&text.repeat(40)).expect("keys");
    let (old, new) = (Keys::new(&seed("a")).expect("keys"), Keys::new(&seed("b")).expect("keys"));
    let rotating = Keys::rotating(&seed("b"), &seed("a")).expect("keys");
    let random = contract::SeededRandom::new(1);
    let sealed = old.seal("a list", "hidden", &random).expect("a sealed text");
    assert_ne!(old.seal("a list", "hidden", &random).expect("a sealed text"), sealed);
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).expect("base64url");
    assert!(!bytes.windows(6).any(|window| window == b"hidden"));
    for keys in [&old, &rotating] {
        assert_eq!(keys.unsealed("a list", &sealed).as_deref(), Some("hidden"));
        assert_eq!(keys.unsealed("another list", &sealed), None);
    }
    assert_eq!(new.unsealed("a list", &sealed), None);
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        assert_eq!(old.unsealed("a list", &URL_SAFE_NO_PAD.encode(changed)), None, "{position}");
        assert_eq!(old.unsealed("a list", &URL_SAFE_NO_PAD.encode(&bytes[..position])), None);
    }
    assert_eq!(old.unsealed("a list", "hidden"), None);
}
