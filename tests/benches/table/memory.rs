//! Peak memory of a server that exports one patient's record of 100 MB and of 2 GB, as Linux counts it (VmHWM).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Aim, Row, Scale, directory};

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let sizes = [(scale.of(100, 20), "small"), (scale.of(2_000, 200), "large")];
    let peaks = sizes.map(|(megabytes, _)| peak(megabytes));
    let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    sizes
        .iter()
        .zip(peaks)
        .map(|((size, _), peak)| Row {
            what: format!("peak memory, export of {size} MB"),
            measured: megabytes(peak),
            yardstick: format!("export of {} MB: {}", sizes[0].0, megabytes(peaks[0])),
            ratio: Some(peak / peaks[0]),
            aim: Aim::at_most(64.0, "MB", peak / 1e6).and(Aim::ratio_at_most(1.00, peak / peaks[0])),
        })
        .collect()
}

/// Returns the peak memory in bytes of a server while a client in another process exports from it.
fn peak(megabytes: u64) -> f64 {
    let (lake, state, out) = (directory(), directory(), directory());
    large_patient(lake.path(), megabytes * 1_000_000);
    let mut server = serve(lake.path(), state.path());
    let mut lines = BufReader::new(server.stderr.take().expect("piped")).lines();
    let greeting = lines
        .find_map(|line| line.ok().filter(|line| line.starts_with("The export server")))
        .expect("a greeting");
    std::thread::spawn(move || lines.for_each(drop));
    let base = greeting.split_whitespace().last().expect("an address").to_owned();
    let exported = program()
        .args([
            "export",
            "--patient",
            "large",
            "--full",
            "--auto-approve",
            "--server",
            &format!("{base}/fhir"),
            "--out",
        ])
        .arg(out.path())
        .output()
        .expect("the program runs");
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let peak = peak_of(&server.id().to_string());
    server.kill().expect("ended");
    server.wait().expect("ended");
    peak
}

/// Returns the peak memory of a process in bytes, as Linux counts it (VmHWM).
pub(crate) fn peak_of(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}

/// Returns the program that `cargo xtask bench` built.
fn program() -> Command {
    let release =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory").join("release/ehi");
    Command::new(release)
}

fn serve(lake: &Path, state: &Path) -> Child {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--records"]).arg(lake).arg("--state").arg(state);
    command.stderr(Stdio::piped()).spawn().expect("the program runs")
}

/// Writes one patient whose record has this many bytes: the lines of a sample patient, repeated.
pub(crate) fn large_patient(lake: &Path, bytes: u64) {
    let sample = directory();
    ehi::sample::write(1, 1, sample.path(), &indicatif::ProgressBar::hidden()).expect("a sample");
    let patient = std::fs::read_dir(sample.path().join("Patient"))
        .expect("a patient")
        .next()
        .expect("one")
        .expect("one");
    let lines = std::fs::read(patient.path().join("records.ndjson")).expect("lines");
    let directory = lake.join("Patient/large");
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut file = std::fs::File::create(directory.join("records.ndjson")).expect("a file");
    for _ in 0..=bytes / lines.len() as u64 {
        file.write_all(&lines).expect("written");
    }
}
