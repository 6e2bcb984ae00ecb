//! The imports between the modules of a crate: there are no circles except those that are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{LAYERS, root, sources};

/// The modules in circles. Those of `domain` are one state machine (a job has states, and a state becomes a job), and the choices with
/// the ledger that counts them. Those of the stores are the tables of one database and the pages of one list.
const IN_CIRCLES: [(&str, &[&str]); 3] = [
    (
        "domain",
        &[
            "choices",
            "chunk",
            "decision",
            "deletion",
            "job",
            "ledger",
            "manifest",
            "redaction",
            "request",
            "states",
        ],
    ),
    ("aws", &["chunks", "job_rows", "jobs", "listing", "records"]),
    ("local", &["database", "index", "job_rows", "jobs", "listing", "outbox", "records", "shared_files"]),
];

/// Returns the module directly below the crate to which a file belongs.
fn module_of(file: &Path, src: &Path) -> String {
    let below = file.strip_prefix(src).expect("below src");
    let first = below.components().next().expect("a name");
    first.as_os_str().to_str().expect("a name").trim_end_matches(".rs").to_owned()
}

/// Returns the words after `mark`: one word, or those of a list in braces.
fn words_after<'t>(code: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    code.split(mark).skip(1).flat_map(|rest| {
        let list = rest.strip_prefix('{').and_then(|list| list.split('}').next());
        let words = list.unwrap_or(rest).split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.take(if list.is_some() { usize::MAX } else { 1 })
    })
}

/// Returns the modules of a crate, each with the modules that it uses.
fn uses(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let src = root().join("shared").join(name).join("src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources(&src) {
        let is_test = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
        let module = module_of(&path, &src);
        if is_test || module == "lib" {
            continue;
        }
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<String>();
        let is_top = path.parent() == Some(&src);
        let of_parent = words_after(&code, "super::").filter(|_| is_top);
        let used = words_after(&code, "crate::").chain(of_parent).map(str::to_owned);
        uses.entry(module).or_default().extend(used);
    }
    let known: BTreeSet<_> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|other| other != module && known.contains(other));
    }
    uses
}

/// Returns the modules in circles and between them: removes the modules that use no other or that no other uses, until none is left.
fn in_circles(mut uses: BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    loop {
        let used: BTreeSet<_> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        uses.retain(|module, uses| !uses.is_empty() && used.contains(module));
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        for uses in uses.values_mut() {
            uses.retain(|module| left.contains(module));
        }
        if uses.len() == before {
            return left;
        }
    }
}

#[test]
fn modules_import_each_other_without_new_circles() {
    for name in LAYERS {
        let known = IN_CIRCLES.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, known)| known);
        let found = in_circles(uses(name));
        let new: Vec<_> = found.iter().filter(|module| !known.contains(&module.as_str())).collect();
        assert!(
            new.is_empty(),
            "{name}: {new:?} import each other; move what they share to a module of its own"
        );
    }
}

/// Returns modules from the names of those that they use.
fn modules(names: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    let used = |names: &str| names.split_whitespace().map(str::to_owned).collect();
    names.iter().map(|(name, names)| ((*name).to_owned(), used(names))).collect()
}

#[test]
fn circles_are_found() {
    assert_eq!(in_circles(modules(&[("a", "b"), ("b", "c"), ("c", "")])), BTreeSet::new());
    let circle = in_circles(modules(&[("a", "b"), ("b", "c d"), ("c", "b"), ("d", "")]));
    assert_eq!(circle, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
}
