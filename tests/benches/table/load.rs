//! `ehi load`: converts lines by type, as in a bulk export, into the records of patients. It is compared with a copy of
//! the same files, and with the closest equivalent in DuckDB, if it is installed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use indicatif::ProgressBar;

use crate::engine::best_of;
use crate::{Aim, Row, Scale, directory, megabytes_a_second};

/// Orders the lines by patient and writes a file for each, as far as DuckDB supports it.
const DUCKDB: &str = "
import duckdb, sys, time
started = time.time()
duckdb.sql(f\"\"\"
    COPY (SELECT coalesce(regexp_extract(line, '\"reference\":\"Patient/([^\"]+)', 1), '') AS patient, line
          FROM read_csv('{sys.argv[1]}/*.ndjson', columns={{'line': 'VARCHAR'}}, delim='\\x01', quote='', escape='', header=false, max_line_size=20000000))
    TO '{sys.argv[2]}' (FORMAT csv, PARTITION_BY (patient), QUOTE '', ESCAPE '', DELIMITER '\\x01', HEADER false)\"\"\")
print(time.time() - started)
";

pub(crate) fn rows(scale: Scale) -> Vec<Row> {
    let lines = directory();
    let (patients, bytes) = (scale.of(2_200, 100), by_type(scale.of(2_200, 100), lines.path()));
    let best = |part: &str, cores: &str| best_of(3, part, lines.path(), cores);
    let copy = best("load-copy", "0,1");
    let mut rows = Vec::new();
    for (cores, name, aim) in [("0", "one core", None), ("0,1", "two cores", Some(250.0))] {
        let load = best("load", cores);
        rows.push(Row {
            what: format!("`ehi load`, {patients} patients, {name}, {:.1} MB at most", load.peak / 1e6),
            measured: format!("{:.0} MB/s, {:.0} resources/s", load.rate, load.resources),
            yardstick: format!("copy, left in memory: {:.0} MB/s", copy.rate),
            ratio: Some(load.rate / copy.rate),
            aim: aim.map_or_else(Aim::none, |aim| Aim::at_least(aim, "MB/s", load.rate)),
        });
        if let Some(duckdb) = duckdb(lines.path(), bytes, cores) {
            rows.push(Row {
                what: format!("`ehi load`, {patients} patients, {name}"),
                measured: format!("{:.0} MB/s", load.rate),
                yardstick: format!("DuckDB, lines to a file for each patient: {duckdb:.0} MB/s"),
                ratio: Some(load.rate / duckdb),
                aim: Aim::ratio_at_least(1.00, load.rate / duckdb),
            });
        }
    }
    rows
}

/// Writes a sample in the form of a bulk export: one file per type. Returns its number of bytes.
fn by_type(patients: u64, into: &Path) -> u64 {
    let lake = directory();
    ehi::sample::write(patients, 1, lake.path(), &ProgressBar::hidden()).expect("a sample");
    let mut files: BTreeMap<String, BufWriter<File>> = BTreeMap::new();
    let mut bytes = 0;
    let mut directories = vec![lake.path().join("shared")];
    let entries = std::fs::read_dir(lake.path().join("Patient")).expect("patients");
    directories.extend(entries.map(|entry| entry.expect("an entry").path()));
    for directory in directories {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let file = File::open(entry.expect("an entry").path()).expect("a file");
            for line in BufReader::new(file).lines() {
                let line = line.expect("a line");
                let (_, rest) = line.split_once("\"resourceType\":\"").expect("a resource");
                let (name, _) = rest.split_once('"').expect("a type");
                let file = files.entry(name.to_owned()).or_insert_with(|| {
                    BufWriter::new(File::create(into.join(format!("{name}.ndjson"))).expect("a file"))
                });
                writeln!(file, "{line}").expect("written");
                bytes += line.len() as u64 + 1;
            }
        }
    }
    bytes
}

/// Runs a part in this process. Returns its start time, its bytes and its resources.
pub(crate) fn part(part: &str, lines: &Path, output: &Path) -> (Instant, u64, u64) {
    let entries = std::fs::read_dir(lines).expect("a directory");
    let files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let bytes = files.iter().map(|file| file.metadata().expect("a file").len()).sum();
    let started = Instant::now();
    if part == "load-copy" {
        for file in &files {
            std::fs::copy(file, output.join(file.file_name().expect("a name"))).expect("copied");
        }
        return (started, bytes, 0);
    }
    let loaded = ehi::load::load(&[lines.to_owned()], output, &ProgressBar::hidden()).expect("loaded");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    (started, bytes, loaded.resources + loaded.shared)
}

/// Returns the MB/s of DuckDB; `None` if Python does not have the module.
fn duckdb(lines: &Path, bytes: u64, cores: &str) -> Option<f64> {
    let output = directory();
    let mut run = Command::new("taskset");
    run.args(["-c", cores, "python3", "-c", DUCKDB]).arg(lines).arg(output.path().join("lake"));
    let run = run.output().ok().filter(|run| run.status.success())?;
    // A progress bar may come before the time.
    let seconds: f64 = String::from_utf8_lossy(&run.stdout).split_whitespace().last()?.parse().ok()?;
    Some(megabytes_a_second(bytes, std::time::Duration::from_secs_f64(seconds)))
}
