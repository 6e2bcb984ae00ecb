//! The AWS SAM command line, which builds the functions in the same way as users do.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{SAM, python_tool};
use crate::{root, run};

/// The build mode of the functions.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// A quick build, for tests.
    Debug,
    /// An optimized build, for deployments and measurements.
    Release,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The architecture of this machine, with its name in the template.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// Returns the `sam` command. Its path includes cargo-lambda and a Python with zig.
pub(crate) fn sam() -> Result<Command, String> {
    let program = python_tool(SAM, "sam")?;
    let own = program.parent().map(Path::to_owned).into_iter();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(own.chain(std::env::split_paths(&inherited)));
    let mut sam = Command::new(program);
    sam.env("PATH", path.map_err(|error| format!("PATH: {error}"))?)
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    Ok(sam)
}

/// Builds all functions for this machine with `sam build`. Returns the path of the template in the output directory.
pub(crate) fn build(mode: Mode) -> Result<PathBuf, String> {
    let directory = root().join("target/sam").join(mode.name());
    let mut build = sam()?;
    build.args(["build", "--build-dir"]).arg(&directory);
    build.arg("--parameter-overrides").arg(format!("Architecture={ARCHITECTURE}"));
    if matches!(mode, Mode::Debug) {
        build.env("SAM_BUILD_MODE", "debug");
        // This reduces the size for zipping and unpacking to a third. A panic still has its line number.
        build.env("CARGO_PROFILE_DEV_DEBUG", "none").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    }
    run(build)?;
    Ok(directory.join("template.yaml"))
}
