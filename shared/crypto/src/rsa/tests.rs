use super::*;

#[test]
fn a_text_that_is_not_an_rsa_key_is_named_by_its_number() {
    let wrong = ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"];
    for pem in wrong {
        let error = RsaKey::all([pem].into_iter()).map(|_| ()).expect_err("no key").to_string();
        assert!(error.contains("number 1") && error.contains("openssl"), "{error}");
    }
}
