//! What the pipeline prints when the new version is deployed and does not respond: the way back to the version before.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::template::Template;

use crate::house::root;

/// Returns the step of the pipeline that requests each function after the shift.
fn check() -> Value {
    let path = root().join(".github/workflows/deploy-stage.yml");
    let workflow = Template::parse(&std::fs::read_to_string(path).expect("a workflow"));
    let mut steps = workflow.document()["jobs"]["deploy"]["steps"].as_array().expect("steps").iter();
    steps.find(|step| step["name"] == "Check that each function responds").expect("the step").clone()
}

/// Runs a script, whose commits have an author of their own; returns whether it succeeded, and its output.
fn run(script: &str, directory: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new("bash");
    command.args(["-e", "-c", script]).current_dir(directory).envs(variables.iter().copied());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "nobody")
            .env(format!("GIT_{role}_EMAIL"), "nobody@example.org");
    }
    let output = command.output().expect("bash is there");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

/// Returns what the step prints when no function responds, without the time between its attempts.
fn printed(before: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join(".github")).expect("a directory");
    let (step, requests) = (
        check(),
        "touch .github/requests.sh; chmod +x .github/requests.sh; echo 'exit 1' > .github/requests.sh",
    );
    assert_eq!(step["env"]["BEFORE"], "${{ github.event.before }}");
    assert_eq!(step["env"]["STAGE"], "${{ inputs.stage }}");
    let script = format!("{requests}\nsleep() {{ :; }}\n{}", tests::text(&step["run"]));
    let variables = [("BEFORE", before), ("STAGE", "prod"), ("URL", "https://ehi.example.org")];
    let (succeeded, printed) = run(&script, directory.path(), &variables);
    assert!(!succeeded && printed.starts_with("::error::"), "{printed}");
    printed
}

/// A push of a branch whose tip is a merge, with commits on both sides that change, add and remove files, and one more on top.
const HISTORY: &str = r#"
commit() { git add --all; git commit --quiet --message "$1"; }
git init --quiet --initial-branch main
echo one > changed; echo old > removed; commit before
git rev-parse HEAD
git checkout --quiet -b side
mkdir added; echo new > added/file; echo two > changed; commit side
git checkout --quiet main
rm removed; commit removed
git merge --quiet --no-edit side
echo three > changed; commit after
"#;

#[test]
fn the_printed_command_restores_all_files_of_the_commit_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let (succeeded, before) = run(HISTORY, directory.path(), &[]);
    let before = before.trim();
    assert!(succeeded && before.len() == 40, "{before}");
    let printed = printed(before);
    assert!(printed.contains(&format!("; before this push, the branch was at {before}.")), "{printed}");
    let command = printed.split('\'').nth(1).expect("a command").replace("COMMIT", before);
    let script = format!(
        "{command}\necho TrafficShift=None > samconfig.toml; git add samconfig.toml; git commit --quiet --message back\n\
         git status --porcelain; git diff --name-only {before} HEAD"
    );
    assert_eq!(run(&script, directory.path(), &[]), (true, "samconfig.toml\n".to_owned()));
}

/// A run by hand is no push, and a push of a new branch has no commit before it.
#[test]
fn no_commit_is_printed_if_there_was_none_before() {
    for before in ["", "0000000000000000000000000000000000000000"] {
        let printed = printed(before);
        assert!(printed.ends_with("deployed to prod before (on GitHub, see Deployments).\n"), "{printed}");
    }
}
