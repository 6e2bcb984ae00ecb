//! The stories that are told to both hosts, in one list: `#[both_hosts]` puts each in.

use std::process::{ExitCode, Termination};

use futures_util::future::LocalBoxFuture;

use crate::World;

/// A test that needs no more of a World than every host has.
pub struct Story {
    /// The module and the name.
    pub name: &'static str,
    pub tell: fn(World) -> LocalBoxFuture<'static, ()>,
}

inventory::collect!(Story);

/// Every story of this test binary.
pub fn all() -> impl Iterator<Item = &'static Story> {
    inventory::iter::<Story>.into_iter()
}

/// What a story returns is what a test returns: nothing, or a result that must not be an error.
pub fn assert_told(outcome: impl Termination) {
    assert_eq!(outcome.report(), ExitCode::SUCCESS);
}
