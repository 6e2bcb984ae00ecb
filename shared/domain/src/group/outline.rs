//! A Group without its members: its name, their number, and whether the Group lists them.
//!
//! A Group can define its members by criteria instead of listing them, and a modifier extension can change the meaning of
//! the list. This server evaluates neither. An export of such a group would lack patients, or have too many.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
    /// Reads the beginning of a Group. Returns what it has until there, and whether the Group ends there.
    ///
    /// # Errors
    ///
    /// The text is not the beginning of a Group in JSON.
    pub fn of_head(text: &[u8]) -> serde_json::Result<(Self, bool)> {
        let mut outline = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        match deserializer.deserialize_map(Head(&mut outline)).and_then(|()| deserializer.end()) {
            Ok(()) => Ok((outline, true)),
            Err(error) if error.is_eof() => Ok((outline, false)),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the Group says that it does not list its members, so that the rest of it changes nothing.
    pub fn is_refused(&self) -> bool {
        self.stated_fault().is_some()
    }

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
        self.stated_fault().or_else(|| self.missing_list())
    }

    /// Returns what an element says that this server does not support.
    fn stated_fault(&self) -> Option<String> {
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
        (!lists_members)
            .then(|| "it defines its members by criteria, and this server does not evaluate them".to_owned())
    }

    /// Returns why a Group without members is not an empty one.
    fn missing_list(&self) -> Option<String> {
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

/// Reads a Group into an outline, which has everything before the text ends.
struct Head<'o>(&'o mut Outline);

impl<'de> Visitor<'de> for Head<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Group")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self(outline) = self;
        while let Some(name) = elements.next_key::<String>()? {
            match name.as_str() {
                "name" => outline.name = elements.next_value()?,
                "actual" => outline.actual = elements.next_value()?,
                "membership" => outline.membership = elements.next_value()?,
                "quantity" => outline.quantity = elements.next_value()?,
                "characteristic" => outline.characteristic = elements.next_value()?,
                "modifierExtension" => outline.modifier_extension = elements.next_value()?,
                "member" => elements.next_value_seed(&mut outline.member)?,
                _ => _ = elements.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut counted = Self::default();
        counted.deserialize_into(deserializer)?;
        Ok(counted)
    }
}

impl Counted {
    fn deserialize_into<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Counted {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize_into(deserializer)
    }
}

impl<'de> Visitor<'de> for &mut Counted {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of members")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Member {
            #[serde(default)]
            modifier_extension: Vec<Modifier>,
        }

        while let Some(Member { modifier_extension }) = members.next_element()? {
            self.members += 1;
            if self.modifier.is_none() {
                self.modifier = modifier_extension.into_iter().next();
            }
        }
        Ok(())
    }
}
