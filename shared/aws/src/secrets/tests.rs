use aws_sdk_secretsmanager::primitives::DateTime;

use super::*;

fn secret(text: &str, version: &str, created: i64) -> GetSecretValueOutput {
    GetSecretValueOutput::builder()
        .secret_string(text)
        .version_id(version)
        .created_date(DateTime::from_secs(created))
        .build()
}

fn stored(settings: &str) -> Stored {
    let current = secret(&"b".repeat(40), "two", 1_000);
    let previous = Some(secret(&"a".repeat(40), "one", 0));
    Stored { signing: Some(Signing { current, previous }), settings: secret(settings, "set", 0) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

#[test]
fn a_new_key_signs_when_every_process_has_read_it() {
    let stored = stored("");
    let first = |now: i64| {
        let keys = stored.keys(at(now)).expect("keys").expect("the secret is there");
        assert_eq!(keys.jwks()["keys"].as_array().map(Vec::len), Some(2));
        keys.jwks()["keys"][0]["kid"].clone()
    };
    let kid_of = |letter: &str| {
        let seed = StoredKeys::from_seed(&letter.repeat(40)).expect("keys");
        Keys::new(&seed).expect("keys").jwks()["keys"][0]["kid"].clone()
    };
    assert_eq!(first(1_599), kid_of("a"), "other processes may not have read the new key yet");
    assert_eq!(first(1_600), kid_of("b"));
    let versions = [1_000, 1_599, 1_600, 9_000].map(|now| stored.version(at(now)));
    assert!(versions[0] == versions[1] && versions[1] != versions[2] && versions[2] == versions[3]);
}

#[test]
fn a_function_without_the_signing_secret_has_no_keys() {
    let stored = Stored { signing: None, ..stored("") };
    assert!(stored.keys(at(0)).expect("no secret is read").is_none());
    assert_eq!(stored.version(at(0)), stored.version(at(9_000)), "no key begins to sign");
}

#[test]
fn a_secret_with_only_comments_is_refused() {
    for text in ["", "  \n", "# clients, staff, accounts and issuers: see the README\n", "\n  # a\n#b"] {
        let error = stored(text).settings().expect_err(text).to_string();
        assert!(error.contains("put the settings file") && !error.contains('\n'), "{error}");
    }
}
