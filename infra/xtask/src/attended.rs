//! Child processes that end together with this process, and scripts that run at its end, even if this process is killed.

use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The shell starts the program and waits until a pipe is closed that only this process holds open. The kernel closes the pipe when this
/// process ends for any reason.
const SHELL: &str = r#"
trap : INT TERM HUP
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
{ read -r _ <&3; kill -TERM "$program"; } 2>/dev/null &
watcher=$!
code=0
while kill -0 "$program" 2>/dev/null; do wait "$program"; code=$?; done
kill "$watcher" 2>/dev/null
exit "$code"
"#;

/// The time in which a program must end after a signal.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Attended {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Attended {
    /// Starts a program with the environment and the directory of the command. Its output is written to `log`.
    pub(crate) fn start(program: Command, log: std::fs::File) -> Result<Self, String> {
        let name = program.get_program().to_string_lossy().into_owned();
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh"]).arg(program.get_program()).args(program.get_args());
        for (variable, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(variable, value),
                None => shell.env_remove(variable),
            };
        }
        if let Some(directory) = program.get_current_dir() {
            shell.current_dir(directory);
        }
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let shell = shell.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let mut shell = shell.spawn().map_err(|error| format!("{name}: {error}"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Returns the id of the process that is an ancestor of the program and of everything that the program starts.
    pub(crate) fn id(&self) -> u32 {
        self.shell.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Waits until the program ends.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        self.shell.wait().map(drop).map_err(|error| error.to_string())
    }
}

/// A shell script that runs when this process ends, or when this value is dropped.
pub(crate) struct AtEnd {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl AtEnd {
    /// Registers a script. `words` are its arguments `$1` and so on.
    pub(crate) fn start(
        script: &str,
        words: &[&str],
        environment: Option<(&str, String)>,
    ) -> Result<Self, String> {
        let waiting = format!("trap '' INT TERM HUP\nread -r _\n{script}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &waiting, "sh"]).args(words).envs(environment).stdin(Stdio::piped());
        let mut shell = shell.stdout(Stdio::null()).spawn().map_err(|error| format!("sh: {error}"))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Attended {
    /// Closes the pipe, so that the program gets a signal and can end its own children, and waits for its end.
    fn drop(&mut self) {
        drop(self.pipe.take());
        let begun = Instant::now();
        while !self.has_ended() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
