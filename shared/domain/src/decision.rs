//! The decision on one resource, as the [ledger](crate::ledger) counts it.

use crate::ledger::Reason;
use crate::sensitive::Sensitive;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Keep,
    LeaveOut(Reason),
    /// Selected, but of a category that the patient did not authorize.
    Withhold(Sensitive),
    /// Selected, but with a security label that cannot be read: it may be of any category.
    Unreadable,
}
