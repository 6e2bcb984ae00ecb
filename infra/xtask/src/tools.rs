//! Tools that the commands need in addition to Rust. A missing tool is installed below `target/`, or is an error with its name.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{cargo, root, run};

/// The versions that are installed if a tool is missing.
const VERSIONS: [(&str, &str); 3] =
    [("cargo-deny", "0.20.2"), ("cargo-fuzz", "0.13.2"), ("cargo-machete", "0.9.2")];

/// Tools from PyPI. Each set has a separate environment, because the sets need different versions of libraries.
#[derive(Clone, Copy)]
pub(crate) struct PythonTools {
    name: &'static str,
    /// The content of a requirements file of pip.
    packages: &'static str,
}

/// The emulator of AWS. The version is pinned to the tested one, because the emulator changes quickly.
pub(crate) const MINISTACK: PythonTools = PythonTools {
    name: "ministack",
    packages: "ministack==1.5.33\nboto3==1.43.106\ncryptography==50.0.2\naws-sam-translator==1.115.0\n",
};
/// The tools that users install before they build or deploy (`infra/docs/aws.md`).
pub(crate) const SAM: PythonTools =
    PythonTools { name: "sam", packages: include_str!("../../sam-requirements.txt") };
pub(crate) const AWS: PythonTools = PythonTools { name: "aws", packages: "awscli==1.46.2\n" };

/// Finds misspelt words.
pub(crate) const TYPOS: PythonTools = PythonTools { name: "typos", packages: "typos==1.52.0\n" };

/// Checks the OpenAPI document.
pub(crate) const OPENAPI: PythonTools =
    PythonTools { name: "openapi", packages: "openapi-spec-validator==0.9.0\n" };

/// Models of FHIR R4 that are generated from its definitions.
pub(crate) const FHIRCLIENT: PythonTools =
    PythonTools { name: "fhirclient", packages: "fhirclient==4.3.0\n" };

/// Returns the path of a cargo tool. A missing tool is installed from crates.io into `target/tools`.
pub(crate) fn cargo_tool(name: &str) -> Result<PathBuf, String> {
    if responds(name, "--version") {
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

/// Returns the path of a program from a set of PyPI tools. A missing set is installed into `target/tools`.
pub(crate) fn python_tool(tools: PythonTools, program: &str) -> Result<PathBuf, String> {
    let directory = root().join("target/tools").join(tools.name);
    // The marker is written last, so that an interrupted installation starts again.
    let installed = directory.join("installed");
    if std::fs::read_to_string(&installed).unwrap_or_default() != tools.packages {
        if !responds("python3", "--version") {
            return Err("Python 3 is missing: install python3 and python3-venv".to_owned());
        }
        let mut create = Command::new("python3");
        create.args(["-m", "venv", "--clear"]).arg(&directory);
        run(create).map_err(|problem| format!("{problem}: is python3-venv installed?"))?;
        let requirements = directory.join("requirements.txt");
        std::fs::write(&requirements, tools.packages).map_err(|error| error.to_string())?;
        let mut install = Command::new(directory.join("bin/pip"));
        install
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements);
        run(install)?;
        std::fs::rename(&requirements, &installed).map_err(|error| error.to_string())?;
    }
    Ok(directory.join("bin").join(program))
}

/// Returns the directory of the npm packages of a lock file, which contains their hashes. Missing packages are installed into
/// `target/tools`, without running their scripts.
pub(crate) fn node_package(name: &str, (manifest, lock): (&str, &str)) -> Result<PathBuf, String> {
    let directory = root().join("target/tools").join(name);
    // The marker is written last, so that an interrupted installation starts again.
    let installed = directory.join("installed");
    if std::fs::read_to_string(&installed).unwrap_or_default() != lock {
        let write = |file: &str, text: &str| std::fs::write(directory.join(file), text);
        std::fs::create_dir_all(&directory)
            .and_then(|()| write("package.json", manifest))
            .and_then(|()| write("package-lock.json", lock))
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(&directory);
        run(install)?;
        write("installed", lock).map_err(|error| error.to_string())?;
    }
    Ok(directory.join("node_modules"))
}

/// Checks for a C compiler, because SQLite and the cryptography are built from C.
pub(crate) fn c_compiler() -> Result<(), String> {
    let known = ["cc", "gcc", "clang"].into_iter().any(|compiler| responds(compiler, "--version"));
    if known {
        Ok(())
    } else {
        Err("a C compiler is missing: install gcc (Debian: apt-get install gcc)".to_owned())
    }
}

/// Returns whether this process may install system packages.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    cfg!(target_os = "linux") && id.is_ok_and(|id| String::from_utf8_lossy(&id.stdout).trim() == "0")
}

pub(crate) fn responds(program: &str, argument: &str) -> bool {
    let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
