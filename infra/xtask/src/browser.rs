//! `cargo xtask browser`: finds or installs Chromium and axe-core, and runs the browser tests one after the other in one Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::attended::{AtEnd, Attended};
use crate::tools::{is_root, node_package, responds};
use crate::{cargo, root, run};

/// The advice if there is no Chromium and none can be installed.
const MISSING: &str = "Chromium or npm is missing: install both (Debian: apt-get install chromium npm), or run this command as root, \
    which installs them.";

/// The names of the program on different systems.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/// axe-core, which checks accessibility. npm compares its files with the hash in the lock file.
const AXE: (&str, &str) = (include_str!("../axe/package.json"), include_str!("../axe/package-lock.json"));

/// Removes a directory ($1). An ending Chromium may still write to it, so the script tries again.
const REMOVE: &str = r#"
tries=0
until rm -rf "$1" 2>/dev/null || [ "$tries" -gt 50 ]; do tries=$((tries + 1)); sleep 0.2; done
"#;

/// The time in which Chromium must start.
const PATIENCE: Duration = Duration::from_mins(1);

/// The module path of the browser tests.
pub(crate) const STORIES: &str = "browser::";

/// Runs the browser tests, or those whose names contain one of the arguments.
pub(crate) fn browser(arguments: &[String]) -> Result<(), String> {
    stories(&chromium()?, arguments)
}

/// Returns the path of Chromium. Root installs it if it is missing.
pub(crate) fn chromium() -> Result<PathBuf, String> {
    let found = || NAMES.into_iter().find(|name| responds(name, "--version")).map(PathBuf::from);
    let has_npm = || responds("npm", "--version");
    let missing: Vec<_> = [("chromium", found().is_none()), ("npm", !has_npm())]
        .into_iter()
        .filter_map(|(package, is_missing)| is_missing.then_some(package))
        .collect();
    if !missing.is_empty() && is_root() && responds("apt-get", "--version") {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--no-install-recommends"]).args(missing);
        run(install).map_err(|problem| format!("{problem}\n{MISSING}"))?;
    }
    found().filter(|_| has_npm()).ok_or_else(|| MISSING.to_owned())
}

/// Runs the browser tests in this Chromium.
pub(crate) fn stories(program: &Path, arguments: &[String]) -> Result<(), String> {
    let axe = node_package("axe", AXE)?.join("axe-core/axe.min.js");
    // The features are the same as in `cargo xtask test`, so that nothing is built twice.
    let tests = || cargo(&["test", "--workspace", "--all-features", "--locked", "--test", "it"]);
    let mut build = tests();
    build.arg("--no-run");
    run(build)?;
    let named = select(tests(), arguments)?;
    let mut command = tests();
    let running = Running::start(program)?;
    // The tests run one after the other, because Chromium with many pages at once is slow on a small machine.
    command.args(["--", "--ignored", "--test-threads", "1", "--exact"]).args(named);
    command.env("EHI_TEST_BROWSER", &running.address);
    command.env("EHI_TEST_AXE", axe);
    command.env("EHI_TEST_SCREENSHOTS", root().join("target/browser"));
    run(command)
}

/// Returns the names of all browser tests, or of those that contain one of the arguments. No name is an error, because nothing would be
/// tested.
fn select(mut tests: Command, arguments: &[String]) -> Result<Vec<String>, String> {
    tests.args(["--quiet", "--", "--ignored", "--list"]).current_dir(root());
    let output = tests.output().map_err(|error| format!("cargo: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_wanted =
        |name: &&str| arguments.is_empty() || arguments.iter().any(|part| name.contains(part.as_str()));
    let named: Vec<_> =
        names.filter(|name| name.starts_with(STORIES)).filter(is_wanted).map(str::to_owned).collect();
    if named.is_empty() {
        Err(format!("no browser test has a name with {}", arguments.join(" or ")))
    } else {
        Ok(named)
    }
}

/// A headless Chromium with a separate profile. The fields are dropped in their order: the program, and then its files.
struct Running {
    /// The WebSocket URL of the DevTools protocol.
    address: String,
    _program: Attended,
    _files: AtEnd,
}

impl Running {
    fn start(program: &Path) -> Result<Self, String> {
        let directory = root().join("target/browser");
        let profile = directory.join(format!("profile-{}", std::process::id()));
        std::fs::create_dir_all(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;
        let files = AtEnd::start(REMOVE, &[&profile.to_string_lossy()], None)?;
        let log = directory.join("chromium.log");
        let file = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut started = Attended::start(command(program, &profile), file)?;
        let begun = Instant::now();
        loop {
            // Chromium writes its port and its path to this file, one in each line.
            let written = std::fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
            if let Some((port, path)) = written.trim().split_once('\n') {
                let address = format!("ws://127.0.0.1:{port}{path}");
                return Ok(Self { address, _program: started, _files: files });
            }
            if started.has_ended() || begun.elapsed() > PATIENCE {
                return Err(format!("Chromium does not start; see {}", log.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn command(program: &Path, profile: &Path) -> Command {
    let mut chromium = Command::new(program);
    chromium.args([
        "--headless=new",
        "--remote-debugging-port=0",
        // No request may leave this machine.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--no-first-run",
        "--password-store=basic",
        // The pixels are the same on every machine, and little shared memory is needed.
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        // The tests can read the roles and names of elements as screen readers get them.
        "--enable-blink-features=ComputedAccessibilityInfo",
        "--lang=en-US",
    ]);
    // The sandbox of Chromium does not work for root.
    if is_root() {
        chromium.arg("--no-sandbox");
    }
    chromium.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
    chromium.env("HOME", profile);
    chromium
}
