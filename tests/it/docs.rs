//! The documentation: every link has a target, the tables match the code, and so do [`numbers`], [`commands`] and the tests of [`checks`].

mod checks;
mod commands;
mod example;
mod numbers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::house::{functions, root, sources};

/// Returns the README and the pages of `infra/docs/` and `.github/`.
pub(crate) fn pages() -> BTreeMap<PathBuf, String> {
    let directories = ["infra/docs", ".github"].map(|name| root().join(name));
    let entries = directories.iter().flat_map(|directory| std::fs::read_dir(directory).expect("pages"));
    let paths = entries.map(|entry| entry.expect("an entry").path()).chain([root().join("README.md")]);
    let pages = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.map(|path| (path.clone(), std::fs::read_to_string(path).expect("text"))).collect()
}

pub(crate) fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("infra/docs").join(name)).expect("a page")
}

/// Returns the targets of the links outside code blocks.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if !is_code {
            let parts = line.split("](").skip(1);
            links.extend(parts.filter_map(|part| part.split_once(')')).map(|(target, _)| target.to_owned()));
        }
    }
    links
}

/// Returns the anchor of a heading: lower case, words joined by hyphens, no other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
}

fn has_anchor(page: &Path, wanted: &str) -> bool {
    let text = std::fs::read_to_string(page).expect("text");
    text.lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut followed = 0;
    for (path, text) in pages() {
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().expect("a directory").join(file),
            };
            assert!(target.exists(), "{}: {link}", path.display());
            assert!(heading.is_empty() || has_anchor(&target, heading), "{}: {link}", path.display());
            followed += 1;
        }
    }
    assert!(followed > 15, "{followed} links");
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    assert!(readme.len() <= 8_000, "{} bytes", readme.len());
    for path in pages().into_keys().filter(|path| !path.ends_with("README.md")) {
        let name = path.strip_prefix(root()).expect("below the root").to_str().expect("a name");
        assert!(links(&readme).iter().any(|link| link == name), "{name}");
    }
}

/// Returns the paragraphs and the entries of lists that stand twice in a page. Code and the headings of tables may.
fn repeated(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut seen = BTreeSet::new();
    let mut repeated = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let is_text = !is_code && !line.trim().is_empty() && !line.starts_with(['|', '`', '<']);
        if is_text && !seen.insert(line) {
            repeated.push(line);
        }
    }
    repeated
}

#[test]
fn nothing_stands_twice_in_a_page() {
    for (path, text) in pages() {
        assert_eq!(repeated(&text), [""; 0], "{}", path.display());
    }
}

#[test]
fn an_entry_that_stands_twice_is_found() {
    let page = "# Changes\n\n- One.\n- Two.\n- One.\n\n|---|\n|---|\n```sh\nls\n```\n```sh\nls\n```\nA text\nof lines.\n\nof lines.\n";
    assert_eq!(repeated(page), ["- One.", "of lines."]);
}

/// The words with which comments refer to sections of the wire contract, for example "(contract, sections 1 and 6)". They are written in two
/// parts, so that the test does not find a reference without a number here.
const REFERENCE: &str = concat!("contract, ", "section");

/// Returns the sections that the comments of a source name: for each reference, all numbers up to the closing bracket, or up to a
/// semicolon, which separates the contract from other documents.
fn sections(source: &str) -> Vec<Vec<usize>> {
    let references = source.split(REFERENCE).skip(1);
    let list = |rest: &str| rest.split([')', ';']).next().unwrap_or_default().to_owned();
    let numbers = |list: String| {
        list.split(|sign: char| !sign.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    references.map(list).map(numbers).collect()
}

#[test]
fn every_section_of_the_contract_that_a_comment_names_is_there() {
    let contract = page("api.md");
    let mut named = 0;
    for (path, text) in
        ["shared", "functions", "infra", "tests"].iter().flat_map(|below| sources(&root().join(below)))
    {
        for numbers in sections(&text) {
            assert!(!numbers.is_empty(), "{}: a reference without a number", path.display());
            for number in &numbers {
                let heading = format!("\n## {number}. ");
                assert!(contract.contains(&heading), "{}: section {number}", path.display());
            }
            named += numbers.len();
        }
    }
    assert!(named > 20, "{named} sections");
}

#[test]
fn all_sections_of_a_reference_are_found() {
    let source = format!("({REFERENCE}s 1 and 6) 7 ({REFERENCE} 5; RFC 6749) ({REFERENCE} 12, parameters)");
    assert_eq!(sections(&source), [vec![1, 6], vec![5], vec![12]]);
}

#[test]
fn every_function_and_setting_is_described() {
    let architecture = page("ARCHITECTURE.md");
    for name in functions() {
        assert!(architecture.contains(&format!("`{name}`")), "{name}");
    }
    let settings = page("settings.md");
    for key in settings::KEYS {
        assert!(settings.contains(&format!("\n| `{key}` |")), "{key}");
    }
}

#[test]
fn the_settings_page_has_the_table_of_limits() {
    let settings = page("settings.md");
    for limit in settings::limits::LIMITS {
        let (least, most) = (limit.range.start(), limit.range.end());
        let row =
            format!("| `{}` | {} | {least} to {most} | {} |\n", limit.name, limit.default, limit.reason);
        assert!(settings.contains(&row), "settings.md lacks the row: {row}");
    }
}

/// The server can start with each block of settings in the pages. The hash of a password is shortened in them.
#[test]
fn the_settings_in_the_pages_are_settings() {
    let hash =
        security::passwords::hash("correct horse battery", &contract::SeededRandom::new(1)).expect("a hash");
    let mut parsed = 0;
    for (path, text) in pages() {
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap_or_default().replace("$argon2id$...", &hash);
            let settings = settings::Settings::parse(&block, |_| None, Some("https://ehi.example.org"));
            assert!(settings.is_ok(), "{}: {:?}", path.display(), settings.err().map(|wrong| wrong.0));
            parsed += 1;
        }
    }
    assert!(parsed >= 2, "{parsed} blocks");
}
