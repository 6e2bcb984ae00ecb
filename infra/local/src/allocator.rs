//! Makes the system allocator return memory that is no longer used.
//!
//! glibc allocates large blocks directly from the operating system and returns them when they are freed. But each freed large block raises
//! the threshold for this, up to 32 MiB. After the first password hash (19 MiB), every later one is allocated from the heap of its thread,
//! which keeps the memory: 200 parallel sign-ins used 2.1 GB. The threshold is constant only if an environment variable sets it before the
//! program starts, as `template.yaml` does on AWS.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable of glibc, with the default of glibc as a constant value.
const THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// Restarts the program in the same process with a constant threshold. Returns if this is not necessary or not possible. If it is not
/// possible, the program uses more memory, and nothing else changes.
pub fn fix_threshold() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || settings::has_variable(THRESHOLD.0) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // `exec` returns only if it fails.
    let _ = command.args(arguments).env(THRESHOLD.0, THRESHOLD.1).exec();
}
