//! Tests of the built-in authorities, and a TLS handshake on loopback with a server that none of them has certified.
//!
//! The trust of a process depends on its environment variables. So each handshake runs in a new process of this test
//! program, with [`call_in_a_new_process`] as its only test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_secretsmanager::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, Stream};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::sdk::http_client;

/// The SHA-256 of each certificate, as Amazon publishes it.
const PUBLISHED: [&str; 5] = [
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
];

#[test]
fn the_five_authorities_of_amazon_are_built_in() {
    let fingerprint = |certificate: CertificateDer<'_>| -> Vec<String> {
        digest(&SHA256, &certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let carried: Vec<String> = CertificateDer::pem_slice_iter(AMAZON.as_bytes())
        .map(|certificate| fingerprint(certificate.expect("a certificate")).concat())
        .collect();
    assert_eq!(carried, PUBLISHED);
}

#[test]
fn system_authorities_are_used_if_the_endpoint_may_have_others() {
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
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(needs_system_authorities(variable), expected, "{set:?}");
    }
}

/// 2026-03-01T12:00:00Z, the time of all tests.
const NOW: i64 = 1_772_366_400;

#[test]
fn the_five_certificates_are_authorities_and_valid_for_years() {
    for certificate in CertificateDer::pem_slice_iter(AMAZON.as_bytes()) {
        let certificate = certificate.expect("a certificate");
        let (rest, parsed) = X509Certificate::from_der(&certificate).expect("X.509");
        let subject = parsed.subject().to_string();
        assert!(rest.is_empty(), "{subject}");
        assert!(parsed.is_ca(), "{subject}");
        assert_eq!(parsed.subject(), parsed.issuer(), "{subject} is a root");
        let usage = parsed.key_usage().expect("readable").expect("a usage");
        assert!(usage.value.key_cert_sign(), "{subject}");
        let validity = parsed.validity();
        assert!(validity.not_before.timestamp() < NOW, "{subject}");
        let years = (validity.not_after.timestamp() - NOW) / (365 * 24 * 3_600);
        assert!(years >= 5, "{subject} expires in {years} years");
    }
}

/// Returns an authority that only the test trusts.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// Serves TLS on loopback with a certificate of an authority, until the process ends. It responds like Secrets Manager
/// without the secret.
fn serve(authority: &CertifiedIssuer<'static, KeyPair>) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate with its key");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut session = ServerConnection::new(config.clone()).expect("a session");
            let mut stream = Stream::new(&mut session, &mut connection);
            // The handshake fails for a client that does not trust the server.
            if stream.read(&mut [0; 16 * 1024]).is_ok() {
                let body = r#"{"__type":"ResourceNotFoundException"}"#;
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close";
                let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        }
    });
    address
}

/// Returns the output of a process that calls the server. With `trusted`, it trusts the certificates of that file.
fn called(server: SocketAddr, trusted: Option<&Path>) -> String {
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "--nocapture", "authorities::tests::call_in_a_new_process"]);
    child.env(SERVER, format!("https://localhost:{}", server.port()));
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_ENDPOINT_URL", "AWS_REGION"] {
        child.env_remove(name);
    }
    if let Some(file) = trusted {
        child.env("SSL_CERT_FILE", file);
    }
    let output = child.output().expect("the process runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The server that the process calls.
const SERVER: &str = "EHI_TEST_TLS_SERVER";

/// Not a test by itself: [`called`] runs it.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
async fn call_in_a_new_process() {
    let Some(server) = std::env::var_os(SERVER) else { return };
    let sdk = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "key", "secret", None, None, "test",
        )))
        .endpoint_url(server.to_string_lossy())
        .http_client(http_client(of_function()))
        .build();
    let client = aws_sdk_secretsmanager::Client::new(&sdk);
    let error = client.get_secret_value().secret_id("none").send().await.expect_err("no secret");
    match error.as_service_error() {
        Some(error) if error.is_resource_not_found_exception() => println!("TRUSTED"),
        _ => println!("REFUSED {}", DisplayErrorContext(&error)),
    }
}

#[test]
fn a_server_is_trusted_only_if_its_authority_is() {
    let (ours, other) = (authority("The authority of the test"), authority("Another authority"));
    let server = serve(&ours);
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, authority: &CertifiedIssuer<'static, KeyPair>| {
        let path = directory.path().join(name);
        std::fs::write(&path, authority.pem()).expect("written");
        path
    };
    let (ours, other) = (file("ours.pem", &ours), file("other.pem", &other));
    for (trusted, expected) in [(None, "REFUSED"), (Some(&ours), "TRUSTED"), (Some(&other), "REFUSED")] {
        let said = called(server, trusted.map(std::path::PathBuf::as_path));
        assert!(said.contains(expected), "{trusted:?}: {said}");
        // The call did not fail for another reason, such as a missing server.
        assert_eq!(said.contains("UnknownIssuer"), expected == "REFUSED", "{trusted:?}: {said}");
    }
}
