//! A Group without its members: its name, their number, and whether the Group lists them.
//!
//! A Group can define its members by criteria instead of listing them, and a modifier extension can change the meaning of
//! the list. This server evaluates neither. An export of such a group would lack patients, or have too many.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::error::Error;
use crate::ids::GroupId;

/// The maximum length of a text of a Group in a message, in characters.
const MAX_SHOWN: usize = 200;
/// The last part of the URL of the extension with the filters of a group (Bulk Data 3.0, Bulk Cohort Group).
const MEMBER_FILTER: &str = "/member-filter";

/// A Group without its members. It takes no memory for them, nor for elements that are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Outline {
    pub name: Option<String>,
    actual: Option<bool>,
    /// FHIR R5 has this code instead of `actual`.
    membership: Option<String>,
    quantity: Option<f64>,
    characteristic: Vec<IgnoredAny>,
    modifier_extension: Vec<Modifier>,
    member: Counted,
}

/// A modifier extension. FHIR forbids ignoring one that is not understood, and this server understands none.
#[derive(Debug, Deserialize)]
struct Modifier {
    #[serde(default)]
    url: String,
}

/// The list of members, which is only counted.
#[derive(Debug, Default)]
struct Counted {
    members: usize,
    /// The first modifier extension of a member.
    modifier: Option<Modifier>,
}

impl Outline {
    /// Returns the number of members, as the Group has them.
    pub fn members(&self) -> usize {
        self.member.members
    }

    /// Returns the error for a group whose members this server cannot determine; `None` if the Group lists them.
    pub fn refusal(&self, group: &GroupId) -> Option<Error> {
        self.fault().map(|fault| {
            let text = format!(
                "Group/{group} cannot be exported: {fault}. Export a Group that lists its members in 'member'"
            );
            Error::NotSupported(text)
        })
    }

    fn fault(&self) -> Option<String> {
        if let Some(modifier) = self.modifier_extension.first() {
            return Some(match modifier.url.ends_with(MEMBER_FILTER) {
                true => {
                    "its members are those who match its filters (member-filter), and this server does not evaluate them"
                        .to_owned()
                }
                false => format!("it has {modifier}"),
            });
        }
        if let Some(modifier) = &self.member.modifier {
            return Some(format!("one of its members has {modifier}"));
        }
        let lists_members =
            self.actual != Some(false) && self.membership.as_deref().is_none_or(|code| code == "enumerated");
        if !lists_members {
            return Some(
                "it defines its members by criteria, and this server does not evaluate them".to_owned(),
            );
        }
        if self.members() > 0 {
            return None;
        }
        match self.quantity {
            Some(quantity) if quantity > 0.0 => {
                Some(format!("it has a quantity of {quantity} and no list of members"))
            }
            _ if !self.characteristic.is_empty() => {
                Some("it has characteristics and no list of members".to_owned())
            }
            _ => None,
        }
    }

    /// Returns a text about a Group that counts more members than it lists.
    pub(super) fn shortfall(&self, group: &GroupId) -> Option<String> {
        let quantity = self.quantity?;
        let listed = u32::try_from(self.members()).map_or(f64::INFINITY, f64::from);
        (quantity > listed).then(|| {
            let listed = self.members();
            format!("Group/{group} has a quantity of {quantity} and lists {listed} members: the others are not exported")
        })
    }
}

impl fmt::Display for Modifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url: String = self.url.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
        write!(formatter, "the modifier extension '{url}', which this server does not support")
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CountedVisitor)
    }
}

struct CountedVisitor;

impl<'de> Visitor<'de> for CountedVisitor {
    type Value = Counted;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Counted, A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Member {
            #[serde(default)]
            modifier_extension: Vec<Modifier>,
        }

        let mut counted = Counted::default();
        while let Some(Member { modifier_extension }) = members.next_element()? {
            counted.members += 1;
            counted.modifier = counted.modifier.or_else(|| modifier_extension.into_iter().next());
        }
        Ok(counted)
    }
}
