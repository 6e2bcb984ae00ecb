//! Determines the patients of a Binary, and of a resource that belongs to the patients of another resource.

use std::collections::HashSet;

use super::spill::{Fields, put_number, put_text, put_texts};
use crate::Failure;

/// The relation of a resource to the one whose type and id are the key of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// The resource belongs to the patients of the other one.
    Follower,
    /// The resource is that Binary. `has_context`: its securityContext is a resource other than a Patient.
    Itself { has_context: bool },
    /// The resource has that Binary as an attachment, with a relative URL, or with an absolute URL that has this base.
    Attaches(Option<&'a [u8]>),
}

const FOLLOWER: u64 = 0;
const ITSELF: u64 = 1;
const ITSELF_WITH_CONTEXT: u64 = 2;
const RELATIVE: u64 = 3;
const ABSOLUTE: u64 = 4;

/// A stored relation, with the number and the patients of its resource.
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

/// The patients of a resource, as other resources name them.
#[derive(Debug, Default)]
pub(super) struct Ownership<'a> {
    own: HashSet<&'a [u8]>,
    relative: HashSet<&'a [u8]>,
    absolute: HashSet<&'a [u8]>,
    base: Option<&'a [u8]>,
    has_several_bases: bool,
    has_context: bool,
}

impl<'a> Ownership<'a> {
    /// Adds the patients that the resource itself names.
    pub(super) fn add_own(&mut self, homes: Vec<&'a [u8]>) {
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

    /// Returns the patients for a resource with this role, and whether they are used only if no other patients are known.
    ///
    /// An absolute URL may name a Binary of another server with the same id. If all absolute URLs have one base, the input is probably a
    /// dump of that server, and the URLs name its own Binaries. If there are several bases, the server of this Binary is unknown.
    pub(super) fn homes(&self, role: Role<'_>) -> (&HashSet<&'a [u8]>, bool) {
        let certain = if self.own.is_empty() { &self.relative } else { &self.own };
        // The patients of the securityContext are not known here and may differ.
        let is_unknown = role == Role::Follower && self.has_context;
        if !certain.is_empty() || self.has_several_bases || is_unknown {
            return (certain, false);
        }
        (&self.absolute, role != Role::Follower)
    }
}
