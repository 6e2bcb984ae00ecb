//! Finds misspelt environment variables, and reads variables that are not settings.

use crate::{KEYS, limits, resources};

/// Returns a problem for each unknown variable that begins with `EHI_`. Without this check, a misspelt variable would
/// silently have no effect.
pub(super) fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_known = |name: &str| {
        let of_setting = |key: &str| name == format!("EHI_{}", key.to_ascii_uppercase());
        // Tests pass the location of their deployment in these variables.
        name.starts_with("EHI_TEST_")
            || OTHER_VARIABLES.contains(&name)
            || KEYS.iter().any(|key| of_setting(key))
            || limits::LIMITS.iter().any(|limit| limits::variable_of(limit.name) == name)
            || resources::VARIABLES.iter().any(|(known, _)| *known == name)
    };
    let unknown = names.filter(|name| name.starts_with("EHI_") && !is_known(name));
    unknown
        .map(|name| format!("{name}: there is no such variable; it is misspelt, or of another version"))
        .collect()
}

/// Variables that are read before the settings.
const OTHER_VARIABLES: [&str; 1] = ["EHI_LOG"];

/// Returns the filter of the log, in the syntax of `RUST_LOG`: the variable `EHI_LOG`, or `default` if it is not set.
#[expect(clippy::disallowed_methods, reason = "the settings read the environment")]
pub fn log_filter(default: &str) -> String {
    std::env::var("EHI_LOG").unwrap_or_else(|_| default.to_owned())
}

/// Returns whether the environment has a variable, such as one that the host sets.
pub fn has_variable(name: &str) -> bool {
    std::env::var_os(name).is_some()
}
