//! The limits that protect the server from exhaustion. One table is the source of the settings and their checks, and a
//! test compares it with the table in `infra/docs/settings.md`. In the settings file the limits are in `[limits]`; the
//! environment variable of a limit is `EHI_LIMITS_` and the name in capitals.

use std::ops::RangeInclusive;

use toml::Value;

use crate::Settings;
use crate::reader::{Reader, of_variable};

impl Settings {
    /// Returns whether the host limits the size of a response, as AWS does.
    pub fn has_limited_responses(&self) -> bool {
        self.max_direct_bytes < u64::MAX
    }
}

/// A limit of the table.
#[derive(Debug, Clone)]
pub struct Limit {
    pub name: &'static str,
    pub default: u64,
    /// The values that a setting can have. Any other value is refused at start.
    pub range: RangeInclusive<u64>,
    /// The effect of the limit, and the reason for the default.
    pub reason: &'static str,
}

/// Makes [`Limits`] and [`LIMITS`] from one table.
macro_rules! limits {
    ($($name:ident: $default:literal, $least:literal..=$most:literal, $reason:literal;)*) => {
        /// The limits of this server, each within its range. [`LIMITS`] describes them.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $reason] pub $name: u64,)*
        }

        /// Every limit: its name, default, range and reason.
        pub const LIMITS: &[Limit] = &[
            $(Limit { name: stringify!($name), default: $default, range: $least..=$most, reason: $reason },)*
        ];

        impl Limits {
            fn slot(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }
    };
}

limits! {
    connections: 10_000, 16..=1_000_000, "Maximum open connections. The server also stays below the limit of file descriptors of the operating system. When it is full, the connection that has been idle longest is closed for the new one";
    reserved_descriptors: 256, 64..=100_000, "File descriptors that connections do not use, for records, exported files and the database";
    head_seconds: 30, 1..=600, "Seconds for the head of a request, and for which a kept-alive connection may be idle. Clients send a head in one packet";
    head_bytes: 65_536, 8_192..=1_048_576, "Bytes of a request's head. Signed tokens and cookies need a few thousand";
    body_seconds: 60, 1..=3_600, "Seconds for the body of a request, and one more for each `body_bytes_per_second` that was received";
    body_bytes_per_second: 1_000, 1..=1_000_000, "Minimum average speed of an upload. A slow mobile connection is ten times as fast";
    upload_idle_seconds: 30, 1..=3_600, "Seconds for which a client may send nothing of a request's body";
    download_idle_seconds: 60, 1..=3_600, "Seconds for which a client may read nothing of its response. A client can continue a download with Range";
    drain_bytes: 67_108_864, 0..=1_073_741_824, "Bytes of a refused body that are read and dropped, so that the client sees the response and not a reset connection. `body_seconds` and `upload_idle_seconds` (here at most 10) limit the time";
    stop_seconds: 5, 0..=600, "Seconds that requests have to finish after SIGTERM";
    hashes_at_once: 2, 1..=64, "Maximum passwords and client secrets that are hashed at once, each with 19 MiB of memory and a core";
    hashes_waiting: 200, 1..=10_000, "Maximum log-ins that wait for their hash; more are refused (429)";
    login_attempts: 5, 1..=1_000, "Failed log-ins of one user from one address within `login_window_seconds`; more are refused (429) until a part of the window has passed: with 5 attempts, one more after each fifth";
    login_attempts_by_user: 100, 1..=100_000, "Failed log-ins of one user or client within `login_window_seconds`. It does not apply to addresses from which the user signed in within the last 30 days, so that strangers cannot lock the user out";
    login_attempts_by_address: 50, 1..=100_000, "Failed log-ins from one address within `login_window_seconds`, of all users; clients are counted separately. A hospital may share one address";
    login_window_seconds: 300, 10..=86_400, "Seconds after which failed log-ins are forgotten";
    key_set_seconds: 30, 1..=3_600, "Seconds between two fetches of the same key set, also after a failure and for unknown key ids";
    manifest_cache_bytes: 16_777_216, 0..=1_073_741_824, "Bytes of manifests kept in memory for status requests";
}

impl Limits {
    /// Reads `[limits]` of the file, and the variables, which have priority. Unknown limits and values that are out of range
    /// are named.
    pub(super) fn read(read: &mut Reader, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut limits = Self::default();
        let mut table = read.table("limits").unwrap_or_default();
        for limit in LIMITS {
            if let Some(text) = variable(&variable_of(limit.name)) {
                table.insert(limit.name.to_owned(), of_variable(&text));
            }
        }
        for (name, value) in table {
            match check(&name, &value) {
                Ok(number) => {
                    if let Some(slot) = limits.slot(&name) {
                        *slot = number;
                    }
                }
                Err(what) => read.wrong(&format!("limits.{name}"), &what),
            }
        }
        limits
    }
}

/// Returns the environment variable of a limit.
pub(super) fn variable_of(name: &str) -> String {
    format!("EHI_LIMITS_{}", name.to_ascii_uppercase())
}

fn check(name: &str, value: &Value) -> Result<u64, String> {
    let Some(limit) = LIMITS.iter().find(|limit| limit.name == name) else {
        return Err("there is no such limit".to_owned());
    };
    let (least, most) = (limit.range.start(), limit.range.end());
    value
        .as_integer()
        .and_then(|number| u64::try_from(number).ok())
        .filter(|number| limit.range.contains(number))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests;
