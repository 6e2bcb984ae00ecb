//! What is learned about a referenced resource, as a line of a file: the shard of the resource may be in the store meanwhile.

use std::cmp::Reverse;

use domain::error::{Error, Result};
use domain::filter::ReferredBy;
use serde::{Deserialize, Serialize};

use crate::references::Mention;

/// The time of a Provenance in microseconds, and its reference. The greatest one is the latest.
pub(crate) type Candidate = (i64, Reverse<String>);

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum News {
    /// Resources of patients' records refer to it.
    #[serde(rename = "m")]
    Mentioned(Mention),
    /// A resource of `shared/` refers to it.
    #[serde(rename = "r")]
    Requested(ReferredBy),
    /// It is Provenance, and this target of it is exported or, for [`ReferredBy::LeftOut`], was left out only by `_since`.
    #[serde(rename = "t")]
    TargetOf(ReferredBy, String),
    /// This Provenance is about it.
    #[serde(rename = "p")]
    Candidate(Candidate),
    /// It is the latest Provenance of one of its targets.
    #[serde(rename = "c")]
    Chosen,
}

/// News of the resource with this reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message(pub(crate) String, pub(crate) News);

impl Message {
    /// Appends the message as a line.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(&mut *buffer, self)?;
        buffer.push(b'\n');
        Ok(())
    }

    pub(crate) fn read(line: &[u8]) -> Result<Self> {
        serde_json::from_slice(line).map_err(Error::reading)
    }
}
