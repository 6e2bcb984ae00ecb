//! Security advisories about the dependencies. `cargo deny` checks them if their database can be fetched.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{root, run};

/// The time in which the database must be fetched.
const PATIENCE: Duration = Duration::from_mins(1);

/// Checks the dependencies for advisories. If their database cannot be fetched, prints why, and succeeds.
pub(crate) fn check(deny: &Path) -> Result<(), String> {
    let mut fetch = Command::new(deny);
    fetch.args(["fetch", "db"]).current_dir(root());
    if let Err(reason) = finish(fetch, PATIENCE) {
        eprintln!(
            "SKIPPED: security advisories were not checked. Their database cannot be fetched: {reason}"
        );
        return Ok(());
    }
    let mut check = Command::new(deny);
    check.args(["--all-features", "--config", ".deny.toml", "check", "--disable-fetch", "advisories"]);
    run(check)
}

/// Runs a command, and kills it if it does not end in time.
fn finish(mut command: Command, limit: Duration) -> Result<(), String> {
    let begun = Instant::now();
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("{name}: {error}"))?;
    loop {
        match child.try_wait().map_err(|error| format!("{name}: {error}"))? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{name}: {status}")),
            None if begun.elapsed() >= limit => {
                let killed = child.kill().and_then(|()| child.wait());
                killed.map_err(|error| format!("{name}: {error}"))?;
                return Err(format!("{name} did not end within {} seconds", limit.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_cannot_be_fetched_fails_no_check() {
        // `false` is a program that fails, like `cargo deny` without a network.
        assert_eq!(check(Path::new("false")), Ok(()));
        assert_eq!(check(Path::new("/no/such/program")), Ok(()));
    }

    #[test]
    fn advisories_fail_the_check() {
        // Fetches without an error, and then finds something.
        let directory = std::env::temp_dir().join(format!("advisories-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let program = directory.join("deny");
        std::fs::write(&program, "#!/bin/sh\n[ \"$1\" = fetch ]\n").expect("written");
        let mut allow = Command::new("chmod");
        allow.arg("+x").arg(&program);
        run(allow).expect("executable");
        let found = check(&program);
        std::fs::remove_dir_all(&directory).expect("removed");
        assert!(found.is_err_and(|problem| problem.contains("advisories")));
    }

    #[test]
    fn a_command_that_does_not_end_is_killed() {
        let mut endless = Command::new("tail");
        endless.args(["-f", "/dev/null"]);
        let ended = finish(endless, Duration::ZERO);
        assert_eq!(ended, Err("tail did not end within 0 seconds".to_owned()));
    }
}
