//! What goes wrong: at one request, or all the time and everywhere.

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
    /// Workers that die, in a hundred thousand requests.
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

impl Faults {
    /// What happens to the n-th request.
    pub(crate) fn of(self, number: u64) -> Option<Cut> {
        match self {
            Self::None | Self::Slow(_) => None,
            Self::At(at, cut) => (number == at).then_some(cut),
            Self::Storm(storm) => {
                let side =
                    |before, after| if mixed(number ^ storm.seed).is_multiple_of(2) { before } else { after };
                let dies = mixed(storm.seed.wrapping_add(number).wrapping_mul(31)) % 100_000 < storm.dead;
                if dies {
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
