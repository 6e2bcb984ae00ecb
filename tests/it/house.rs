//! The rules of the house (`ARCHITECTURE.md`, Invariants), held by reading the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root").to_owned()
}

/// Every Rust file below a directory and its text.
pub(crate) fn sources(below: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a file");
            found.push((path, text));
        }
    }
    found
}

/// The functions: every directory below `functions/` but `.cargo`.
pub(crate) fn functions() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("functions")).expect("functions");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names.filter(|name| name != ".cargo").collect()
}

#[test]
fn the_domain_is_pure() {
    for (path, text) in sources(&root().join("shared/src/domain")) {
        for forbidden in
            ["async ", "crate::adapters", "crate::ports", "crate::clock", "std::fs", "tokio", "::now("]
        {
            assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
        }
    }
}

#[test]
fn functions_never_import_each_other() {
    let names = functions();
    for name in &names {
        let manifest = std::fs::read_to_string(root().join("functions").join(name).join("Cargo.toml"))
            .expect("a manifest");
        for other in names.iter().filter(|other| *other != name) {
            assert!(!manifest.contains(&format!("{other}.workspace")), "{name} imports {other}");
        }
    }
}

#[test]
fn every_function_is_a_lambda_of_four_lines() {
    assert_eq!(functions().len(), 10);
    for name in functions() {
        let main = std::fs::read_to_string(root().join("functions").join(&name).join("src/main.rs"))
            .expect("a main");
        let lines = main.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert_eq!(lines, 4, "{name}");
        assert!(main.contains("shared::lambda::"), "{name}");
    }
}

#[test]
fn a_worker_on_lambda_refuses_to_start_with_one_sentence() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let refused = runtime.block_on(shared::lambda::consume(export_generator::worker)).expect_err("refused");
    let refused = refused.to_string();
    assert!(refused.contains("base_url") && !refused.contains('\n'), "{refused}");
}
