//! Runs the fuzz targets on random bytes in every test run: with the number of cases of each target, or for
//! `EHI_FUZZ_SECONDS` seconds (`cargo xtask fuzz` on machines without libFuzzer).

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use tests::fuzz::{TARGETS, Target, target};

#[expect(clippy::disallowed_methods, reason = "the duration of fuzzing is not a setting of the server")]
fn run(name: &str) {
    let Target { body, cases, .. } = target(name).expect("a target");
    let mut config = ProptestConfig::default();
    config.cases = (config.cases.saturating_mul(*cases) / 256).max(1);
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Off));
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let seconds = std::env::var("EHI_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or_default());
    loop {
        let done = TestRunner::new(config.clone()).run(&bytes, |bytes| {
            body(&bytes);
            Ok(())
        });
        if let Err(problem) = done {
            panic!("{name}: {problem}");
        }
        if Instant::now() >= until {
            return;
        }
    }
}

macro_rules! targets {
    ($($test:ident = $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            run($name);
        })*

        #[test]
        fn every_fuzz_target_has_a_test() {
            let run = [$($name),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), run);
        }
    };
}

targets! {
    json = "json",
    type_filter = "type-filter",
    parameters = "parameters",
    form = "form",
    token = "token",
    assertion = "assertion",
    range = "range",
    multipart = "multipart",
    load = "load",
}
