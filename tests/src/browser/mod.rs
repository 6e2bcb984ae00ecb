//! Pages in a real browser: `cargo xtask browser` starts one Chromium, and each story gets a context of its own in it,
//! like a private window.

mod checks;
mod covered;
mod keyboard;
mod page;
mod protocol;
mod site;

pub use self::checks::{Audience, Check, Finding, Violation, inspect};
pub use self::covered::{CHECKED, assert_is};
pub use self::keyboard::{Key, Stop};
pub use self::page::Page;
pub use self::site::{Review, Site};

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use self::protocol::Connection;
use crate::deployed::variable;
use crate::text;

/// The width and colour scheme in which a page is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// The width in CSS pixels.
    pub width: u32,
    pub scheme: Scheme,
}

/// The colour scheme that the person prefers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Look {
    pub const PHONE: Self = Self { width: 390, scheme: Scheme::Light };
    pub const DESK: Self = Self { width: 1280, scheme: Scheme::Light };

    /// Returns all looks: the narrowest screen that must work (WCAG 1.4.10), a telephone and a desk; each light and dark.
    pub fn all() -> impl Iterator<Item = Self> {
        let widths = [320, 390, 1280].into_iter();
        widths.flat_map(|width| [Scheme::Light, Scheme::Dark].map(|scheme| Self { width, scheme }))
    }
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Script {
    On,
    Off,
}

/// Chromium with a context that no other story uses: its cookies and its cache are new.
pub struct Browser {
    connection: Arc<Connection>,
    context: String,
}

impl Browser {
    /// Connects to the Chromium that `cargo xtask browser` started.
    pub async fn open() -> Self {
        let connection = Connection::open(&variable("EHI_TEST_BROWSER")).await;
        // Chromium removes the context when the connection ends, also after a panic.
        let created = connection.call("", "Target.createBrowserContext", json!({ "disposeOnDetach": true }));
        let context = text(&created.await.expect("a context")["browserContextId"]);
        Self { connection: Arc::new(connection), context }
    }

    /// Opens an empty page.
    pub async fn page(&self, look: Look, script: Script) -> Page {
        let blank = json!({ "url": "about:blank", "browserContextId": self.context });
        let target = self.connection.call("", "Target.createTarget", blank).await.expect("a page");
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.connection.call("", "Target.attachToTarget", attach).await.expect("a session");
        let page = Page::new(self.connection.clone(), text(&session["sessionId"]));
        page.prepare(script).await;
        page.look(look).await;
        page
    }
}

/// Returns the directory of the screenshots.
pub(crate) fn screenshots() -> PathBuf {
    PathBuf::from(variable("EHI_TEST_SCREENSHOTS"))
}
