//! Fuzzing: each target accepts any bytes and compares the result with a slow and simple reference.
//!
//! A target runs as proptest cases in every test run (`tests/it/fuzz.rs`), and without limit under libFuzzer by
//! `cargo xtask fuzz`, which reads the names below. Each problem that it finds becomes a regression test.

mod forms;
mod json;
mod load;
mod requests;
mod search;
mod source;
mod tokens;
mod tree;

pub use self::source::Source;
pub use self::tree::Tree;

/// A fuzz target.
pub struct Target {
    pub name: &'static str,
    pub body: fn(&[u8]),
    /// The number of cases in a test run when the cheapest target has 256.
    pub cases: u32,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "json", body: json::read, cases: 256 },
    Target { name: "type-filter", body: search::type_filter, cases: 256 },
    Target { name: "parameters", body: requests::parameters, cases: 32 },
    Target { name: "form", body: forms::form, cases: 256 },
    Target { name: "token", body: tokens::access_token, cases: 64 },
    Target { name: "assertion", body: tokens::assertion, cases: 32 },
    Target { name: "range", body: requests::range, cases: 64 },
    Target { name: "multipart", body: requests::multipart, cases: 16 },
    Target { name: "load", body: load::load, cases: 24 },
];

/// Returns the target with a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
