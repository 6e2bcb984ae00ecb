//! The position in the link to the next page of groups.
//!
//! A page ends before a group that was not read, so the token may not be permitted to see it. Therefore its id is encrypted, and a client
//! cannot choose where a page begins: otherwise the links would show which groups exist. A position is valid for the list, the search and
//! the owner of the token for which it was made.

use domain::clock::Random;
use domain::error::{Error, Result};
use domain::ids::GroupId;
use domain::request::Base;
use security::keys::Keys;
use security::verify::Caller;

use crate::KickOff;

/// Seals and reads the positions of a list.
pub(super) struct Positions<'k> {
    keys: &'k Keys,
    random: &'k dyn Random,
    purpose: String,
}

impl<'k> Positions<'k> {
    /// Makes the positions of a list. `search` is urlencoded, so no part of the purpose but the last one has a line break.
    pub(super) fn of(state: &'k KickOff, base: Base, search: &str, caller: &Caller) -> Self {
        let purpose = format!("page of groups\n{}\n{search}\n{}", base.path(), caller.owner().key());
        Self { keys: &state.keys, random: &*state.random, purpose }
    }

    /// Seals the id of a group. All ids become equally long.
    pub(super) fn seal(&self, id: &GroupId) -> Result<String> {
        self.keys.seal(&self.purpose, &format!("{:<64}", id.as_str()), self.random)
    }

    /// Returns the id that was sealed for this list.
    pub(super) fn read(&self, sealed: &str) -> Result<GroupId> {
        let id = self.keys.unsealed(&self.purpose, sealed);
        let id = id.and_then(|id| GroupId::parse(id.trim_end()).ok());
        id.ok_or_else(|| {
            let text = "'from' is not from a link of this list: start the search again, and follow its links with the relation 'next'";
            Error::invalid(text)
        })
    }
}
