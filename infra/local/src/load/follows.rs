//! Whom a Binary belongs to, and what follows it or another resource.

use std::collections::HashSet;

use super::spill::{Fields, put_number, put_text, put_texts};
use crate::Failure;

/// What a resource is to the one under whose type and id a record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// It belongs to whom the other belongs to.
    Follower,
    /// It is that Binary. `has_context`: access to it follows a resource that is no Patient.
    Itself { has_context: bool },
    /// It has that Binary as an attachment: under a relative URL, or under an absolute one with this base.
    Attaches(Option<&'a [u8]>),
}

const FOLLOWER: u64 = 0;
const ITSELF: u64 = 1;
const ITSELF_WITH_CONTEXT: u64 = 2;
const RELATIVE: u64 = 3;
const ABSOLUTE: u64 = 4;

/// A record of such a resource, with its number and its patients.
pub(super) struct Follow<'a> {
    pub(super) key: &'a [u8],
    pub(super) number: u64,
    pub(super) role: Role<'a>,
    pub(super) homes: Vec<&'a [u8]>,
}

pub(super) fn put_follow<T: AsRef<[u8]>>(
    buffer: &mut Vec<u8>,
    key: &[u8],
    number: u64,
    role: Role<'_>,
    homes: &[T],
) {
    put_text(buffer, key);
    put_number(buffer, number);
    match role {
        Role::Follower => put_number(buffer, FOLLOWER),
        Role::Itself { has_context: false } => put_number(buffer, ITSELF),
        Role::Itself { has_context: true } => put_number(buffer, ITSELF_WITH_CONTEXT),
        Role::Attaches(None) => put_number(buffer, RELATIVE),
        Role::Attaches(Some(base)) => {
            put_number(buffer, ABSOLUTE);
            put_text(buffer, base);
        }
    }
    put_texts(buffer, homes);
}

impl<'a> Follow<'a> {
    pub(super) fn read(fields: &mut Fields<'a>) -> Result<Self, Failure> {
        let (key, number) = (fields.text()?, fields.number()?);
        let role = match fields.number()? {
            ITSELF => Role::Itself { has_context: false },
            ITSELF_WITH_CONTEXT => Role::Itself { has_context: true },
            RELATIVE => Role::Attaches(None),
            ABSOLUTE => Role::Attaches(Some(fields.text()?)),
            _ => Role::Follower,
        };
        Ok(Self { key, number, role, homes: fields.texts()? })
    }
}

/// What tells whom a resource belongs to.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    own: HashSet<&'a [u8]>,
    relative: HashSet<&'a [u8]>,
    absolute: HashSet<&'a [u8]>,
    base: Option<&'a [u8]>,
    has_several_bases: bool,
    has_context: bool,
}

impl<'a> Claims<'a> {
    /// The patients that the resource itself names.
    pub(super) fn own(&mut self, homes: Vec<&'a [u8]>) {
        self.own.extend(homes);
    }

    pub(super) fn add(&mut self, role: Role<'a>, homes: Vec<&'a [u8]>) {
        match role {
            Role::Follower => {}
            Role::Itself { has_context } => self.has_context |= has_context,
            Role::Attaches(None) => self.relative.extend(homes),
            Role::Attaches(Some(base)) => {
                self.has_several_bases |= *self.base.get_or_insert(base) != base;
                self.absolute.extend(homes);
            }
        }
    }

    /// The patients for one that has this role, and whether they count only where nothing else tells any.
    ///
    /// An absolute URL may mean a Binary of another server with the same id. A dump of one server names its own Binaries
    /// so, with one base; with several nobody can tell which server this Binary is from.
    pub(super) fn homes(&self, role: Role<'_>) -> (&HashSet<&'a [u8]>, bool) {
        let sure = if self.own.is_empty() { &self.relative } else { &self.own };
        // Whom the context belongs to is not known here: it may be another patient.
        let is_unknown = role == Role::Follower && self.has_context;
        if !sure.is_empty() || self.has_several_bases || is_unknown {
            return (sure, false);
        }
        (&self.absolute, role != Role::Follower)
    }
}
