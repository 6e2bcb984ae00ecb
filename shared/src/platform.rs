//! The one list of what the outside gives us.

use std::sync::Arc;

use crate::clock::{Clock, Ids};
use crate::config::Settings;
use crate::ports::files::Files;
use crate::ports::grants::Grants;
use crate::ports::jobs::Jobs;
use crate::ports::queue::Queue;
use crate::ports::records::Records;
use crate::security::keys::Keys;
use crate::security::verify::Verifier;

/// A host for the functions: AWS, one machine, a test. Each function takes from it the ports that its
/// router's state names and no others.
pub trait Platform: Send + Sync {
    fn settings(&self) -> Arc<Settings>;
    fn clock(&self) -> Arc<dyn Clock>;
    fn ids(&self) -> Arc<dyn Ids>;
    fn jobs(&self) -> Arc<dyn Jobs>;
    fn queue(&self) -> Arc<dyn Queue>;
    fn files(&self) -> Arc<dyn Files>;
    fn records(&self) -> Arc<dyn Records>;
    fn grants(&self) -> Arc<dyn Grants>;
    /// The keys that sign tokens.
    fn keys(&self) -> Arc<Keys>;
    /// Verifies access tokens; shared by all routers of a process, so that it remembers what it verified.
    fn verifier(&self) -> Arc<Verifier>;
}
