//! The settings of the World.

use contract::SeededRandom;

use crate::{ANNA, BASE_URL, PASSWORD, service};

/// Returns the settings of the World: a sandbox with several clients, a staff account and a patient account. `more` is added before the
/// first table.
pub fn settings(more: &str) -> String {
    [
        ("@BASE_URL@", BASE_URL),
        ("@ANNA@", ANNA),
        ("@HASH@", &hash(PASSWORD)),
        ("@JWKS@", &service::jwks().to_string()),
        ("@RSA_KEY@", &service::rsa_key_pem()),
        ("@MORE@", more),
    ]
    .into_iter()
    .fold(include_str!("world.toml").to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Returns an argon2 hash; it is computed once for all tests.
fn hash(password: &str) -> String {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| security::passwords::hash(password, &SeededRandom::new(1)).expect("a hash")).clone()
}
