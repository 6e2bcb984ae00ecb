//! The processes in which the emulator of `cargo xtask test` runs functions.

use std::path::Path;
use std::process::Command;

use crate::deployed::variable;

/// A running emulator.
#[derive(Debug, Clone)]
pub struct Emulator {
    /// A process that is an ancestor of all processes of the emulator.
    pub process: u32,
    pub port: u16,
}

/// A process that runs a function.
#[derive(Debug)]
pub struct Process {
    pub id: u32,
    emulator: Emulator,
}

impl Emulator {
    /// Returns the emulator of this run of the tests.
    pub fn of_tests() -> Self {
        let endpoint = variable("AWS_ENDPOINT_URL");
        let port = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { process: variable("EHI_TEST_EMULATOR").parse().expect("the id of a process"), port }
    }

    /// Returns the processes of the functions that use this table of jobs and whose names contain `function`.
    ///
    /// A process is only returned if this emulator started it: the emulator is among its ancestors, its program is in the directory that
    /// the emulator named after its own port, and its environment has the name of the function.
    pub fn processes(&self, function: &str, jobs_table: &str) -> Vec<Process> {
        let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let found = ids.filter(|id| self.has_started(*id) && runs(*id, function, jobs_table));
        found.map(|id| Process { id, emulator: self.clone() }).collect()
    }

    fn has_started(&self, id: u32) -> bool {
        let directory = format!("ministack-provided-code-{}", self.port);
        // The program is in a directory that has the hash of its code as its name.
        let is_there = |program: &Path| {
            program.file_name().is_some_and(|name| name == "bootstrap")
                && program
                    .ancestors()
                    .nth(2)
                    .and_then(Path::file_name)
                    .is_some_and(|name| *name == *directory)
        };
        std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|program| is_there(&program))
            && ancestors(id).any(|ancestor| ancestor == self.process)
    }
}

impl Process {
    /// Ends the process as if its machine had failed.
    pub fn kill(&self) {
        assert!(self.emulator.has_started(self.id), "process {} has already ended", self.id);
        let killed = Command::new("kill").args(["-KILL", &self.id.to_string()]).status();
        assert!(killed.expect("kill is there").success(), "process {} has already ended", self.id);
    }
}

/// Returns the parent of a process, its parent, and so on.
fn ancestors(id: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(parent(id), |id| parent(*id)).take_while(|id| *id > 1)
}

/// Returns the id of the parent of a process. In the file, the name of the program can have spaces and parentheses.
fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Returns whether a process runs a function with this table.
fn runs(id: u32, function: &str, jobs_table: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{id}/environ")) else { return false };
    let value = |name: &str| {
        let variables =
            environment.split(|byte| *byte == 0).filter_map(|variable| str::from_utf8(variable).ok());
        variables.filter_map(|variable| variable.split_once('=')).find(|(known, _)| *known == name)
    };
    value("EHI_JOBS_TABLE").is_some_and(|(_, table)| table == jobs_table)
        && value("AWS_LAMBDA_FUNCTION_NAME").is_some_and(|(_, name)| name.contains(function))
}
