//! A directory in memory for the temporary files of the tests. On a disk, most tests would wait for writes to become durable, although no
//! file of a test outlives it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system in memory of Linux. Containers often have one that is too small.
const MEMORY: &str = "/dev/shm";
/// The free space that the tests need, in MiB.
const NEEDED: u64 = 4_096;
/// The beginning of the directory's name; the id of the process follows.
const PREFIX: &str = "ehi-tests-";

/// The directory. It is removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates the directory, and removes those of runs that were killed. Returns `None` if the machine has no such file system, or not
    /// enough space in it: then the tests use the usual directory for temporary files.
    pub(crate) fn new() -> Option<Self> {
        let memory = Path::new(MEMORY);
        if !memory.is_dir() || free()? < NEEDED {
            return None;
        }
        for entry in std::fs::read_dir(memory).ok()?.flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another user may own it.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let own = memory.join(format!("{PREFIX}{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&own).ok()?;
        Some(Self(own))
    }

    /// Lets a command create its temporary files in the directory.
    pub(crate) fn point(&self, command: &mut Command) {
        command.env("TMPDIR", &self.0);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the free space, in MiB.
fn free() -> Option<u64> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1M", MEMORY]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().nth(1)?.trim().parse().ok()
}
