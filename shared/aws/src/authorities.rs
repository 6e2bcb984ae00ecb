//! The certificate authorities that a function trusts when it calls AWS.
//!
//! The endpoints of AWS in its standard and GovCloud regions have certificates of Amazon Trust Services
//! (amazontrust.com, "CA Certificates"). A function contains these five authorities, so that it does not read the
//! system's file of 140 certificates at its cold start, and trusts only these. The system's authorities are used if the
//! endpoint may have others: in other partitions, with another https endpoint, and if `SSL_CERT_FILE` or `SSL_CERT_DIR`
//! is set.

use aws_smithy_http_client::tls::TrustStore;

/// Amazon Root CA 1 to 4, and Starfield Services Root Certificate Authority - G2.
const AMAZON: &str = include_str!("authorities.pem");

/// The prefixes of regions whose endpoints may have other authorities: China, the isolated regions, the European
/// Sovereign Cloud.
const OTHER_PARTITIONS: [&str; 3] = ["cn-", "us-iso", "eusc-"];

/// Returns the trusted authorities of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the variables of OpenSSL and of the SDK are not settings of this server"
)]
pub(super) fn of_function() -> TrustStore {
    match needs_system_authorities(|name| std::env::var(name).ok()) {
        true => TrustStore::default(),
        false => TrustStore::empty().with_pem_certificate(AMAZON.as_bytes()),
    }
}

fn needs_system_authorities(variable: impl Fn(&str) -> Option<String>) -> bool {
    let region = variable("AWS_REGION").unwrap_or_default();
    let endpoint = variable("AWS_ENDPOINT_URL").unwrap_or_default();
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| variable(name).is_some())
        || OTHER_PARTITIONS.iter().any(|partition| region.starts_with(partition))
        || endpoint.starts_with("https:")
}

#[cfg(test)]
mod tests;
