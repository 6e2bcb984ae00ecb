//! The rules of the code base (`ARCHITECTURE.md`, Invariants), checked by reading the sources.

mod circles;
mod sizes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root").to_owned()
}

/// Returns every Rust file below a directory and its text.
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

/// Returns the functions: every directory below `functions/` except `.cargo`.
pub(crate) fn functions() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("functions")).expect("functions");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names.filter(|name| !name.starts_with('.')).collect()
}

/// The crates of `shared/`. Each may use the crates before it, but `aws` and `local` must not use each other.
const LAYERS: [&str; 13] = [
    "fhir", "domain", "crypto", "words", "settings", "storage", "security", "platform", "mail", "web",
    "archive", "aws", "local",
];

/// Returns the dependencies in a section of a crate's manifest.
fn dependencies(manifest: &Path, section: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    let text: toml::Table = text.parse().expect("TOML");
    text.get(section)
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// The tests of a crate use only the crates below it as well, and the contract suite.
#[test]
fn each_layer_uses_only_those_below_it() {
    let shared = root().join("shared");
    let manifest = |name: &str| shared.join(name).join("Cargo.toml");
    let programs = functions().into_iter().chain(["ehi".to_owned(), "tests".to_owned()]);
    let programs: Vec<_> = programs.collect();
    let of_contract = dependencies(&manifest("contract"), "dependencies");
    for (index, name) in LAYERS.into_iter().enumerate() {
        let (below, above) = (&LAYERS[..index], &LAYERS[index + 1..]);
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let uses = dependencies(&manifest(name), section);
            for forbidden in above.iter().copied().chain(programs.iter().map(String::as_str)) {
                assert!(!uses.contains(forbidden), "{name} uses {forbidden} in its {section}");
            }
            if name == "local" {
                assert!(!uses.contains("aws"), "the adapters of one machine must not use those of AWS");
            }
            if uses.contains("contract") {
                assert_eq!(section, "dev-dependencies", "{name} uses contract");
                let mut layers = LAYERS.iter().filter(|layer| of_contract.contains(**layer));
                assert!(layers.all(|layer| below.contains(layer)), "{name} and contract use each other");
            }
        }
    }
    let crates = std::fs::read_dir(&shared).expect("shared").count();
    assert_eq!(crates, LAYERS.len() + 1, "a crate of shared/ is missing in LAYERS");
}

#[test]
fn each_layer_says_what_it_must_not_know() {
    for name in LAYERS.into_iter().chain(["contract"]) {
        let path = root().join("shared").join(name).join("src/lib.rs");
        let text = std::fs::read_to_string(path).expect("a crate");
        let head: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        assert!(head.join(" ").contains("This crate knows nothing of "), "{name}");
    }
}

#[test]
fn the_domain_and_fhir_know_neither_http_nor_storage_nor_a_runtime() {
    let allowed = [
        "async-trait",
        "bytes",
        "fhir",
        "futures-util",
        "icu_normalizer",
        "jiff",
        "memchr",
        "serde",
        "serde_json",
        "simdutf8",
        "thiserror",
        "tracing",
        "url",
        "uuid",
    ];
    let mut all = BTreeSet::new();
    for name in ["fhir", "domain"] {
        let uses = dependencies(&root().join("shared").join(name).join("Cargo.toml"), "dependencies");
        let others: Vec<_> = uses.iter().filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(others.is_empty(), "{name} uses {others:?}");
        for (path, text) in sources(&root().join("shared").join(name).join("src")) {
            for forbidden in ["std::fs", "std::net", "std::env", "std::process"] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
            }
        }
        all.extend(uses);
    }
    let unused: Vec<_> = allowed.iter().filter(|name| !all.contains(**name)).collect();
    assert!(unused.is_empty(), "neither domain nor fhir uses {unused:?}: remove them from the list");
}

/// Every route is declared ([`web::routes`]), so that all lists of routes contain it.
#[test]
fn functions_have_declared_routes_only() {
    for (path, text) in sources(&root().join("functions")) {
        for forbidden in ["axum::routing", ".route(", ".nest(", ".fallback"] {
            assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
        }
    }
}

#[test]
fn functions_have_the_lints_of_all_crates_and_their_own() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a file for clippy");
    let (all, of_functions) = (read(".clippy.toml"), read("functions/.clippy.toml"));
    for line in all.lines() {
        assert!(of_functions.contains(line), "functions/.clippy.toml has no {line}");
    }
}

/// Test code is the contract suite, the fixed clock and the seeded random values, and the code that controls a browser.
#[test]
fn no_release_contains_test_code() {
    let functions = functions().into_iter().map(|name| format!("functions/{name}"));
    let layers = LAYERS.into_iter().map(|name| format!("shared/{name}"));
    for path in functions.chain(layers).chain(["infra/local".to_owned(), "infra/xtask".to_owned()]) {
        let uses = dependencies(&root().join(&path).join("Cargo.toml"), "dependencies");
        for forbidden in ["contract", "tests", "tokio-tungstenite"] {
            assert!(!uses.contains(forbidden), "{path} uses {forbidden}");
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

/// The compiler does not report a field that nothing reads if a macro of another crate defines it.
#[test]
fn functions_use_every_port_that_they_list() {
    let mut lists = 0;
    for name in functions() {
        let sources = sources(&root().join("functions").join(&name).join("src"));
        let is_read = |text: &str| sources.iter().any(|(_, source)| source.contains(text));
        let declared = sources.iter().find_map(|(_, source)| source.split_once("web::ports! {"));
        let Some((_, declared)) = declared else { continue };
        let list = declared.split(['{', '}']).nth(1).expect("a list of ports");
        for port in list.split(',').map(str::trim).filter(|port| !port.is_empty()) {
            let by_extractor = port == "verifier" && is_read("Bearer(");
            assert!(by_extractor || is_read(&format!(".{port}")), "{name} lists {port} and does not use it");
        }
        lists += 1;
    }
    assert_eq!(lists, 8, "the functions that serve requests");
}

#[test]
fn every_function_is_a_lambda_of_four_lines() {
    assert_eq!(functions().len(), 11);
    for name in functions() {
        let main = std::fs::read_to_string(root().join("functions").join(&name).join("src/main.rs"))
            .expect("a main");
        let lines = main.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert_eq!(lines, 4, "{name}");
        assert!(main.contains("aws::lambda::"), "{name}");
    }
}

#[test]
fn a_worker_on_lambda_refuses_to_start_with_one_sentence() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let refused = runtime.block_on(aws::lambda::consume(export_generator::worker)).expect_err("refused");
    let refused = refused.to_string();
    assert!(refused.contains("base_url") && !refused.contains('\n'), "{refused}");
}
