//! The settings of a machine that was given none: a sandbox with a public client and two members of staff
//! whose passwords are made anew at every start.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use shared::clock::{Ids, SystemIds};
use shared::config::Settings;
use shared::security::passwords;

use crate::Failure;

/// The client that the sandbox registers, with the options that SMART's ehi-app needs.
pub const TEST_CLIENT: &str = "test_client_id";
/// Where the sandbox's own client gets its codes.
pub const TEST_REDIRECT: &str = "http://127.0.0.1/callback";

/// User names and passwords.
pub type Passwords = Vec<(&'static str, String)>;

/// Settings, and the passwords that go with them when they are the defaults.
pub struct Defaults {
    pub settings: Settings,
    pub passwords: Passwords,
}

/// Reads the settings of a file, or the sandbox's; the environment goes over either.
pub fn settings(file: Option<&Path>, base_url: &str) -> Result<Defaults, Failure> {
    if file.is_some() {
        return Ok(Defaults { settings: Settings::load(file, "", Some(base_url))?, passwords: Vec::new() });
    }
    let (text, passwords) = sandbox_settings()?;
    Ok(Defaults { settings: Settings::load(None, &text, Some(base_url))?, passwords })
}

/// The settings file of a sandbox, and the passwords of its staff.
pub fn sandbox_settings() -> Result<(String, Passwords), Failure> {
    let mut passwords = Vec::new();
    let mut text = sandbox();
    for username in ["admin", "admin2"] {
        let password = SystemIds.secret()[..16].to_owned();
        let hash = passwords::hash(&password, &SystemIds)?;
        let _ = writeln!(text, "[[staff]]\nusername = \"{username}\"\npassword_hash = \"{hash}\"");
        passwords.push((username, password));
    }
    Ok((text, passwords))
}

fn sandbox() -> String {
    // ehi-app counts its institutions; the first few are enough to try it.
    let callbacks = ["localhost", "127.0.0.1"].map(|host| {
        let of_institution = |id: u32| format!("    \"http://{host}/api/institutions/{id}/redirect\",\n");
        format!("    \"http://{host}/callback\",\n") + &(1..=5).map(of_institution).collect::<String>()
    });
    format!(
        "sandbox = true
staff_origins = [\"http://localhost:3000\", \"http://127.0.0.1:3000\"]
[[clients]]
id = \"{TEST_CLIENT}\"
name = \"The sandbox's test app\"
scopes = \"launch/patient offline_access online_access openid fhirUser patient/$ehi-export patient/*.rs\"
link_style = \"bare\"
one_document_per_file = true
redirect_uris = [
{}]
",
        callbacks.concat()
    )
}

/// The patients that the project ships.
pub fn sample_records() -> PathBuf {
    let beside_the_source = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample");
    if beside_the_source.is_dir() { beside_the_source } else { PathBuf::from("infra/local/sample") }
}
