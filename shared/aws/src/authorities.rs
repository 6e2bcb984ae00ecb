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
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    /// SHA-256 of each certificate, as Amazon publishes them.
    const PUBLISHED: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];

    #[test]
    fn amazons_five_authorities_are_carried() {
        let fingerprint = |certificate: CertificateDer<'_>| -> Vec<String> {
            digest(&SHA256, &certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let carried: Vec<String> = CertificateDer::pem_slice_iter(AMAZON.as_bytes())
            .map(|certificate| fingerprint(certificate.expect("a certificate")).concat())
            .collect();
        assert_eq!(carried, PUBLISHED);
    }

    #[test]
    fn the_systems_authorities_count_where_the_endpoint_may_have_others() {
        let cases = [
            (vec![("AWS_REGION", "us-east-1")], false),
            (vec![("AWS_REGION", "us-gov-west-1")], false),
            (vec![("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")], false),
            (vec![("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", "https://s3.example.org")], true),
            (vec![("AWS_REGION", "cn-north-1")], true),
            (vec![("AWS_REGION", "us-isob-east-1")], true),
            (vec![("AWS_REGION", "eusc-de-east-1")], true),
            (vec![("SSL_CERT_FILE", "/opt/proxy.pem")], true),
            (vec![("SSL_CERT_DIR", "/opt/certificates")], true),
        ];
        for (set, expected) in cases {
            let variable = |name: &str| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(needs_the_systems(variable), expected, "{set:?}");
        }
    }
}
