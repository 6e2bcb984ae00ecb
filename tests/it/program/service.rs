//! A registered service: its key, its registration in the settings, and its token.

use serde_json::{Value, json};

use super::{Served, ehi, printed, run};

#[test]
fn a_registered_service_gets_its_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let (config, key) = (directory.path().join("settings.toml"), directory.path().join("key.json"));
    let add = |id: &str, more: &[&str]| {
        let mut command = ehi();
        command.args(["client", "add", "--scopes", "system/Patient.rs", "--id", id, "--config"]).arg(&config);
        run(command.args(more))
    };
    let added = add("registry", &["--make-key", key.to_str().expect("a path")]);
    assert!(added.status.success(), "{}", printed(&added));
    let before = std::fs::read_to_string(&config).expect("settings");
    // Other clients look for the key that signs, and servers for the key that verifies.
    let private = std::fs::read_to_string(&key).expect("a key");
    let private: Value = serde_json::from_str(&private).expect("a JWK");
    assert_eq!((&private["key_ops"], private["d"].is_string()), (&json!(["sign"]), true));
    assert!(before.contains(r#"\"key_ops\":[\"verify\"]"#) && !before.contains(r#"\"d\":"#), "{before}");
    for (id, more) in
        [("registry", &[][..]), ("other", &["--jwks-url", "http://example.org/jwks"]), ("no spaces", &[])]
    {
        assert!(!add(id, more).status.success(), "{id} {more:?}");
        assert_eq!(std::fs::read_to_string(&config).expect("settings"), before, "nothing is written");
    }
    let useless = add("useless", &[]);
    assert!(printed(&useless).contains("the client could not get a token"), "{}", printed(&useless));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).expect("a key").permissions());
    assert_eq!(mode & 0o777, 0o600, "the key is for its owner only");
    let state = tempfile::tempdir().expect("a directory");
    let server = Served::start_with(state.path(), &["--config", config.to_str().expect("a path")]);
    let base = format!("{}/fhir", server.base);
    let token = |id: &str| {
        let mut command = ehi();
        command.args(["client", "token", "--id", id, "--scope", "system/*.rs", "--server", &base, "--key"]);
        run(command.arg(&key))
    };
    let token_of = token("registry");
    assert!(token_of.status.success(), "{}", printed(&token_of));
    assert_eq!(String::from_utf8_lossy(&token_of.stdout).split('.').count(), 3);
    assert!(!token("somebody").status.success());
    assert!(server.stop().is_some(), "the server exits successfully");
}
