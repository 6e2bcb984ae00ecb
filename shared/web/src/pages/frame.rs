//! The common header and footer of every page, and the filters of templates.

use std::sync::Arc;

use domain::roles::{Role, Roles};
use words::{Language, Words};

use crate::assets::Asset;
use crate::request_context::{self, Person};
use crate::rules::LIFETIME;
use crate::site::{LANGUAGE, Reader, Site};

/// The name under which a template finds the frame.
pub(crate) const FRAME: &str = "frame";

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    site: Arc<Site>,
    words: Words,
    /// The path and query of the request.
    address: String,
    /// The same as a link that shows this page again; `None` for the response to a form.
    here: Option<String>,
    /// The roles of the reader, if the reader is a member of staff.
    roles: Roles,
    person: Option<Person>,
}

/// A link that shows a page in another language.
pub(crate) struct LanguageLink {
    pub(crate) tag: &'static str,
    pub(crate) name: String,
    pub(crate) href: String,
}

impl Frame {
    /// Returns the frame for the reader of the current response.
    pub(crate) fn current() -> Self {
        let reader = request_context::reader();
        let (roles, person) = (request_context::current_roles(), request_context::current_person());
        let (words, Reader { site, address, here, .. }) = (reader.words(), reader);
        Self { site, words, address, here, roles, person }
    }

    /// Returns whether the reader may review exports.
    pub(crate) fn is_reviewer(&self) -> bool {
        self.roles.has(Role::Reviewer)
    }

    /// Returns whether the reader may read the audit trail.
    pub(crate) fn is_auditor(&self) -> bool {
        self.roles.has(Role::Auditor)
    }

    /// Returns whether the reader is an administrator.
    pub(crate) fn is_administrator(&self) -> bool {
        self.roles.has(Role::Administrator)
    }

    pub(crate) fn language(&self) -> &'static str {
        self.words.language.tag()
    }

    pub(crate) fn direction(&self) -> &'static str {
        self.words.direction()
    }

    pub(crate) fn title(&self) -> String {
        self.site.pages.title.clone().unwrap_or_else(|| self.words.text("title", &[]))
    }

    pub(crate) fn style(&self) -> String {
        self.url(&self.site.assets.style)
    }

    pub(crate) fn script(&self) -> String {
        self.url(&self.site.assets.script)
    }

    pub(crate) fn icon(&self) -> String {
        self.url(&self.site.assets.icon)
    }

    pub(crate) fn logo(&self) -> Option<String> {
        self.site.assets.logo.as_ref().map(|logo| self.url(logo))
    }

    fn url(&self, asset: &Asset) -> String {
        format!("{}{}", self.site.asset_base, asset.name)
    }

    pub(crate) fn help(&self) -> Option<&String> {
        self.site.pages.help_url.as_ref()
    }

    /// Returns the lifetime of a session after its last use, in seconds.
    #[expect(clippy::unused_self, reason = "templates call it as a method of the frame")]
    pub(crate) fn session_seconds(&self) -> i64 {
        LIFETIME.as_secs()
    }

    /// Returns the sentence about the lifetime of a session.
    pub(crate) fn session_words(&self) -> String {
        self.words.text("session-ends", &[("minutes", &LIFETIME.as_mins().to_string())])
    }

    /// Returns the URL of the documentation of the export format.
    pub(crate) fn format(&self) -> &str {
        &self.site.documentation_url
    }

    #[expect(clippy::unused_self, reason = "templates call it as a method of the frame")]
    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Returns links to this page in the other languages; empty if a link cannot show the page.
    pub(crate) fn other_languages(&self) -> Vec<LanguageLink> {
        self.here.as_ref().map(|here| self.languages_at(here)).unwrap_or_default()
    }

    /// Returns the path and query of the request.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns links to this page in the other languages. If the page is the response to a form, the links lead to `page` instead.
    pub(crate) fn languages_or(&self, page: &str) -> Vec<LanguageLink> {
        self.languages_at(self.here.as_deref().unwrap_or(page))
    }

    /// Returns the name of the person who is signed in, and the path to which the button for signing out is sent. Returns `None` if
    /// the request was handled without reading a session.
    pub(crate) fn person(&self) -> Option<(&str, &'static str)> {
        match self.person.as_ref()? {
            Person::Patient(name) => Some((name, "/patient-logout")),
            Person::Staff(name) => Some((name, "/staff/logout")),
        }
    }

    /// Returns links to a page in the other languages.
    pub(crate) fn languages_at(&self, here: &str) -> Vec<LanguageLink> {
        let others = Language::all().filter(|language| *language != self.words.language);
        let link = |language: Language| LanguageLink {
            tag: language.tag(),
            name: language.name(),
            href: format!(
                "{}{here}{}{LANGUAGE}={}",
                self.site.prefix,
                if here.contains('?') { '&' } else { '?' },
                language.tag()
            ),
        };
        others.map(link).collect()
    }
}

#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the macro generates the filters this way"
)]
pub(super) mod filters {
    use askama::{Values, filter_fn, get_value};

    use super::{FRAME, Frame};

    fn of(values: &dyn Values) -> Frame {
        get_value::<Frame>(values, FRAME).cloned().unwrap_or_else(|_| Frame::current())
    }

    /// Returns a path of this server below the path of the public base URL.
    #[filter_fn]
    pub fn at(path: &str, values: &dyn Values) -> askama::Result<String> {
        Ok(format!("{}{path}", of(values).site.prefix))
    }

    /// Returns the message of a key.
    #[filter_fn]
    pub fn t(key: &str, values: &dyn Values) -> askama::Result<String> {
        Ok(of(values).words.text(key, &[]))
    }

    /// Returns the message of a key with one variable.
    #[filter_fn]
    pub fn t1(key: &str, values: &dyn Values, name: &str, value: &str) -> askama::Result<String> {
        Ok(of(values).words.text(key, &[(name, value)]))
    }

    /// Returns a name for a text without elements, such as the title of the page.
    #[filter_fn]
    pub fn isolated(name: &str, _: &dyn Values) -> askama::Result<String> {
        Ok(words::isolated(name).into_owned())
    }

    /// Returns the frame of the page.
    #[filter_fn]
    pub fn frame(_: &str, values: &dyn Values) -> askama::Result<Frame> {
        Ok(of(values))
    }
}
