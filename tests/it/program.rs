//! The `ehi` program, run as a process of its own.

mod bulk;
mod exports;
mod failures;
mod service;
mod state;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::house::root;

/// Returns a command for the program, built like these tests.
pub(crate) fn ehi() -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        // An example makes cargo choose the features of dependencies as it does for tests. Without it, nearly all crates would be compiled
        // a second time.
        build.args(["build", "--quiet", "--workspace", "--all-features"]);
        build.args(["--bin", "ehi", "--example", "hello"]).current_dir(root());
        assert!(build.status().expect("cargo").success(), "the program builds");
        let test = std::env::current_exe().expect("this test");
        test.ancestors().nth(2).expect("the target directory").join("ehi")
    });
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

pub(crate) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that is stopped with the test.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) base: String,
    /// The log of the server. It arrives when the process has ended, which closes its end of the pipe.
    log: Receiver<String>,
}

impl Served {
    fn start(state: &Path) -> Self {
        Self::start_with(state, &[])
    }

    fn start_with(state: &Path, more: &[&str]) -> Self {
        Self::start_as(ehi(), state, more)
    }

    /// Starts a server; `command` is the program, or a command that starts it.
    pub(crate) fn start_as(mut command: Command, state: &Path, more: &[&str]) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(state).args(more);
        command.stderr(Stdio::piped());
        if command.get_envs().all(|(name, _)| name != "EHI_LOG") {
            command.env("EHI_LOG", "trace,hyper=off,hyper_util=off");
        }
        let mut child = command.spawn().expect("started");
        let mut greeting = BufReader::new(child.stderr.take().expect("piped")).lines();
        let line = greeting
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with("The export server is at"))
            .expect("a greeting");
        let base = line.split_whitespace().last().expect("an address").to_owned();
        // The output must be read, because a full pipe blocks the program.
        let (logged, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            logged.send(greeting.map_while(Result::ok).collect::<Vec<_>>().join("\n"))
        });
        Self { child, base, log }
    }

    /// Stops the server with SIGTERM; returns its log if it exited successfully.
    pub(crate) fn stop(mut self) -> Option<String> {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill is there").success());
        let Ok(log) = self.log.recv_timeout(Duration::from_mins(1)) else {
            let _ = self.child.kill();
            return None;
        };
        self.child.wait().expect("a child").success().then_some(log)
    }
}
