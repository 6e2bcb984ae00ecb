//! Fuzzing: bodies that take any bytes and check what must hold of them, each against a slow and obvious reference.
//!
//! A body runs as proptest cases in every test run (`tests/it/fuzz.rs`), and for as long as one likes under libFuzzer by
//! `cargo xtask fuzz`, which reads the names below. What it finds becomes a regression test.

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

/// Something to fuzz.
pub struct Target {
    pub name: &'static str,
    pub body: fn(&[u8]),
    /// Cases of a test run, for each 256 of the cheapest.
    pub cases: u32,
}

/// Every target, by name.
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

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
