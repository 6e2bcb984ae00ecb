//! The settings of the World.

use contract::SeededRandom;

use crate::{ANNA, BASE_URL, PASSWORD, service};

/// Returns the settings of the World: a sandbox with several clients, a staff account and a patient account. `more` is added before the
/// first table.
#[allow(
    clippy::too_many_lines,
    reason = "the text of a file, which clippy does not count after the first `/*`"
)]
pub fn settings(more: &str) -> String {
    let hash = hash(PASSWORD);
    format!(
        "base_url = \"{BASE_URL}\"
{more}
staff_origins = [\"http://localhost:3000\"]
rsa_keys = ['''{rsa_key}''']
[[staff]]
username = \"admin\"
password_hash = \"{hash}\"
[[accounts]]
username = \"anna\"
password_hash = \"{hash}\"
patient = \"{ANNA}\"
[[clients]]
id = \"app\"
name = \"The test app\"
scopes = \"launch/patient offline_access openid fhirUser profile patient/$ehi-export patient/*.rs\"
redirect_uris = [\"https://app.example.org/callback\"]
[[clients]]
id = \"other-app\"
scopes = \"offline_access patient/$ehi-export patient/*.rs\"
link_style = \"bare\"
one_document_per_file = true
large_files = \"refuse\"
redirect_uris = [\"https://other.example.org/callback\"]
[[clients]]
id = \"confidential\"
scopes = \"offline_access patient/$ehi-export\"
redirect_uris = [\"https://confidential.example.org/callback\"]
secret_hash = \"{hash}\"
[[clients]]
id = \"lasting-app\"
scopes = \"offline_access patient/$ehi-export patient/*.rs\"
redirect_uris = [\"https://lasting.example.org/callback\"]
refresh_tokens = \"reusable\"
varying_redirect_query = true
state_optional = true
[[clients]]
id = \"inlining-app\"
scopes = \"offline_access patient/$ehi-export\"
redirect_uris = [\"https://confidential.example.org/callback\"]
inline_attachments_bytes = 100
[[clients]]
id = \"inlining-service\"
scopes = \"system/*.rs\"
jwks = '''{jwks}'''
inline_attachments_bytes = 100
[[clients]]
id = \"signed-app\"
scopes = \"launch/patient offline_access openid fhirUser patient/$ehi-export patient/*.rs\"
redirect_uris = [\"https://signed.example.org/callback\"]
jwks = '''{jwks}'''
id_token_alg = \"ES256\"
[[clients]]
id = \"resource-server\"
scopes = \"system/Patient.r\"
introspects = true
secret_hash = \"{hash}\"
[[clients]]
id = \"team-service\"
scopes = \"system/*.rs system/$ehi-export access/open.read\"
jwks = '''{jwks}'''
[[clients]]
id = \"service\"
scopes = \"system/*.rs access/*.*\"
jwks = '''{jwks}'''
max_running_exports = 100
[[clients]]
id = \"other-service\"
scopes = \"system/Patient.rs system/Observation.rs?category=laboratory\"
jwks = '''{jwks}'''
stu4 = true
since_dates = true
[[clients]]
id = \"direct-service\"
scopes = \"system/*.read\"
jwks = '''{jwks}'''
signed_urls = true
max_running_exports = 3
",
        jwks = service::jwks(),
        rsa_key = service::rsa_key_pem(),
    )
}

/// Returns an argon2 hash; it is computed once for all tests.
fn hash(password: &str) -> String {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| security::passwords::hash(password, &SeededRandom::new(1)).expect("a hash")).clone()
}
