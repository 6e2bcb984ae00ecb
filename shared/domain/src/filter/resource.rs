//! Reads a resource for the filter: once, and only the parts that the filter needs.

use fhir::facts::{Days, Facts};
use fhir::head::{Head, Members, NotAResource, Plain, head, head_and_facts, head_and_members};
use fhir::json;

use super::Filter;
use crate::selector::Selector;

/// A line that is a resource.
pub struct Resource<'l> {
    pub head: Head<'l>,
    pub(super) details: Details<'l>,
}

/// The parts of a resource that the filter needs.
pub(super) enum Details<'l> {
    Nothing,
    Facts(Facts<'l>),
    Members(Members<'l>),
}

impl Filter<'_> {
    /// Reads a line. `plain` is a buffer for its plain spelling.
    pub fn read<'l>(&self, line: &'l [u8], plain: &'l mut Plain) -> Result<Resource<'l>, NotAResource> {
        let (head, details) = match self {
            Self::Everything => (head(line, plain)?, Details::Nothing),
            Self::Choices(_) => {
                let (head, facts) = head_and_facts(line, plain)?;
                (head, Details::Facts(facts))
            }
            Self::Selection(_) => {
                let (head, members) = head_and_members(line, plain)?;
                (head, Details::Members(members))
            }
        };
        Ok(Resource { head, details })
    }
}

impl Resource<'_> {
    /// Returns the days of the event that it describes, if the filter reads dates.
    pub fn days(&self) -> Option<&Days> {
        match &self.details {
            Details::Facts(facts) => facts.days.as_ref(),
            Details::Nothing | Details::Members(_) => None,
        }
    }

    /// Returns when the resource changed, in microseconds; `None` if it has no time.
    pub fn changed(&self) -> Option<i64> {
        let text = self.head.text;
        let meta = match &self.details {
            Details::Members(members) => members.get(b"meta"),
            Details::Nothing | Details::Facts(_) => json::member(text, 0..text.len(), b"meta"),
        };
        Selector::last_updated(text, meta?)
    }
}
