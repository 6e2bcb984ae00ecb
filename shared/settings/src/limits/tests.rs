use super::*;
use crate::{InvalidSettings, Settings};

fn parse(limits: &str, variables: impl Fn(&str) -> Option<String>) -> Result<Settings, InvalidSettings> {
    Settings::parse(&format!("base_url = \"http://localhost:1\"\n{limits}"), variables, None)
}

#[test]
fn every_default_is_within_its_range() {
    for limit in LIMITS {
        assert!(limit.range.contains(&limit.default), "{}", limit.name);
        assert!(!limit.reason.is_empty() && !limit.reason.contains('|'), "{}", limit.name);
    }
}

#[test]
fn unknown_limits_and_impossible_values_are_refused_by_name() {
    for (line, named) in [
        ("conections = 5", "limits.conections: there is no such limit"),
        ("connections = 0", "limits.connections: must be a whole number from 16 to 1000000"),
        ("connections = 99999999999", "limits.connections"),
        ("head_seconds = -1", "limits.head_seconds"),
        ("head_seconds = \"30\"", "limits.head_seconds"),
        ("hashes_at_once = 1.5", "limits.hashes_at_once"),
    ] {
        let errors = parse(&format!("[limits]\n{line}"), |_| None).expect_err(line).to_string();
        assert!(errors.contains(named), "{errors}");
    }
    let errors = parse("limits = 3", |_| None).expect_err("no table").to_string();
    assert!(errors.contains("limits: must be a table"), "{errors}");
}

#[test]
fn a_variable_has_priority_over_the_file() {
    let variable = |name: &str| (name == "EHI_LIMITS_CONNECTIONS").then(|| "77".to_owned());
    let settings = parse("[limits]\nconnections = 88\nhead_seconds = 9", variable).expect("valid");
    assert_eq!((settings.limits.connections, settings.limits.head_seconds), (77, 9));
    assert_eq!(settings.limits.body_seconds, Limits::default().body_seconds);
}
