//! The commands of SAM in the pages, in the pipeline and in `samconfig.toml`.

use std::collections::BTreeSet;

use tests::template::Template;
use toml::{Table, Value};

use super::{page, pages};
use crate::house::root;

/// Returns the architecture that a command names.
fn architecture(command: &str) -> Option<&str> {
    let (_, rest) = command.split_once("Architecture=")?;
    rest.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').next()
}

/// Returns the first `sam deploy` in a script whose architecture is not that of the `sam build` before it.
fn mismatch(script: &str) -> Option<&str> {
    let mut built = None;
    for line in script.lines().map(str::trim) {
        if line.contains("sam build") {
            built = architecture(line);
        } else if line.contains("sam deploy") && architecture(line) != built {
            return Some(line);
        }
    }
    None
}

/// Functions of one architecture do not start in the other, and SAM does not compare them.
#[test]
fn functions_are_built_for_the_architecture_for_which_they_are_deployed() {
    let mut named = BTreeSet::new();
    for (path, text) in pages() {
        for block in text.split("```sh\n").skip(1) {
            let block = block.split("\n```").next().unwrap_or_default();
            assert_eq!(mismatch(block), None, "{}", path.display());
            named.extend(
                block
                    .lines()
                    .filter(|line| line.contains("sam deploy"))
                    .filter_map(architecture)
                    .map(str::to_owned),
            );
        }
    }
    let template = Template::load();
    let parameter = &template.document()["Parameters"]["Architecture"];
    let others = parameter["AllowedValues"].as_array().expect("values").iter();
    let others = others.filter(|value| **value != parameter["Default"]).map(tests::text);
    assert_eq!(named, others.collect(), "aws.md has the commands for each architecture but the default");
    for other in named {
        let option = format!("--parameter-overrides Architecture={other}");
        let description = tests::text(&parameter["Description"]);
        assert!(description.contains(&format!("sam build has built them, which is arm64 without {option}")));
    }
    for name in ["deploy.yml", "deploy-stage.yml"] {
        let workflow =
            std::fs::read_to_string(root().join(".github/workflows").join(name)).expect("a workflow");
        assert_eq!(mismatch(&workflow), None, "{name}");
    }
}

#[test]
fn another_architecture_is_found() {
    for (script, wrong) in [
        ("sam build\nsam deploy --guided", false),
        (
            "sam build --parameter-overrides Architecture=x86_64\nsam deploy --parameter-overrides Architecture=x86_64 A=b",
            false,
        ),
        ("sam build\nsam deploy --parameter-overrides A=b Architecture=x86_64", true),
        ("sam build --parameter-overrides Architecture=x86_64\nsam deploy --guided", true),
        (
            "sam build --parameter-overrides \"Architecture=x86_64\"\nsam deploy --parameter-overrides Architecture=arm64",
            true,
        ),
    ] {
        assert_eq!(mismatch(script).is_some(), wrong, "{script}");
    }
}

fn configuration() -> Table {
    let text = std::fs::read_to_string(root().join("samconfig.toml")).expect("a configuration");
    text.parse().expect("TOML")
}

/// The pipeline builds the functions once, with the configuration `default`, and deploys them to each stage.
#[test]
fn all_stages_of_the_pipeline_have_the_architecture_of_the_build() {
    let configuration = configuration();
    let overrides = |stage: &Value, command: &str| -> Option<String> {
        let overrides = stage.get(command)?.get("parameters")?.get("parameter_overrides")?;
        architecture(&overrides.to_string()).map(str::to_owned)
    };
    let built = overrides(&configuration["default"], "build");
    let mut stages = 0;
    for (name, stage) in configuration.iter().filter(|(_, value)| value.is_table()) {
        assert_eq!(overrides(stage, "build"), built, "{name}");
        assert_eq!(overrides(stage, "deploy"), built, "{name}");
        stages += 1;
    }
    assert_eq!(stages, 2);
}

/// A clean clone has no file that git ignores.
#[test]
fn samconfig_names_no_file_that_a_command_has_to_write_first() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).expect("a list");
    let text = configuration().to_string();
    for path in ignored.lines().filter_map(|line| line.strip_prefix('/')) {
        let named = format!("\"{}", path.trim_end_matches('*'));
        assert!(!text.contains(&named), "samconfig.toml names {path}");
    }
}

/// `cargo xtask sam-local` runs the command, with the ports and the credentials of its own emulator.
#[test]
fn the_page_has_the_command_with_which_sam_serves_the_emulated_deployment() {
    let page = page("aws.md");
    let command = page.lines().find(|line| line.starts_with("sam local start-api ")).expect("a command");
    let source = std::fs::read_to_string(root().join("infra/xtask/src/sam_local.rs")).expect("a source");
    let options: Vec<_> = command.split(' ').filter(|word| word.starts_with("--")).collect();
    assert_eq!(
        options,
        ["--host", "--port", "--template", "--config-file", "--env-vars", "--parameter-overrides"]
    );
    for option in options {
        assert!(source.contains(&format!("\"{option}\"")), "sam-local does not use {option}");
    }
    for (in_source, value) in [
        ("target/sam/debug/template.yaml", "--template target/sam/debug/template.yaml "),
        ("join(\"samconfig.toml\")", "--config-file \"$PWD/samconfig.toml\" "),
        ("infra/sam-local.json", "--env-vars infra/sam-local.json "),
        ("Architecture={}", "--parameter-overrides Architecture="),
    ] {
        assert!(source.contains(in_source) && command.contains(value), "{value}");
    }
    // The URL that the functions put into links.
    let emulate = std::fs::read_to_string(root().join("infra/xtask/src/main.rs")).expect("a source");
    let served = "http://127.0.0.1:3000";
    assert!(emulate.contains(&format!("sam_local::variables(&deployed, &endpoint, \"{served}\"")));
    assert!(command.contains("--host 127.0.0.1 --port 3000 ") && page.contains(served));
}
