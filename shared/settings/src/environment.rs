//! Environment variables that are not settings, and those that are misspelt.

use crate::{KEYS, limits, resources};

/// The variables that look like ours and are none: a misspelt one would otherwise do nothing, in silence.
pub(super) fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_known = |name: &str| {
        let of_setting = |key: &str| name == format!("EHI_{}", key.to_ascii_uppercase());
        // Tests tell each other where their deployment is.
        name.starts_with("EHI_TEST_")
            || OTHER_VARIABLES.contains(&name)
            || KEYS.iter().any(|key| of_setting(key))
            || limits::LIMITS.iter().any(|limit| limits::variable_of(limit.name) == name)
            || resources::VARIABLES.iter().any(|(known, _)| *known == name)
    };
    let ours = names.filter(|name| name.starts_with("EHI_") && !is_known(name));
    ours.map(|name| format!("{name}: there is no such variable; it is misspelt, or of another version"))
        .collect()
}

/// Variables that are read before the settings are.
const OTHER_VARIABLES: [&str; 1] = ["EHI_LOG"];

/// What is logged, in the syntax of `RUST_LOG`: the variable `EHI_LOG`, or what the host wants where it is not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn log_filter(default: &str) -> String {
    std::env::var("EHI_LOG").unwrap_or_else(|_| default.to_owned())
}

/// Whether the environment has a variable that is not ours.
pub fn has_variable(name: &str) -> bool {
    std::env::var_os(name).is_some()
}
