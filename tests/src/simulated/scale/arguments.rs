//! The arguments of `cargo xtask scale`, and the exports that they stand for.

use super::Plan;
use crate::simulated::lake::{Lake, shared_of};

const SIZES: [u64; 5] = [1_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// The sizes that are also exported from a new bucket, which has one partition.
const SIZES_OF_NEW_BUCKETS: [u64; 2] = [1_000_000, 10_000_000];
/// The average number of bytes of a patient's records.
const MEAN_BYTES: u64 = 470_000;
/// The value in `template.yaml`.
pub const CHUNK_BYTES: u64 = 128 * 1024 * 1024;
/// The number of workers for which the targets are made.
const WORKERS: usize = 500;
/// The number of S3 partitions that serve the reads of the lake at one time, unless the arguments name another.
pub const PARTITIONS: u32 = 4;

const USAGE: &str = "the arguments are numbers of patients, or `faults`; `--partitions N` and `--workers N` apply to the numbers after them";

/// Returns the export of a number of patients from a lake that S3 has split, with the settings of `template.yaml` and 500 workers.
pub fn plan_of(patients: u64) -> Plan {
    let lake = Lake { patients, mean_bytes: MEAN_BYTES, shared: shared_of(patients), seed: 7 };
    Plan { lake, concurrency: WORKERS, chunk_bytes: CHUNK_BYTES, modelled: true, partitions: PARTITIONS }
}

/// Returns the exports that the arguments name: all sizes if they name no number of patients.
pub fn plans(arguments: &[String]) -> Result<Vec<Plan>, String> {
    let (mut plans, mut partitions, mut workers) = (Vec::new(), None, None);
    let mut rest = arguments.iter().map(String::as_str);
    let plan = |patients, partitions: Option<u32>, workers: Option<usize>| {
        let plan = plan_of(patients);
        Plan {
            partitions: partitions.unwrap_or(plan.partitions),
            concurrency: workers.unwrap_or(plan.concurrency),
            ..plan
        }
    };
    while let Some(argument) = rest.next() {
        match argument {
            "--partitions" => partitions = Some(count(rest.next())?),
            "--workers" => workers = Some(count(rest.next())?),
            patients => plans.push(plan(count(Some(patients))?, partitions, workers)),
        }
    }
    if plans.is_empty() {
        plans.extend(SIZES.map(|patients| plan(patients, partitions, workers)));
        if partitions.is_none() {
            plans.extend(SIZES_OF_NEW_BUCKETS.map(|patients| plan(patients, Some(1), workers)));
        }
    }
    Ok(plans)
}

/// Returns a number of at least 1, which may have underscores.
fn count<N: TryFrom<u64>>(argument: Option<&str>) -> Result<N, String> {
    let number = argument.and_then(|text| text.replace('_', "").parse::<u64>().ok());
    let number = number.filter(|number| *number > 0).and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| USAGE.to_owned())
}
