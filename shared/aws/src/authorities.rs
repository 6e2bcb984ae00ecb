//! The certificate authorities that a function trusts when it calls AWS.
//!
//! The endpoints of AWS in its standard and GovCloud regions have certificates of Amazon Trust Services (amazontrust.com,
//! "CA Certificates"). A function that carries these five does not read the system's file of 140 certificates at its cold
//! start, and its calls to AWS trust nobody else. The system's authorities count where that may be wrong: in other
//! partitions, with an endpoint of one's own over https, and where `SSL_CERT_FILE` or `SSL_CERT_DIR` names some.

use aws_smithy_http_client::tls::TrustStore;

/// Amazon Root CA 1 to 4, and Starfield Services Root Certificate Authority - G2.
const AMAZON: &str = include_str!("authorities.pem");

/// How the regions begin whose endpoints may have other authorities: China, the isolated ones, the European Sovereign
/// Cloud.
const OTHER_PARTITIONS: [&str; 3] = ["cn-", "us-iso", "eusc-"];

/// The authorities for this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the variables of OpenSSL and of the SDK are no settings of ours"
)]
pub(super) fn of_function() -> TrustStore {
    match needs_the_systems(|name| std::env::var(name).ok()) {
        true => TrustStore::default(),
        false => TrustStore::empty().with_pem_certificate(AMAZON.as_bytes()),
    }
}

fn needs_the_systems(variable: impl Fn(&str) -> Option<String>) -> bool {
    let region = variable("AWS_REGION").unwrap_or_default();
    let endpoint = variable("AWS_ENDPOINT_URL").unwrap_or_default();
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| variable(name).is_some())
        || OTHER_PARTITIONS.iter().any(|partition| region.starts_with(partition))
        || endpoint.starts_with("https:")
}

#[cfg(test)]
mod tests;
