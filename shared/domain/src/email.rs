//! E-mail addresses, in the form to which the server sends mails.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The maximum lengths (RFC 5321, 4.5.3.1 and its erratum 1690).
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;
const MAX_LABEL: usize = 63;

/// An address such as `anna@example.org`, without a name, quotes or comments. `Debug` does not show it, so that it
/// never gets into a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Returns the address in a text; `None` for a text that is not exactly one address. Control characters, and all
    /// signs that have a meaning in the header of a mail, are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, host) = text.split_once('@')?;
        (text.len() <= MAX_ADDRESS && is_local(local) && is_host(host)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress")
    }
}

/// Returns whether a text is a dot-atom (RFC 5322, 3.2.3).
fn is_local(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    text.len() <= MAX_LOCAL && text.split('.').all(is_atom)
}

/// Returns whether a text is the name of a host with at least two labels. Names with other letters are written in
/// Punycode.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
