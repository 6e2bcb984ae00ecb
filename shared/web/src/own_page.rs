//! The address of the page of this server to which a person is redirected after signing in. It comes from a request, so it is checked
//! whenever it is read: it must not lead to another host, or to another page than it seems to name.

/// The maximum length of an address in bytes.
const MAX: usize = 1_000;

/// Returns whether a path and query, without the path of the public base URL, is the address of one of these pages or of a page below them.
pub fn is_own_page(address: &str, pages: &[&str]) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let is_within =
        |page: &&str| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    address.len() <= MAX
        && address.bytes().all(is_plain)
        && !path.contains("//")
        && !path.split('/').any(is_relative)
        && pages.iter().any(is_within)
}

/// Returns whether a segment of a path is one that browsers resolve, in any spelling.
fn is_relative(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests;
