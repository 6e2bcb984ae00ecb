//! The permitted callers as security requirements of OpenAPI.

use serde_json::{Value, json};
use web::routes::Access;

pub(super) fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::SignIn | Access::AppRedirect => json!([]),
        Access::Owner => json!([{ "patient": [] }, { "system": [] }]),
        Access::OwnerOrSigned => json!([{ "patient": [] }, { "system": [] }, {}]),
        Access::OwnerOrStaff => json!([{ "patient": [] }, { "system": [] }, { "staffCookie": [] }]),
        Access::FormFiller => {
            json!([{ "patient": [] }, { "system": [] }, { "patientCookie": [] }, { "staffCookie": [] }, {}])
        }
        // Some dialects permit patients a bulk export of their records.
        Access::Client => json!([{ "system": [] }, { "patient": [] }]),
        Access::Staff => json!([{ "staffToken": [] }, { "staffCookie": [] }]),
        Access::StaffPage => json!([{ "staffCookie": [] }]),
        Access::PatientPage => json!([{ "patientCookie": [] }, {}]),
        Access::OAuth => json!([{ "clientSecret": [] }, { "patient": [] }, { "system": [] }, {}]),
        Access::OAuthBearer => json!([{ "patient": [] }]),
    }
}

pub(super) fn security_schemes() -> Value {
    let scopes = |name: &str, text: &str| json!({ (name): text });
    json!({
        "patient": { "type": "oauth2", "description": "SMART App Launch", "flows": { "authorizationCode": {
            "authorizationUrl": "/auth/authorize", "tokenUrl": "/auth/token", "refreshUrl": "/auth/token",
            "scopes": scopes("patient/$ehi-export", "Export the patient's record"),
        } } },
        "system": { "type": "oauth2", "description": "SMART Backend Services", "flows": { "clientCredentials": {
            "tokenUrl": "/auth/token", "scopes": scopes("system/*.rs", "Export the records of many patients"),
        } } },
        "staffToken": { "type": "http", "scheme": "bearer", "description": "A token of a trusted issuer with the role ADMIN" },
        "staffCookie": { "type": "apiKey", "in": "cookie", "name": "sid" },
        "patientCookie": { "type": "apiKey", "in": "cookie", "name": "patient" },
        "clientSecret": { "type": "http", "scheme": "basic", "description": "A client can also authenticate with an assertion, or with a secret in the form (RFC 6749, 2.3)" },
    })
}
