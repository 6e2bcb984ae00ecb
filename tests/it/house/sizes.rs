//! The size of files and functions.

use std::path::PathBuf;

use super::{root, sources};

const LONGEST_FILE: usize = 400;
const MEDIAN_FILE: usize = 120;
/// `.clippy.toml` has the same limit.
const LONGEST_FUNCTION: usize = 60;

fn all() -> Vec<(PathBuf, String)> {
    let below = ["shared", "functions", "infra", "tests"];
    below.into_iter().flat_map(|directory| sources(&root().join(directory))).collect()
}

#[test]
fn files_are_short() {
    let mut lengths = Vec::new();
    for (path, text) in all() {
        let length = text.lines().count();
        assert!(length <= LONGEST_FILE, "{} has {length} lines", path.display());
        lengths.push(length);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_FILE, "the median is {median} lines");
}

/// A function in a file that rustfmt has formatted.
#[derive(Debug, PartialEq)]
struct Function<'t> {
    name: &'t str,
    /// The lines of its body that are neither empty nor comments.
    lines: usize,
    /// Whether an attribute permits any number of lines.
    is_excused: bool,
}

/// Returns the name of the function that begins in a line.
fn name_of(line: &str) -> Option<&str> {
    let before = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe"];
    let mut words = line.split_whitespace().skip_while(|word| before.contains(word));
    if words.next()? == "fn" { words.next()?.split(['(', '<']).next() } else { None }
}

fn functions(text: &str) -> Vec<Function<'_>> {
    let lines: Vec<_> = text.lines().collect();
    let read = |at: usize| {
        let name = name_of(lines[at])?;
        // A declaration ends with a semicolon, and a function of one line with its brace.
        let open = (at..lines.len()).find(|line| lines[*line].ends_with(['{', '}', ';']))?;
        if !lines[open].ends_with('{') {
            return None;
        }
        let indent = lines[at].len() - lines[at].trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[open + 1..].iter().take_while(|line| **line != end);
        let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let attributes = lines[..at].iter().rev().take_while(|line| !line.trim().is_empty());
        let is_excused = attributes.clone().any(|line| line.contains("clippy::too_many_lines"));
        Some(Function { name, lines: body.filter(is_code).count(), is_excused })
    };
    (0..lines.len()).filter_map(read).collect()
}

/// Only tables of data may be longer: the attribute says what the table contains.
#[test]
fn functions_are_short() {
    let mut seen = 0;
    for (path, text) in all() {
        for Function { name, lines, is_excused } in functions(&text) {
            assert!(is_excused || lines <= LONGEST_FUNCTION, "{}: {name} has {lines} lines", path.display());
            seen += 1;
        }
    }
    assert!(seen > 3_000, "{seen} functions");
    let limit = format!("too-many-lines-threshold = {LONGEST_FUNCTION}\n");
    let clippy = std::fs::read_to_string(root().join(".clippy.toml")).expect("a file for clippy");
    assert!(clippy.contains(&limit), "{limit}");
}

#[test]
fn the_lines_of_functions_are_counted() {
    let text = "trait Shape {
    fn area(&self) -> f64;
}

/// A table.
#[expect(clippy::too_many_lines, reason = \"a table\")]
pub(crate) async fn table<T>(
    argument: T,
) -> T {
    // A comment.
    match argument {

        argument => argument,
    }
}

fn one() -> u8 { 1 }
";
    assert_eq!(functions(text), [Function { name: "table", lines: 3, is_excused: true }]);
    let long = format!("    fn long() {{\n{}    }}\n", "        call();\n".repeat(61));
    assert_eq!(functions(&long), [Function { name: "long", lines: 61, is_excused: false }]);
}
