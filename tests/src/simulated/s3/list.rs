//! Listing: stored and generated keys in one order.

use std::fmt::Write as _;

use super::{Bucket, Generated, escaped, lower_bound};
use crate::simulated::clock::at;
use crate::simulated::random::mixed;
use crate::simulated::request::Call;
use crate::simulated::response::SimulatedResponse;

/// The time at which the generated objects were written.
const GENERATED_AT: &str = "2026-01-01T00:00:00.000Z";

/// An entry of a listing.
struct Entry {
    key: String,
    size: u64,
    etag: String,
    changed: String,
}

impl Bucket {
    /// Lists keys. With `holes` a page may be short, or empty although more keys follow: S3 does not guarantee full pages.
    pub(super) fn list(&self, call: &Call, page: usize, holes: bool) -> SimulatedResponse {
        let prefix = call.parameter("prefix").unwrap_or_default();
        let delimiter = call.parameter("delimiter").filter(|delimiter| !delimiter.is_empty());
        let mut most =
            call.parameter("max-keys").and_then(|most| most.parse().ok()).unwrap_or(page).min(page);
        // A continuation token has priority over `start-after`.
        let after = call.parameter("continuation-token").or(call.parameter("start-after"));
        let mut entries = self.entries(prefix, after.unwrap_or_default());
        let mut is_hole = false;
        if holes && call.parameter("continuation-token").is_none() {
            let text = after.unwrap_or_default().bytes();
            let random = mixed(text.fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
            is_hole = random.is_multiple_of(3);
            most = if random % 3 == 1 { most.div_ceil(2) } else { most };
        }
        let (mut xml, mut common) = (String::with_capacity(1_024 + 300 * most), Vec::<String>::new());
        let (mut count, mut last, mut is_truncated) = (0, String::new(), false);
        if is_hole {
            is_truncated = true;
            after.unwrap_or(prefix).clone_into(&mut last);
        }
        while !is_hole && let Some(entry) = entries.next() {
            let inner = delimiter.and_then(|delimiter| {
                let end = entry.key[prefix.len()..].find(delimiter)?;
                Some(entry.key[..prefix.len() + end + delimiter.len()].to_owned())
            });
            // A page may have ended with a common prefix; all keys below it are then skipped.
            if let Some(inner) =
                inner.as_ref().filter(|inner| after.is_some_and(|after| after.starts_with(*inner)))
            {
                entries = self.entries(prefix, &format!("{inner}\u{10ffff}"));
                continue;
            }
            if count == most {
                is_truncated = true;
                break;
            }
            count += 1;
            match inner {
                Some(inner) => {
                    last.clone_from(&inner);
                    // All keys below the prefix become one entry.
                    entries = self.entries(prefix, &format!("{inner}\u{10ffff}"));
                    common.push(inner);
                }
                None => {
                    write_entry(&mut xml, &entry);
                    last = entry.key;
                }
            }
        }
        let mut body = format!(
            "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Prefix>{}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{is_truncated}</IsTruncated>",
            escaped(prefix)
        );
        if is_truncated {
            let _ = write!(body, "<NextContinuationToken>{}</NextContinuationToken>", escaped(&last));
        }
        body.push_str(&xml);
        for prefix in common {
            let _ = write!(body, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&prefix));
        }
        body.push_str("</ListBucketResult>");
        SimulatedResponse::xml(200, body).header("x-keys", count.to_string())
    }

    /// Returns all entries below a prefix and after a key.
    fn entries<'b>(&'b self, prefix: &str, after: &str) -> Entries<'b> {
        let start = if after < prefix { prefix.to_owned() } else { format!("{after}\0") };
        let stored = self.objects.range(start.clone()..);
        let generated = self.generated.as_deref();
        let number = generated.map_or(0, |generated| lower_bound(generated, &start));
        Entries { prefix: prefix.to_owned(), stored: stored.peekable(), generated, number }
    }
}

struct Entries<'b> {
    prefix: String,
    stored: std::iter::Peekable<std::collections::btree_map::Range<'b, String, super::Object>>,
    generated: Option<&'b dyn Generated>,
    number: u64,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let generated = self.generated.filter(|generated| self.number < generated.count());
        let made = generated.map(|generated| generated.key(self.number));
        let is_stored = match (self.stored.peek(), &made) {
            (Some((stored, _)), Some(made)) => *stored < made,
            (stored, _) => stored.is_some(),
        };
        let entry = if is_stored {
            let (key, object) = self.stored.next()?;
            let changed = at(object.changed).to_string();
            Entry { key: key.clone(), size: object.bytes.len() as u64, etag: object.etag.clone(), changed }
        } else {
            let (generated, number) = (generated?, self.number);
            self.number += 1;
            Entry {
                key: made?,
                size: generated.size(number),
                etag: format!("\"{number:032x}\""),
                changed: GENERATED_AT.to_owned(),
            }
        };
        entry.key.starts_with(&self.prefix).then_some(entry)
    }
}

fn write_entry(xml: &mut String, entry: &Entry) {
    let _ = write!(
        xml,
        "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
        escaped(&entry.key),
        entry.changed,
        escaped(&entry.etag),
        entry.size
    );
}
