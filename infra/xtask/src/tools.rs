//! Tools that the commands need beyond Rust: installed below `target/`, or named where they are missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{cargo, root, run};

/// The versions that are installed where there is none.
const VERSIONS: [(&str, &str); 2] = [("cargo-deny", "0.20.2"), ("cargo-machete", "0.9.2")];

/// A cargo tool from the path, or installed from crates.io into `target/tools`.
pub(crate) fn cargo_tool(name: &str) -> Result<PathBuf, String> {
    if answers(name, "--version") {
        return Ok(PathBuf::from(name));
    }
    let directory = root().join("target/tools");
    let installed = directory.join("bin").join(name);
    if !installed.exists() {
        let version = VERSIONS.iter().find(|(tool, _)| *tool == name).map_or("*", |(_, version)| version);
        let mut install = cargo(&["install", "--locked", "--quiet", name, "--version", version, "--root"]);
        install.arg(&directory);
        run(install)?;
    }
    Ok(installed)
}

/// SQLite and the cryptography are built from C.
pub(crate) fn c_compiler() -> Result<(), String> {
    let known = ["cc", "gcc", "clang"].into_iter().any(|compiler| answers(compiler, "--version"));
    if known {
        Ok(())
    } else {
        Err("a C compiler is missing: install gcc (Debian: apt-get install gcc)".to_owned())
    }
}

fn answers(program: &str, argument: &str) -> bool {
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
