//! The list of stories that run on both hosts: `#[both_hosts]` adds each story.

use std::process::{ExitCode, Termination};

use futures_util::future::LocalBoxFuture;

use crate::World;

/// A test that uses only those parts of a World that every host has.
pub struct Story {
    /// The module and the name of the test.
    pub name: &'static str,
    pub run: fn(World) -> LocalBoxFuture<'static, ()>,
}

inventory::collect!(Story);

/// Returns every story of this test binary.
pub fn all() -> impl Iterator<Item = &'static Story> {
    inventory::iter::<Story>.into_iter()
}

/// Checks the return value of a story like that of a test: `()`, or a result that must be `Ok`.
pub fn assert_passed(outcome: impl Termination) {
    assert_eq!(outcome.report(), ExitCode::SUCCESS);
}
