//! The ports that a host gives to the functions, and operations on them that are not HTTP. This crate knows
//! nothing of HTTP or adapters.

pub mod audit;
pub mod export_slots;
pub mod exports;
pub mod hidden;
pub mod post;
pub mod telemetry;

use std::sync::Arc;

use domain::clock::{Clock, Random};
use domain::error::Result;
use domain::ports::audit::AuditLog;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{Files, Joiner};
use domain::ports::jobs::Jobs;
use domain::ports::queue::Queue;
use domain::ports::records::Records;
use security::keys::Keys;
use security::verify::{VerifiedTokens, Verifier};
use settings::Settings;

/// The settings of a host, and its sources of time and random values.
#[derive(Clone)]
pub struct Context {
    pub settings: Arc<Settings>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// A host of the functions: AWS, one machine, or a test. Each function takes only the ports in its router's state. A
/// port that the host lacks, for example because a variable is not set, is an error that names what is missing.
pub trait Platform: Send + Sync {
    fn context(&self) -> &Context;
    fn jobs(&self) -> Result<Arc<dyn Jobs>>;
    fn queue(&self) -> Result<Arc<dyn Queue>>;
    fn files(&self) -> Result<Arc<dyn Files>>;
    fn joiner(&self) -> Result<Arc<dyn Joiner>>;
    fn records(&self) -> Result<Arc<dyn Records>>;
    fn expiring(&self) -> Result<Arc<dyn ExpiringStore>>;
    /// Returns the audit trail.
    fn audit(&self) -> Result<Arc<dyn AuditLog>>;
    /// Returns the keys that sign tokens.
    fn keys(&self) -> Result<Arc<Keys>>;
    /// Verifies access tokens.
    fn verifier(&self) -> Result<Arc<Verifier>>;
    /// Returns the cache of verified tokens, which all routers of a process share.
    fn verified_tokens(&self) -> Arc<VerifiedTokens>;

    fn settings(&self) -> Arc<Settings> {
        self.context().settings.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.context().clock.clone()
    }

    fn random(&self) -> Arc<dyn Random> {
        self.context().random.clone()
    }
}
