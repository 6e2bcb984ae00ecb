//! The settings without a settings file: a sandbox with a public client, a backend service and two members of staff. Every start generates
//! a new key and new passwords.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto::OsRandom;
use domain::clock::Random;
use domain::ids::PatientId;
use include_dir::{Dir, include_dir};
use security::passwords;
use settings::Settings;
use storage::layout::PATIENTS;
use tempfile::TempDir;

use crate::Failure;
use crate::service_key::ServiceKey;

/// The client that the sandbox registers, with the options that SMART's ehi-app needs.
pub const TEST_CLIENT: &str = "test_client_id";
/// The backend service that the sandbox registers, for bulk exports.
pub const BULK_CLIENT: &str = "bulk-client";
/// The redirect URI of the sandbox's own client.
pub const TEST_REDIRECT: &str = "http://127.0.0.1/callback";

/// User names and passwords.
pub type Passwords = Vec<(&'static str, String)>;

/// Settings; for those of the sandbox, also its passwords and its key.
pub struct Defaults {
    pub settings: Settings,
    pub passwords: Passwords,
    /// The key of the backend service [`BULK_CLIENT`].
    pub service_key: Option<ServiceKey>,
}

/// Reads the settings of a file, or those of the sandbox. Environment variables override both.
pub fn settings(file: Option<&Path>, base_url: &str) -> Result<Defaults, Failure> {
    if file.is_some() {
        let settings = Settings::load(file, "", Some(base_url))?;
        return Ok(Defaults { settings, passwords: Vec::new(), service_key: None });
    }
    let (text, passwords, key) = sandbox_settings()?;
    let settings = Settings::load(None, &text, Some(base_url))?;
    Ok(Defaults { settings, passwords, service_key: Some(key) })
}

/// Returns the settings file of a sandbox, the passwords of its staff, and the key of its backend service.
pub fn sandbox_settings() -> Result<(String, Passwords, ServiceKey), Failure> {
    let mut passwords = Vec::new();
    let key = ServiceKey::generate()?;
    let mut text = sandbox(&rsa_key()?);
    let _ = writeln!(
        text,
        "[[clients]]\nid = \"{BULK_CLIENT}\"\nscopes = \"system/*.rs\"\njwks = '''{}'''",
        key.public_set()
    );
    for username in ["admin", "admin2"] {
        let password = OsRandom.secret()[..16].to_owned();
        let hash = passwords::hash(&password, &OsRandom)?;
        let _ = writeln!(text, "[[staff]]\nusername = \"{username}\"\npassword_hash = \"{hash}\"");
        passwords.push((username, password));
    }
    Ok((text, passwords, key))
}

/// Returns a new RSA key in PEM, which signs ID tokens.
fn rsa_key() -> Result<String, Failure> {
    let wrong = |_| Failure::new("no RSA key could be generated");
    let der = RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| pair.as_der()).map_err(wrong)?;
    let text = STANDARD.encode(der.as_ref());
    let mut lines = vec!["-----BEGIN PRIVATE KEY-----"];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = more;
    }
    lines.push("-----END PRIVATE KEY-----");
    Ok(lines.join("\n"))
}

fn sandbox(rsa_key: &str) -> String {
    // ehi-app has a numbered redirect URI for each institution. The sandbox registers the first five.
    let callbacks = ["localhost", "127.0.0.1"].map(|host| {
        let of_institution = |id: u32| format!("    \"http://{host}/api/institutions/{id}/redirect\",\n");
        format!("    \"http://{host}/callback\",\n") + &(1..=5).map(of_institution).collect::<String>()
    });
    format!(
        "sandbox = true
staff_origins = [\"http://localhost:3000\", \"http://127.0.0.1:3000\"]
rsa_keys = ['''
{rsa_key}
''']
[[clients]]
id = \"{TEST_CLIENT}\"
name = \"The sandbox's test app\"
scopes = \"launch/patient offline_access online_access openid fhirUser profile patient/$ehi-export patient/*.rs\"
link_style = \"bare\"
one_document_per_file = true
varying_redirect_query = true
refresh_tokens = \"reusable\"
redirect_uris = [
{}]
",
        callbacks.concat()
    )
}

/// The sample patients, which are compiled into the program.
static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sample");

/// The records directory: a named one, or a temporary one with the sample patients, which is removed when this value is dropped.
#[derive(Debug)]
pub struct Records {
    directory: PathBuf,
    _sample: Option<TempDir>,
}

impl Records {
    pub fn open(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(directory) = named {
            return Ok(Self { directory: directory.to_owned(), _sample: None });
        }
        let sample = tempfile::Builder::new().prefix("ehi-sample-").tempdir()?;
        SAMPLE.extract(sample.path()).map_err(|error| Failure::of_path(sample.path(), &error))?;
        Ok(Self { directory: sample.path().to_owned(), _sample: Some(sample) })
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Returns the id of an existing patient, for a hint. In a large directory only the first entries are read.
    pub fn some_patient(&self) -> Option<String> {
        let entries = std::fs::read_dir(self.directory.join(PATIENTS)).ok()?;
        let names =
            entries.take(MAX_CONSIDERED).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| PatientId::parse(name).is_ok()).min()
    }
}

/// The maximum number of directory entries that are read for a hint.
const MAX_CONSIDERED: usize = 1_000;

/// Returns the directory of the sample patients in the source tree. Only tests and benchmarks read it, because the program
/// has its own copy.
pub fn sample_records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample")
}
