//! The shell blocks of the README and of `infra/docs`: each is run unchanged, or states why it is not run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::docs::pages;
use crate::house::root;
use crate::program::ehi;

/// The pages whose blocks are run in sequence, in a directory of a running or stopped server.
const RUN: [&str; 3] = ["infra/docs/walk.md", "infra/docs/bulk.md", "infra/docs/operate.md"];

/// The beginning of the line before a block that is not run; the reason follows it.
const NOT_RUN: &str = "<!-- not run by a test: ";

/// In these blocks `cargo run` is the program, built like the tests. A refused request ends the script.
const PRELUDE: &str = r#"
set -eu -o pipefail
cargo() { while [ "$1" != -- ]; do shift; done; shift; "$EHI" "$@"; }
curl() { command curl --fail-with-body "$@"; }
"#;

/// A shell block: the line before its fence, and its text.
struct Block<'t> {
    before: &'t str,
    text: &'t str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let parts = page.split("```sh\n").collect::<Vec<_>>();
    parts
        .windows(2)
        .map(|pair| Block {
            before: pair[0].trim_end().lines().last().unwrap_or_default(),
            text: pair[1].split("\n```").next().unwrap_or_default(),
        })
        .collect()
}

#[test]
fn every_shell_block_is_run_or_says_why_not() {
    let mut not_run = 0;
    for (path, text) in pages() {
        let name = path.strip_prefix(root()).expect("below the root").to_str().expect("a name").to_owned();
        for block in blocks(&text) {
            let has_reason = block.before.strip_prefix(NOT_RUN).is_some_and(|reason| reason.len() > 10);
            not_run += usize::from(has_reason);
            assert!(
                has_reason || RUN.contains(&name.as_str()),
                "{name} has a block that no test runs:\n{}",
                block.text
            );
        }
    }
    assert!(not_run > 3, "{not_run} blocks");
}

/// Returns the program and the subcommand: `aws s3 rm`, `sam delete`.
fn subcommand(command: &str) -> String {
    let words = if command.starts_with("aws ") { 3 } else { 2 };
    command.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_of_aws_and_sam_is_run_by_a_test_or_listed_as_not_tested() {
    let page = crate::docs::page("aws.md");
    let (before, not_tested) = page.split_once("## What was not tested").expect("the section");
    let in_blocks = blocks(before).into_iter().flat_map(|block| block.text.lines());
    let inline = before.split('`').skip(1).step_by(2);
    let commands =
        in_blocks.chain(inline).filter(|code| code.starts_with("aws ") || code.starts_with("sam "));
    let commands: std::collections::BTreeSet<_> = commands.map(subcommand).collect();
    assert!(commands.len() > 6, "{commands:?}");
    for command in commands {
        // `cargo xtask sam-local` runs it.
        let is_run = command == "sam local";
        assert!(is_run || not_tested.contains(&format!("`{command}")), "{command} is not listed");
    }
}

/// The server of `cargo run --release`, started in a directory of its own.
struct Server {
    child: Child,
    base: String,
    password: String,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut command = ehi();
        command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(directory).stderr(Stdio::piped());
        let mut child = command.env("EHI_LOG", "off").spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let mut value_behind = |mark: &str| {
            let line = lines.by_ref().find(|line| line.contains(mark)).expect("a greeting");
            line.split(mark).nth(1).expect("a value").trim().to_owned()
        };
        let base = value_behind("The export server is at");
        let password = value_behind("user admin, password");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base, password }
    }
}

impl Server {
    /// Stops the server with SIGTERM, like an operator does.
    fn stop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the blocks of a page that are run, for this server.
fn scripts(page: &str, server: &Server) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page");
    let blocks = blocks(&text);
    let run = blocks.iter().filter(|block| !block.before.starts_with(NOT_RUN));
    run.map(|block| block.text.replace("http://127.0.0.1:8888", &server.base)).collect()
}

/// Runs the blocks of a page in the directory of a server; returns their output.
fn run(page: &str, directory: &Path, server: &Server) -> Output {
    run_scripts(&scripts(page, server), directory, server)
}

fn run_scripts(scripts: &[String], directory: &Path, server: &Server) -> Output {
    let script = scripts.join("\n");
    // No block takes more than a few seconds.
    let mut command = Command::new("timeout");
    command.args(["120", "bash", "-c"]).arg(format!("{PRELUDE}\n{script}")).current_dir(directory);
    command.env("EHI", ehi().get_program()).env("PASSWORD", &server.password).stdin(Stdio::null());
    command.output().expect("bash is there")
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn printed(output: &Output) -> String {
    let (printed, failed) = (&output.stdout, &output.stderr);
    let text = format!("{}\n{}", String::from_utf8_lossy(printed), String::from_utf8_lossy(failed));
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn the_requests_of_the_pipeline_fail_if_a_function_does_not_respond() {
    let directory = empty();
    let server = Server::start(directory.path());
    let base = server.base.clone();
    let requests = || {
        let mut script = Command::new(root().join(".github/requests.sh"));
        script.arg(&base).output().expect("bash is there")
    };
    printed(&requests());
    drop(server);
    let stopped = requests();
    assert_eq!(stopped.status.code(), Some(1), "{stopped:?}");
    assert!(String::from_utf8_lossy(&stopped.stderr).contains("GET /fhir/metadata: 000"), "{stopped:?}");
}

#[test]
fn the_walkthrough_is_one_export_step_by_step() {
    let directory = empty();
    let output = run("infra/docs/walk.md", directory.path(), &Server::start(directory.path()));
    let text = printed(&output);
    for expected in
        ["\"resourceType\":\"Patient\"", "A letter from us.", "\"transactionTime\"", "HTTP/1.1 202 Accepted"]
    {
        assert!(text.contains(expected), "nothing prints {expected}:\n{text}");
    }
}

#[test]
fn the_bulk_page_is_one_export_of_many_patients() -> tests::Result {
    let directory = empty();
    let output = run("infra/docs/bulk.md", directory.path(), &Server::start(directory.path()));
    let text = printed(&output);
    for expected in ["\"resourceType\":\"Bundle\"", "\"resourceType\":\"Observation\"", "\"ledger\""] {
        assert!(text.contains(expected), "nothing prints {expected}:\n{text}");
    }
    let mut conditions = String::new();
    let file = std::fs::File::open(directory.path().join("out-group/Condition.ndjson"));
    file.expect("the client's files").read_to_string(&mut conditions)?;
    assert!(conditions.lines().count() > 4, "{conditions}");
    let settings = std::fs::read_to_string(directory.path().join("settings.toml")).expect("settings");
    assert!(settings.contains("id = \"registry\""), "{settings}");
    Ok(())
}

/// Returns the keys and the exported files below the state directory.
fn stored(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(at).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below").to_str().expect("text").to_owned();
            if path.is_dir() {
                add(root, &path, found);
            } else if name.starts_with("files/") || name == "keys.json" {
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    let (root, mut found) = (directory.join(".ehi"), BTreeMap::new());
    add(&root, &root, &mut found);
    found
}

/// Returns the number of rows of a table in a database of the state directory.
fn rows(directory: &Path, database: &str, table: &str) -> i64 {
    let path = directory.join(".ehi").join(database);
    let database = rusqlite::Connection::open(path).expect("a database");
    let count = format!("SELECT count(*) FROM {table}");
    database.query_row(&count, [], |row| row.get(0)).expect("a count")
}

/// Runs a server for the time of one export; returns the stopped server.
fn with_an_export(directory: &Path, out: &str) -> Server {
    let mut server = Server::start(directory);
    let mut export = ehi();
    export.args(["export", "--bulk", "--key", ".ehi/bulk-client.json", "--type", "Patient"]);
    export.args(["--out", out, "--server", &format!("{}/fhir", server.base)]).current_dir(directory);
    assert!(export.status().expect("the client runs").success());
    server.stop();
    server
}

/// The audit trail of the damaged directory is newer than the backup and is kept, unless it is damaged too.
#[test]
fn a_backup_of_a_stopped_server_can_be_restored() -> tests::Result {
    for is_trail_damaged in [false, true] {
        let directory = empty();
        let server = with_an_export(directory.path(), "out");
        let (before, of_backup) = (stored(directory.path()), rows(directory.path(), "audit.db", "entries"));
        assert!(before.keys().any(|name| name.starts_with("files/")), "{:?}", before.keys());
        let scripts = scripts("infra/docs/operate.md", &server);
        let [backup, rest @ ..] = &scripts[..] else { unreachable!("the page has blocks") };
        assert!(backup.starts_with("tar --create"), "{backup}");
        printed(&run_scripts(std::slice::from_ref(backup), directory.path(), &server));
        with_an_export(directory.path(), "out-later");
        let newer = rows(directory.path(), "audit.db", "entries");
        assert!(newer > of_backup, "{newer}");
        std::fs::write(directory.path().join(".ehi/state.sqlite"), "damaged")?;
        if is_trail_damaged {
            let trail = rusqlite::Connection::open(directory.path().join(".ehi/audit.db"))?;
            let changed = "DROP TRIGGER IF EXISTS entries_are_final; UPDATE entries SET outcome = 'failed' WHERE sequence = 1";
            trail.execute_batch(changed)?;
        }
        printed(&run_scripts(rest, directory.path(), &server));
        assert_eq!(stored(directory.path()), before);
        let kept = if is_trail_damaged { of_backup } else { newer };
        assert_eq!(rows(directory.path(), "audit.db", "entries"), kept, "{is_trail_damaged}");
        // The restored server has the export of the backup, and knows its client.
        let again = Server::start(directory.path());
        assert_eq!(rows(directory.path(), "state.sqlite", "jobs"), 1);
        assert!(again.base.starts_with("http://127.0.0.1:"));
    }
    Ok(())
}
