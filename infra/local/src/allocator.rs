//! Makes the system allocator return memory that is no longer used.
//!
//! glibc gets large blocks from the operating system and returns them when they are freed. But each freed large block
//! raises the size from which glibc does so, up to 32 MiB. After the first password hash (19 MiB) every later one comes
//! from the heap of its thread, which keeps the memory: 200 parallel sign-ins then held 2.1 GB. The threshold is
//! constant only if an environment variable sets it before the program starts, as `template.yaml` does on AWS.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable of glibc, with the default of glibc as a constant value.
const THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// Starts the program again in the same process, with a constant threshold. Returns if that is not necessary or not
/// possible. If it is not possible, memory is held longer, and nothing else changes.
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
    // This returns only if it failed.
    let _ = command.args(arguments).env(THRESHOLD.0, THRESHOLD.1).exec();
}
