//! The example file of settings has every setting, with a sentence and with a value that the server accepts.

use std::collections::{BTreeMap, BTreeSet};

use settings::Settings;
use settings::limits::LIMITS;
use toml::{Table, Value};

use super::page;

const BASE_URL: &str = "https://ehi.example.org";

/// The sections, as they begin in a file.
const SECTIONS: [(&str, &str); 6] = [
    ("clients", "[[clients]]"),
    ("staff", "[[staff]]"),
    ("accounts", "[[accounts]]"),
    ("issuers", "[[issuers]]"),
    ("pages", "[pages]"),
    ("mail", "[mail]"),
];

fn example() -> String {
    page("settings.example.toml")
}

/// Returns the setting in a line of the example; `None` if the line is a sentence. A sentence has a space after its comment sign.
fn setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
}

/// Returns the example with all its settings, without their comment signs. Its placeholders have values.
fn all_settings() -> String {
    let hash =
        security::passwords::hash("correct horse battery", &contract::SeededRandom::new(1)).expect("a hash");
    let key = tests::service::rsa_key_pem();
    let example = example();
    let lines: Vec<_> = example.lines().map(|line| setting(line).unwrap_or(line)).collect();
    let text = lines.join("\n").replace("$argon2id$...", &hash);
    text.replace("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", key.trim_end())
}

#[test]
fn the_example_is_accepted_as_it_is_and_with_all_its_settings() {
    let example = example();
    assert_eq!(example.parse::<Table>().expect("TOML"), Table::new(), "all settings are comments");
    for text in [example, all_settings()] {
        let parsed = Settings::parse(&text, |_| None, Some(BASE_URL));
        assert!(parsed.is_ok(), "{:?}", parsed.err().map(|wrong| wrong.0));
    }
}

/// Returns the names of the settings in a section, which the server lists if one is unknown.
fn known(header: &str) -> BTreeSet<String> {
    let text = format!("base_url = \"{BASE_URL}\"\n{header}\nunknown = 1\n");
    let refused = Settings::parse(&text, |_| None, None).expect_err("there is no such setting").to_string();
    let problem = refused.lines().find(|line| line.contains("`unknown`")).expect("the unknown setting");
    let (_, list) = problem.split_once("expected one of ").expect("the known names");
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the names of the settings in the sections of a file. A section may be there several times.
fn names_by_section(file: &Table) -> BTreeMap<&str, BTreeSet<String>> {
    let tables = |value| match value {
        Value::Array(entries) => entries,
        table => vec![table],
    };
    let names = |section: &Value| {
        let tables = tables(section.clone()).into_iter();
        tables.flat_map(|table| table.as_table().cloned().unwrap_or_default()).map(|(name, _)| name).collect()
    };
    file.iter().map(|(section, value)| (section.as_str(), names(value))).collect()
}

#[test]
fn the_example_has_every_setting_and_no_other() {
    let file: Table = all_settings().parse().expect("TOML");
    let found: BTreeSet<_> = file.keys().map(String::as_str).collect();
    let keys: BTreeSet<_> = settings::KEYS.iter().copied().collect();
    assert_eq!(found, keys);
    let sections = names_by_section(&file);
    for (name, header) in SECTIONS {
        assert_eq!(sections[name], known(header), "{name}");
    }
    let defaults: BTreeMap<_, _> =
        LIMITS.iter().map(|limit| (limit.name.to_owned(), limit.default)).collect();
    let limits = file["limits"].as_table().expect("a table").iter();
    let limits = limits.map(|(name, value)| (name.clone(), value.as_integer().expect("a number")));
    let limits: BTreeMap<_, _> = limits.map(|(name, value)| (name, value.cast_unsigned())).collect();
    assert_eq!(limits, defaults);
}

/// Returns the sentences in front of each setting, by the name of the setting. A setting that is there again needs none.
fn sentences(example: &str) -> BTreeMap<String, String> {
    let mut sentences = BTreeMap::new();
    let (mut section, mut before) = (String::new(), String::new());
    for line in example.lines() {
        match setting(line) {
            Some(header) if header.starts_with('[') => {
                section = format!("{}.", header.trim_matches(['[', ']']));
                before.clear();
            }
            Some(setting) => {
                if let Some((name, _)) = setting.split_once(" = ") {
                    sentences.entry(format!("{section}{name}")).or_insert_with(|| before.trim().to_owned());
                }
                before.clear();
            }
            None if line.is_empty() => before.clear(),
            None => before.push_str(line.trim_start_matches('#')),
        }
    }
    sentences
}

#[test]
fn every_setting_of_the_example_has_a_sentence() {
    let mut sentences = sentences(&example());
    for limit in LIMITS {
        assert_eq!(sentences[&format!("limits.{}", limit.name)], format!("{}.", limit.reason));
    }
    // Messages are no settings of this program.
    sentences.retain(|name, _| !name.starts_with("pages.words."));
    assert!(sentences.len() > 80, "{} settings", sentences.len());
    for (name, sentence) in sentences {
        assert!(sentence.ends_with('.') && sentence.contains(' '), "{name}: {sentence:?}");
    }
}
