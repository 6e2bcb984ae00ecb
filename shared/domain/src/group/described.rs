//! A Group for a response that leaves out its members.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A Group without its members. There can be hundreds of thousands of them, so they are counted and not kept in memory.
#[derive(Debug)]
pub struct Described {
    /// All members of the resource except `member`.
    pub resource: Map<String, Value>,
    /// The number of members; `None` if the resource has no `member`.
    pub members: Option<usize>,
}

impl<'de> Deserialize<'de> for Described {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DescribedVisitor)
    }
}

struct DescribedVisitor;

impl<'de> Visitor<'de> for DescribedVisitor {
    type Value = Described;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Group resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Described, A::Error> {
        let mut described = Described { resource: Map::new(), members: None };
        while let Some(name) = map.next_key::<String>()? {
            if name == "member" {
                described.members = Some(map.next_value::<Vec<IgnoredAny>>()?.len());
            } else {
                described.resource.insert(name, map.next_value()?);
            }
        }
        Ok(described)
    }
}
