//! Runs the body that `EHI_FUZZ` names: one program for all, so that the workspace is built once.

#![no_main]

use std::sync::LazyLock;

static BODY: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("EHI_FUZZ").expect("EHI_FUZZ names the target");
    tests::fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name}")).body
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| BODY(bytes));
