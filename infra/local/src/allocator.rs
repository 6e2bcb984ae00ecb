//! Keeps the system allocator from holding memory that was used once.
//!
//! glibc serves large blocks from the operating system and gives them back, but each large block that is freed raises the
//! size from which it does so, up to 32 MiB. After the first password hash (19 MiB) every later one comes from a heap
//! of its thread, which keeps it: 200 parallel log-ins then held 2.1 GB. The threshold stays where it is only when
//! a variable says so before the program starts, as `template.yaml` does on AWS.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc's own default, as a fixed value.
const THRESHOLD: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// Starts the program again, in the same process, with the threshold fixed. Returns where that is not needed or
/// not possible: then memory is held longer, and nothing else changes.
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
    // Returns only when it failed.
    let _ = command.args(arguments).env(THRESHOLD.0, THRESHOLD.1).exec();
}
