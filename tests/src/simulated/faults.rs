//! What goes wrong: at one request, or all the time and everywhere.

use std::time::Duration;

use super::answer::Answer;
use super::limits::GETS;
use super::random::{mixed, strikes};
use super::request::Service;
use super::sqs::Duplicates;

/// What happens at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The worker dies before the request has an effect.
    DieBefore,
    /// The request does its work, and the worker dies before it hears so.
    DieAfter,
    /// The connection breaks before the request has an effect; the SDK tries again.
    LoseBefore,
    /// The request does its work, and its answer is lost; the SDK tries again.
    LoseAfter,
    /// The service is asked too much; the SDK tries again.
    Throttle,
}

impl Cut {
    pub const ALL: [Self; 5] =
        [Self::DieBefore, Self::DieAfter, Self::LoseBefore, Self::LoseAfter, Self::Throttle];
}

/// What goes wrong all the time, each in a thousand requests or deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub seed: u64,
    pub throttled: u64,
    pub lost: u64,
    /// Invocations that die before they are a minute old.
    pub dead: u64,
    pub duplicates: u64,
}

/// Whom the requests come from that are counted and struck: the workers, and nobody else.
#[derive(Debug, Clone, Copy, Default)]
pub enum Faults {
    #[default]
    None,
    /// The n-th request from now on.
    At(u64, Cut),
    Storm(Storm),
    /// S3 takes so many GETs and LISTs of a bucket a second, and refuses the others.
    Slow(u32),
}

/// Keeps deaths apart from what else is drawn from a seed.
const DEATHS: u64 = 0xdead;
/// One invocation in so many lives for so long only: less than a chunk takes.
const YOUNG_ONE_IN: u64 = 16;
const YOUNG: Duration = Duration::from_millis(150);

impl Faults {
    /// How long the n-th invocation lives, if nothing ends it before. The risk of dying is the same in every minute, and one in
    /// a few dies young in every storm.
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

    /// What happens to the n-th request, of an invocation that is still to live or not.
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

    /// GETs and LISTs that one partition of a bucket takes in a second.
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

/// How a service says that it is asked too much.
pub(crate) fn throttling(service: Service, number: u64) -> Answer {
    let json = |code: &str| Answer::json(400, &serde_json::json!({ "__type": code, "message": "slow down" }));
    match service {
        Service::S3 => Answer::xml_error(503, "SlowDown"),
        Service::Sqs => json("com.amazonaws.sqs#RequestThrottled"),
        Service::DynamoDb if number.is_multiple_of(2) => {
            json("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
        }
        Service::DynamoDb => json("com.amazon.coral.availability#ThrottlingException"),
    }
}
