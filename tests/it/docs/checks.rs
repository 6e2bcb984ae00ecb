//! The page of the forty checks names the tests of each check, and these tests exist.

use std::collections::{BTreeMap, BTreeSet};

use super::page;
use crate::house::{root, sources};

/// A test in the sources: its full name, and its comment.
struct Test {
    name: String,
    comment: String,
}

/// Returns the module of a file below `tests/it/`.
fn module(file: &str) -> String {
    let path = file.strip_suffix(".rs").expect("a source");
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// Returns the tests of a source. The lines before a test, up to an empty line, are its attributes and its comment.
fn tests_of(module: &str, text: &str) -> Vec<Test> {
    const ATTRIBUTES: [&str; 4] = ["#[test]", "#[tokio::test", "#[both_hosts", "#[in_browser"];
    let mut tests = Vec::new();
    let mut before: Vec<&str> = Vec::new();
    for line in text.lines() {
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        let is_test =
            before.iter().any(|line| ATTRIBUTES.iter().any(|attribute| line.starts_with(attribute)));
        if let Some(name) = function.and_then(|rest| rest.split(['(', '<']).next()).filter(|_| is_test) {
            let comment = before.iter().filter_map(|line| line.strip_prefix("///"));
            tests.push(Test { name: format!("{module}::{name}"), comment: comment.collect() });
        }
        match line.trim() {
            "" => before.clear(),
            _ => before.push(line),
        }
    }
    tests
}

fn all_tests() -> Vec<Test> {
    let below = root().join("tests/it");
    let of = |(path, text): (std::path::PathBuf, String)| {
        let file = path.strip_prefix(&below).expect("below").to_str().expect("text").to_owned();
        tests_of(&module(&file), &text)
    };
    sources(&below).into_iter().flat_map(of).collect()
}

/// Returns the numbers of checks with which the comment of a test begins: "Checks 36 and 38."
fn numbers(comment: &str) -> Vec<usize> {
    let comment = comment.trim_start();
    let Some(rest) = comment.strip_prefix("Check ").or_else(|| comment.strip_prefix("Checks ")) else {
        return Vec::new();
    };
    // Numbers behind a colon are not those of checks.
    let rest = rest.split(':').next().unwrap_or_default();
    let words = rest.split_whitespace().map(|word| word.trim_end_matches([',', '.']));
    words
        .take_while(|word| *word == "and" || word.parse::<usize>().is_ok())
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Returns the names of the tests in each row of the table.
fn rows(page: &str) -> BTreeMap<usize, (String, BTreeSet<String>)> {
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, check, tests, _] = cells.as_slice() else { continue };
        let Ok(number) = number.parse() else { continue };
        let named = tests.split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        assert!(rows.insert(number, ((*check).to_owned(), named)).is_none(), "check {number} is there twice");
    }
    rows
}

#[test]
fn each_of_the_forty_checks_names_tests_that_exist() {
    let tests = all_tests();
    let known: BTreeSet<_> = tests.iter().map(|test| test.name.as_str()).collect();
    let rows = rows(&page("checks.md"));
    assert!(rows.keys().copied().eq(1..=40), "{:?}", rows.keys());
    for (number, (check, named)) in &rows {
        assert!(!check.is_empty() && !named.is_empty(), "check {number} has no test");
        for name in named {
            assert!(known.contains(name.as_str()), "check {number}: there is no test {name}");
        }
    }
    for test in &tests {
        for number in numbers(&test.comment) {
            let (_, named) = rows.get(&number).unwrap_or_else(|| panic!("{}: no check {number}", test.name));
            assert!(named.contains(&test.name), "check {number} does not name {}", test.name);
        }
    }
}

#[test]
fn tests_and_the_checks_in_their_comments_are_found() {
    let source = "/// Checks 3, 4 and 5:\n/// more 6.\n#[tokio::test]\nasync fn one() {}\n\n\
        /// Check 7.\nfn helper(x: u8) {}\n\n#[both_hosts(alone)]\nasync fn two(world: World) {\n}\n";
    let found = tests_of("a::b", source);
    let names: Vec<_> = found.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["a::b::one", "a::b::two"]);
    assert_eq!(numbers(&found[0].comment), [3, 4, 5]);
    assert_eq!(numbers(&found[1].comment), [] as [usize; 0]);
    assert_eq!((numbers(" Check 18: 403 and 5."), numbers(" Checks that 1")), (vec![18], Vec::new()));
    assert_eq!((module("my/zip.rs"), module("audit/mod.rs")), ("my::zip".to_owned(), "audit".to_owned()));
}
