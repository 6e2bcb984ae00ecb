//! The roles of staff: what a member of staff may do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A role, with its name in settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads exports, decides about them, and attaches and removes files.
    Reviewer,
    /// Maintains the server: its settings and accounts.
    Administrator,
    /// Reads the audit trail.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Reviewer, Self::Administrator, Self::Auditor];

    /// Returns the name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }
}

/// The roles of one person. A person without a role is not a member of staff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<R: IntoIterator<Item = Role>>(roles: R) -> Self {
        Self(roles.into_iter().collect())
    }
}
