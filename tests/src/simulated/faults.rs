//! The faults of a simulation: one request fails, or requests fail at random all the time.

use std::time::Duration;

use super::limits::GETS;
use super::random::{mixed, strikes};
use super::request::Service;
use super::response::SimulatedResponse;
use super::sqs::Duplicates;

/// The fault at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The worker dies before the request has an effect.
    DieBefore,
    /// The request has its effect, and the worker dies before it gets the response.
    DieAfter,
    /// The connection breaks before the request has an effect; the SDK tries again.
    LoseBefore,
    /// The request has its effect, and its response is lost; the SDK tries again.
    LoseAfter,
    /// The service throttles the request; the SDK tries again.
    Throttle,
}

impl Cut {
    pub const ALL: [Self; 5] =
        [Self::DieBefore, Self::DieAfter, Self::LoseBefore, Self::LoseAfter, Self::Throttle];
}

/// The rates of random faults, each per thousand requests or deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub seed: u64,
    pub throttled: u64,
    pub lost: u64,
    /// Invocations that die before they are a minute old.
    pub dead: u64,
    pub duplicates: u64,
}

/// The faults of a simulation. Only the requests of workers are counted and struck.
#[derive(Debug, Clone, Copy, Default)]
pub enum Faults {
    #[default]
    None,
    /// A fault at the n-th request from now on.
    At(u64, Cut),
    Storm(Storm),
    /// S3 accepts this number of GET and LIST requests per second for a bucket, and throttles the others.
    Slow(u32),
}

/// Separates the random numbers for deaths from others with the same seed.
const DEATHS: u64 = 0xdead;
/// One invocation in this number lives only for [`YOUNG`], which is shorter than a chunk takes.
const YOUNG_ONE_IN: u64 = 16;
const YOUNG: Duration = Duration::from_millis(150);

impl Faults {
    /// Returns how long the n-th invocation lives, if the storm kills workers. The risk of dying is the same in every minute, and
    /// a fixed share of the invocations dies young in every storm.
    pub(crate) fn life(self, number: u64) -> Option<Duration> {
        let Self::Storm(storm) = self else { return None };
        let minutes = |at: u64, per_thousand: u64| {
            let left = 1.0 - f64_of(per_thousand) / 1000.0;
            (f64_of(at + 1) / 1_000_000.0).ln() / left.ln()
        };
        if storm.dead > 0 && (number + storm.seed).is_multiple_of(YOUNG_ONE_IN) {
            return Some(YOUNG);
        }
        let at = mixed(storm.seed.wrapping_mul(1_000_003).wrapping_add(number) ^ DEATHS) % 1_000_000;
        (storm.dead > 0).then(|| Duration::from_secs_f64(60.0 * minutes(at, storm.dead)))
    }

    /// Returns the fault at the n-th request; `is_over` is whether the life of its invocation is over.
    pub(crate) fn of(self, number: u64, is_over: bool) -> Option<Cut> {
        match self {
            Self::None | Self::Slow(_) => None,
            Self::At(at, cut) => (number == at).then_some(cut),
            Self::Storm(storm) => {
                let side =
                    |before, after| if mixed(number ^ storm.seed).is_multiple_of(2) { before } else { after };
                if is_over {
                    Some(side(Cut::DieBefore, Cut::DieAfter))
                } else if strikes(storm.seed ^ 1, number, storm.throttled) {
                    Some(Cut::Throttle)
                } else if strikes(storm.seed ^ 2, number, storm.lost) {
                    Some(side(Cut::LoseBefore, Cut::LoseAfter))
                } else {
                    None
                }
            }
        }
    }

    pub(crate) fn duplicates(self) -> Duplicates {
        match self {
            Self::Storm(storm) => Duplicates { seed: storm.seed, of_thousand: storm.duplicates },
            Self::None | Self::At(..) | Self::Slow(_) => Duplicates::default(),
        }
    }

    /// Returns the number of GET and LIST requests that one partition of a bucket accepts per second.
    pub(crate) fn gets(self) -> f64 {
        match self {
            Self::Slow(gets) => f64::from(gets),
            Self::None | Self::At(..) | Self::Storm(_) => GETS,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "below a million")]
fn f64_of(number: u64) -> f64 {
    number as f64
}

/// Returns the response by which a service throttles a request.
pub(crate) fn throttling(service: Service, number: u64) -> SimulatedResponse {
    let json = |code: &str| {
        SimulatedResponse::json(400, &serde_json::json!({ "__type": code, "message": "slow down" }))
    };
    match service {
        Service::S3 => SimulatedResponse::xml_error(503, "SlowDown"),
        Service::Sqs => json("com.amazonaws.sqs#RequestThrottled"),
        Service::DynamoDb if number.is_multiple_of(2) => {
            json("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
        }
        Service::DynamoDb => json("com.amazon.coral.availability#ThrottlingException"),
    }
}
