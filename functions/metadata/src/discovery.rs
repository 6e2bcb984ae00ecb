//! The discovery documents that clients read before they request tokens (SMART App Launch 2.2, conformance; OpenID Connect
//! Discovery 1.0).

use security::assertion;
use serde_json::{Value, json};
use settings::Settings;

const SCOPES: [&str; 10] = [
    "openid",
    "fhirUser",
    "profile",
    "launch/patient",
    "offline_access",
    "online_access",
    "patient/$ehi-export",
    "patient/*.rs",
    "patient/Patient.rs",
    "system/$ehi-export",
];

/// Scopes of bulk exports.
const BULK_SCOPES: [&str; 2] = ["system/*.rs", "system/*.read"];

const CAPABILITIES: [&str; 12] = [
    "launch-standalone",
    "context-standalone-patient",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-v1",
    "permission-v2",
    "authorize-post",
];

/// Returns the members that both documents have: the endpoints and the supported methods.
fn common(settings: &Settings, scopes: &[&str]) -> Value {
    let url = |path: &str| settings.url(path);
    json!({
        "issuer": settings.base_url,
        "jwks_uri": url("/.well-known/jwks.json"),
        "authorization_endpoint": url("/auth/authorize"),
        "token_endpoint": url("/auth/token"),
        "introspection_endpoint": url("/auth/introspect"),
        "revocation_endpoint": url("/auth/revoke"),
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": assertion::ALGORITHMS,
        "scopes_supported": scopes,
    })
}

/// Returns `.well-known/smart-configuration`. A shortcut of the sandbox has no bulk export, so the document omits its scopes.
pub(crate) fn smart(settings: &Settings, is_shortcut: bool) -> Value {
    let mut document = if is_shortcut {
        common(settings, &SCOPES)
    } else {
        common(settings, &[&SCOPES[..], &BULK_SCOPES].concat())
    };
    document["capabilities"] = json!(CAPABILITIES);
    document
}

/// Returns `.well-known/openid-configuration`.
pub(crate) fn openid(settings: &Settings) -> Value {
    let mut document = common(settings, &[&SCOPES[..], &BULK_SCOPES].concat());
    let algorithms = if settings.has_rsa_keys() { vec!["RS256", "ES256"] } else { vec!["ES256"] };
    document["userinfo_endpoint"] = json!(settings.url("/auth/userinfo"));
    document["response_modes_supported"] = json!(["query"]);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(algorithms);
    document["claims_supported"] =
        json!(["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"]);
    for absent in
        ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"]
    {
        document[absent] = json!(false);
    }
    document
}
