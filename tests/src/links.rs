//! A store of files that has links, as a bucket has.

use domain::error::Store;

use crate::hooked::Hook;

/// See the [module](self).
pub struct Links;

impl Hook for Links {
    fn follows(&self, _: Store) -> bool {
        false
    }

    fn link(&self, key: &str) -> Option<String> {
        Some(format!("https://the-files.test/{key}"))
    }

    fn has_links(&self) -> bool {
        true
    }
}
