//! Ids. A text is checked once, by `parse`; the inner value is private, so that every id in the program is valid.

use std::fmt;

use fhir::ids::is_fhir_id;
use serde::{Deserialize, Serialize};

/// A text is not a valid id. The error names the kind of id and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId($what)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// The id of a Patient resource.
    PatientId, "patient id", is_fhir_id
);
text_id!(
    /// The id of a Group resource.
    GroupId, "group id", is_fhir_id
);
text_id!(
    /// The id of a registered client: printable ASCII without spaces (RFC 6749, appendix A.1), at most 128 bytes.
    ClientId, "client id",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);
text_id!(
    /// The id of a job: a UUID in its usual spelling, with lower-case digits and hyphens. New ids have version 7.
    JobId, "job id",
    |text| text.len() == 36 && uuid::Uuid::parse_str(text).is_ok_and(|id| id.to_string() == text)
);
text_id!(
    /// The id of one attempt at a chunk: 16 hexadecimal digits, different for every delivery of the task.
    Attempt, "attempt",
    |text| text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
);
text_id!(
    /// The name of a file, which is one segment of a URL and of a storage key: at most 160 letters, digits, `.`, `-` and
    /// `_`, of which the first is not a dot.
    FileName, "file name",
    |text| (1..=160).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
);

impl JobId {
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id.to_string())
    }

    /// Returns an id that no job ever has.
    pub fn of_no_job() -> Self {
        Self::from_uuid(uuid::Uuid::nil())
    }
}

impl Attempt {
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(format!("{:016x}", u64::from_be_bytes(bytes)))
    }
}

impl FileName {
    /// Makes a safe name from any text: the last path segment without leading dots, with other characters replaced by
    /// `_`, and cut to 120 bytes. The extension is kept.
    pub fn sanitize(name: &str) -> Self {
        let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut safe: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
            .collect();
        let leading_dots = safe.len() - safe.trim_start_matches('.').len();
        safe.replace_range(..leading_dots, "");
        if safe.is_empty() {
            safe.push_str("file");
        }
        if safe.len() > 120 {
            let extension =
                safe.rfind('.').filter(|dot| safe.len() - dot <= 12).map(|dot| safe[dot..].to_owned());
            let extension = extension.unwrap_or_default();
            safe.truncate(120 - extension.len());
            safe.push_str(&extension);
        }
        Self(safe)
    }

    /// Returns the name in lower case and without dots at its end. Names for which it is equal can be one file on Windows and macOS.
    pub fn folded(&self) -> String {
        self.0.trim_end_matches('.').to_lowercase()
    }

    /// Returns the text after the last dot, in lower case; empty if there is no dot.
    pub fn extension(&self) -> String {
        self.0.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
    }
}

/// The id of a chunk within its export. If a chunk stops early, its remaining work becomes a chunk with the same index
/// and the next part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChunkId {
    pub index: u32,
    pub part: u32,
}

impl ChunkId {
    pub fn first(index: u32) -> Self {
        Self { index, part: 0 }
    }

    /// Returns the id of the chunk for the remaining work of this one.
    pub fn rest(self) -> Self {
        Self { part: self.part + 1, ..self }
    }

    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (index, part) = text.split_once('.').ok_or(InvalidId("chunk id"))?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 8;
        if !digits(index) || !digits(part) {
            return Err(InvalidId("chunk id"));
        }
        let id = Self {
            index: index.parse().map_err(|_| InvalidId("chunk id"))?,
            part: part.parse().map_err(|_| InvalidId("chunk id"))?,
        };
        if id.to_string() == text { Ok(id) } else { Err(InvalidId("chunk id")) }
    }
}

impl fmt::Display for ChunkId {
    /// Pads the index, so that the texts sort in the order of the indexes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:06}.{}", self.index, self.part)
    }
}

impl From<ChunkId> for String {
    fn from(id: ChunkId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ChunkId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests;
