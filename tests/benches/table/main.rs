//! `cargo xtask bench`: one table, with each figure and its yardstick from the same run, as a ratio. A time alone says
//! more about the machine than about the code. The last column says whether the row meets its aim.
//!
//! `-- engine`, `-- bulk`, `-- load`, `-- latency`, `-- status`, `-- pages`, `-- memory`, `-- lambda`, `-- buckets` run one part;
//! `-- --quick` uses less data.

mod aim;
mod buckets;
mod bulk;
mod engine;
mod lambda;
mod latency;
mod load;
mod memory;
mod pages;
mod status;

use std::path::Path;
use std::time::Duration;

pub(crate) use self::aim::Aim;

/// A line of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) yardstick: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) aim: Aim,
}

/// Measures a part of the table.
type Measure = fn(Scale) -> Vec<Row>;

/// The amount of data to measure with.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) quick: bool,
}

impl Scale {
    pub(crate) fn of(self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the output of the command")]
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // A part that runs in its own process on one core.
    if let [part, directory, output] = &arguments[..]
        && let Some(part) = part.strip_prefix("--part=")
    {
        return println!("{}", engine::part(part, Path::new(directory), Path::new(output)));
    }
    if arguments == [buckets::PART] {
        return println!("{}", buckets::generator());
    }
    if let [part, base] = &arguments[..]
        && part == latency::CLIENT
    {
        return println!("{}", latency::client(base));
    }
    let scale = Scale { quick: arguments.iter().any(|argument| argument == "--quick") };
    let wanted = |name: &str| {
        arguments.iter().all(|argument| argument.starts_with("--"))
            || arguments.iter().any(|argument| argument == name)
    };
    println!("| what | measured | yardstick, same run | ratio | aim | met |");
    println!("|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    // Each part is printed when it is measured, so that a failing one does not lose the others.
    let parts: [(&str, Measure); 9] = [
        ("engine", engine::rows),
        ("bulk", bulk::rows),
        ("load", load::rows),
        ("latency", latency::rows),
        ("status", status::rows),
        ("pages", pages::rows),
        ("memory", memory::rows),
        ("lambda", lambda::rows),
        ("buckets", buckets::rows),
    ];
    for (_, rows) in parts.into_iter().filter(|(name, _)| wanted(name)) {
        for row in rows(scale) {
            let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let Row { what, measured, yardstick, aim, .. } = row;
            println!("| {what} | {measured} | {yardstick} | {ratio} | {} | {} |", aim.text(), aim.mark());
            if aim.fails() {
                missed.push(what);
            }
        }
    }
    if !missed.is_empty() {
        eprintln!("These rows must meet their aims: {}", missed.join("; "));
        std::process::exit(1);
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn megabytes_a_second(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Returns the settings of the measured servers.
pub(crate) fn settings(base_url: &str) -> settings::Settings {
    ehi::defaults::settings(None, base_url).expect("valid settings").settings
}

/// Creates a directory in the build directory, on a real disk.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}
