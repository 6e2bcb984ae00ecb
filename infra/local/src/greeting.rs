//! The text that a server prints when it has started: its addresses, and commands to try. It contains only commands that work with this
//! server.

use std::path::Path;

use settings::Settings;

use crate::defaults::TEST_CLIENT;

/// The values that the text contains.
pub struct Started<'s> {
    pub settings: &'s Settings,
    /// The user names and passwords that this start generated.
    pub passwords: &'s [(&'static str, String)],
    pub state: &'s Path,
    /// The file with the private key of the sandbox's backend service, if this start generated one.
    pub service_key: Option<&'s Path>,
    /// The id of an existing patient.
    pub patient: Option<&'s str>,
    /// The name by which this program was called.
    pub program: &'s str,
}

/// Returns the lines to print.
pub fn greeting(started: &Started<'_>) -> String {
    let base = &started.settings.base_url;
    let mut lines = vec![
        format!("The export server is at {base}"),
        format!("  FHIR base      {base}/fhir (also /4_0_0 and /fhir/r4)"),
        format!("  staff          {base}/staff"),
    ];
    for (username, password) in started.passwords {
        lines.push(format!("                 user {username}, password {password}"));
    }
    lines.push(format!("  state          {} (delete it to remove all jobs)", started.state.display()));
    if started.settings.sandbox {
        lines.push("  sandbox        patients are picked instead of signing in".to_owned());
    }
    let hints = hints(started);
    if !hints.is_empty() {
        lines.push(String::new());
        lines.push("Try it from another terminal:".to_owned());
        lines.extend(hints);
    }
    lines.join("\n")
}

/// Returns commands that work with this server.
fn hints(started: &Started<'_>) -> Vec<String> {
    let Started { settings, program, .. } = started;
    let base = &settings.base_url;
    let mut hints = Vec::new();
    if let Some(patient) =
        started.patient.filter(|_| settings.sandbox && settings.client(TEST_CLIENT).is_some())
    {
        hints.push(format!(
            "  {program} export --patient {patient} --server {base}/fhir --auto-approve --out out-{patient}"
        ));
    }
    if let Some(key) = started.service_key {
        let key = key.display();
        hints.push(format!("  {program} export --bulk --server {base}/fhir --key {key} --out out-all"));
    }
    hints
}

#[cfg(test)]
mod tests;
