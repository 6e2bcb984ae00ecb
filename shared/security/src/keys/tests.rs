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
