//! A directory in memory for the temporary files of the tests. On a disk, most tests would wait for writes to become durable, although no
//! file of a test outlives it.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system in memory of Linux. Containers often have one that is too small.
const MEMORY: &str = "/dev/shm";
/// The space that one run of the tests needs, in MiB.
const NEEDED: u64 = 4_096;
/// The beginning of the directory's name; the id of the process follows.
const PREFIX: &str = "ehi-tests-";
/// The end of the name of the lock file. A run keeps this file locked while it uses the directory of the same name.
const LOCK: &str = ".lock";

/// The directory. It is removed at the end.
pub(crate) struct Scratch {
    directory: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Creates the directory, and removes those of runs that were killed. Returns `None`, and prints why, if the machine has no such file
    /// system, if it has not enough space, or if programs cannot be executed there: then the tests use the usual directory for temporary
    /// files.
    pub(crate) fn new() -> Option<Self> {
        let made = Self::below(Path::new(MEMORY));
        if let Err(reason) = &made {
            eprintln!("The tests write their temporary files to the disk, which is slower: {reason}");
        }
        made.ok()
    }

    fn below(memory: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", memory.display());
        let running = remove_abandoned(memory).map_err(told)?;
        if !is_executable(memory) {
            return Err(format!("programs in {} cannot be executed", memory.display()));
        }
        let needed = NEEDED * (running + 1);
        let free =
            free(memory).ok_or_else(|| format!("the free space of {} is unknown", memory.display()))?;
        if free < needed {
            return Err(format!("{} has {free} MiB, and the tests need {needed}", memory.display()));
        }
        let directory = memory.join(format!("{PREFIX}{}", std::process::id()));
        let lock_path = memory.join(format!("{PREFIX}{}{LOCK}", std::process::id()));
        let lock = File::create_new(&lock_path).map_err(told)?;
        lock.try_lock().map_err(|error| error.to_string())?;
        DirBuilder::new().mode(0o700).create(&directory).map_err(told)?;
        Ok(Self { directory, lock_path, _lock: lock })
    }

    /// Lets a command create its temporary files in the directory.
    pub(crate) fn point(&self, command: &mut Command) {
        command.env("TMPDIR", &self.directory);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Removes the directories of runs that have ended. Returns the number of the others.
fn remove_abandoned(memory: &Path) -> Result<u64, std::io::Error> {
    let mut running = 0;
    for entry in std::fs::read_dir(memory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(directory) = name.strip_suffix(LOCK).filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        match File::open(&path) {
            Ok(lock) if lock.try_lock().is_ok() => {
                let _ = std::fs::remove_dir_all(memory.join(directory));
                let _ = std::fs::remove_file(&path);
            }
            // It is in use, or another user owns it.
            _ => running += 1,
        }
    }
    Ok(running)
}

/// Returns whether the file system permits to execute programs: the examples of the documentation are compiled to temporary files.
fn is_executable(memory: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut options = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let at = words.next()?;
        (Path::new(at) == memory).then(|| words.nth(1)).flatten()
    });
    options.next_back().is_none_or(|options| options.split(',').all(|option| option != "noexec"))
}

/// Returns the free space, in MiB.
fn free(memory: &Path) -> Option<u64> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1M"]).arg(memory).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().nth(1)?.trim().parse().ok()
}
