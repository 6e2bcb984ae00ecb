//! Counts requests by stage and operation, units by partition key, and the load of the busiest key.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::dynamodb::Used;
use super::limits::{GETS, PUTS, READ_UNITS, WRITE_UNITS};
use super::request::Service;

/// The part of an export that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The test itself, and the functions that serve clients.
    Outside,
    /// The queue's own deliveries.
    Delivery,
    Plan,
    Chunk,
    Finish,
}

/// Loads are averaged over windows of this many seconds.
const WINDOW: u64 = 10;

/// The load of one partition.
#[derive(Debug, Clone, Default)]
struct Load {
    window: u64,
    in_window: f64,
    /// The highest load of a window.
    peak: f64,
}

/// A partition, and whether it was written or read.
type Place = (&'static str, String, bool);

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct Meter {
    counts: BTreeMap<(Stage, Service, &'static str), u64>,
    half_reads: u64,
    writes: u64,
    /// The read units of each table, in halves, and its write units.
    by_table: BTreeMap<&'static str, (u64, u64)>,
    loads: HashMap<(Stage, Place), Load>,
    /// The requests that a service refused, because a partition was busy.
    refused: BTreeMap<Service, u64>,
    /// The largest body of a request or a response in bytes, by stage and operation.
    largest: BTreeMap<(Stage, &'static str), usize>,
}

/// The busiest partition of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Hottest {
    /// The table and its key, or the bucket and its partition.
    pub key: String,
    /// The load in percent of the capacity of one partition.
    pub percent: f64,
}

impl Meter {
    pub(crate) fn count(&mut self, stage: Stage, service: Service, operation: &'static str, times: u64) {
        *self.counts.entry((stage, service, operation)).or_default() += times;
    }

    /// Counts requests that were refused.
    pub(crate) fn refuse(&mut self, service: Service, times: u64) {
        *self.refused.entry(service).or_default() += times;
    }

    /// Removes a request from the counts, which was refused: S3 does not bill it.
    pub(crate) fn uncount(&mut self, stage: Stage, service: Service, operation: &'static str) {
        if let Some(count) = self.counts.get_mut(&(stage, service, operation)) {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) fn size(&mut self, stage: Stage, operation: &'static str, bytes: usize) {
        let known = self.largest.entry((stage, operation)).or_default();
        *known = bytes.max(*known);
    }

    pub(crate) fn units(&mut self, stage: Stage, used: &Used, now: Duration) {
        self.half_reads += used.half_reads;
        self.writes += used.writes;
        let of_table = self.by_table.entry(used.table).or_default();
        *of_table = (of_table.0 + used.half_reads, of_table.1 + used.writes);
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let (reads, writes) = (used.half_reads as f64 / 2.0 / READ_UNITS, used.writes as f64 / WRITE_UNITS);
        for (share, writes) in [(reads, false), (writes, true)] {
            if share > 0.0 {
                self.load(stage, (used.table, used.hash.clone(), writes), share, now);
            }
        }
    }

    /// Adds requests to one partition of a bucket.
    pub(crate) fn objects(
        &mut self,
        stage: Stage,
        part: (&'static str, String),
        writes: bool,
        times: f64,
        now: Duration,
    ) {
        let share = times / if writes { PUTS } else { GETS };
        self.load(stage, (part.0, part.1, writes), share, now);
    }

    fn load(&mut self, stage: Stage, place: Place, share: f64, now: Duration) {
        let load = self.loads.entry((stage, place)).or_default();
        let window = now.as_secs() / WINDOW;
        if load.window != window {
            (load.window, load.in_window) = (window, 0.0);
        }
        load.in_window += share;
        load.peak = load.peak.max(load.in_window);
    }

    /// Returns how often operations were called in these stages; in all stages if the list is empty.
    pub fn calls(&self, stages: &[Stage], operations: &[&str]) -> u64 {
        let is_it = |(stage, _, operation): &(Stage, Service, &'static str)| {
            (stages.is_empty() || stages.contains(stage)) && operations.contains(operation)
        };
        self.counts.iter().filter(|(key, _)| is_it(key)).map(|(_, count)| count).sum()
    }

    /// Returns all counts of the stages that work for exports.
    pub fn counts(&self) -> BTreeMap<(Stage, &'static str), u64> {
        let ours = self.counts.iter().filter(|((stage, ..), _)| *stage != Stage::Outside);
        ours.map(|((stage, _, operation), count)| ((*stage, *operation), *count)).collect()
    }

    pub fn of_service(&self, service: Service) -> u64 {
        let ours =
            self.counts.iter().filter(|((stage, known, _), _)| *stage != Stage::Outside && *known == service);
        ours.map(|(_, count)| count).sum()
    }

    /// Returns the read units, in halves, and the write units.
    pub fn capacity(&self) -> (u64, u64) {
        (self.half_reads, self.writes)
    }

    /// Returns the read units of a table, in halves, and its write units.
    pub fn capacity_of(&self, table: &str) -> (u64, u64) {
        self.by_table.get(table).copied().unwrap_or_default()
    }

    /// Returns the number of requests that were refused, by all services.
    pub fn throttled(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Returns the number of requests that a service refused.
    pub fn refused(&self, service: Service) -> u64 {
        self.refused.get(&service).copied().unwrap_or_default()
    }

    /// Returns the busiest key of a table, or partition of a bucket, during these stages.
    pub fn hottest(&self, names: &[&str], stages: &[Stage]) -> Option<Hottest> {
        let mut places: HashMap<&Place, f64> = HashMap::new();
        for ((stage, place), load) in &self.loads {
            if stages.contains(stage) && names.contains(&place.0) {
                *places.entry(place).or_default() += load.peak;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let window = WINDOW as f64;
        let hottest = places.into_iter().max_by(|(one_place, one), (other_place, other)| {
            one.total_cmp(other).then_with(|| one_place.cmp(other_place))
        });
        hottest.map(|((name, key, writes), peak)| {
            let what = if *writes { "writes" } else { "reads" };
            Hottest { key: format!("{name} {key} ({what})"), percent: peak / window * 100.0 }
        })
    }
}
