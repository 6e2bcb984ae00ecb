//! The settings, files and texts that all pages share, and their Content Security Policy.

use std::sync::Arc;

use http::header::{ACCEPT_LANGUAGE, COOKIE};
use http::{HeaderMap, HeaderValue, Uri};
use settings::{Pages, Settings};
use url::form_urlencoded;
use words::{Language, Words};

use crate::assets::Assets;

/// The query parameter and the cookie that choose a language.
pub const LANGUAGE: &str = "lang";

/// See the [module](self).
#[derive(Debug)]
pub struct Site {
    /// The path of the public base URL, with which every link in a page begins; usually empty.
    pub prefix: String,
    pub pages: Pages,
    pub assets: Assets,
    /// The URL below which the files of [`Assets`] are.
    pub asset_base: String,
    pub secure_cookies: bool,
    pub documentation_url: String,
}

impl Site {
    pub fn new(settings: &Settings) -> Self {
        Self {
            prefix: settings.path(),
            pages: settings.pages.clone(),
            assets: Assets::new(&settings.pages),
            asset_base: settings.url("/assets/"),
            secure_cookies: settings.secure_cookies(),
            documentation_url: settings.documentation_url.clone(),
        }
    }

    /// Returns the texts in a language.
    pub fn words(&self, language: Language) -> Words {
        Words { language, overrides: self.pages.words.clone(), zone: self.pages.zone.clone() }
    }

    /// Returns the Content Security Policy. Pages send forms to this server. If `form_action` names another origin, the response to a
    /// form may redirect there.
    pub fn policy(&self, form_action: Option<&str>) -> Option<HeaderValue> {
        let assets = &self.asset_base;
        let also = form_action.map(|origin| format!(" {origin}")).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'; img-src 'self'; form-action 'self'{also}; style-src {assets}; script-src {assets}"
        );
        HeaderValue::from_str(&policy).ok()
    }

    /// Returns the cookie that keeps the language for a year.
    pub fn language_cookie(&self, language: Language) -> Option<HeaderValue> {
        let secure = if self.secure_cookies { "; Secure" } else { "" };
        let path = if self.prefix.is_empty() { "/" } else { &self.prefix };
        let tag = language.tag();
        HeaderValue::from_str(&format!(
            "{LANGUAGE}={tag}; Path={path}; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}"
        ))
        .ok()
    }
}

impl Default for Site {
    fn default() -> Self {
        let settings = Settings::parse("base_url = \"http://localhost\"", |_| None, None);
        Self::new(&settings.expect("a base URL is all that settings need"))
    }
}

/// The properties of the reader that a page depends on.
#[derive(Debug, Clone)]
pub struct Reader {
    pub site: Arc<Site>,
    pub language: Language,
    /// The path of the request, below the prefix.
    pub path: String,
    /// The path and query of the request, without the choice of a language.
    pub address: String,
    /// The same as a link that shows this page again; `None` if the method of the request is not safe.
    pub here: Option<String>,
}

impl Reader {
    /// Returns the reader who sent the request. The URL determines the language; without it, the cookie; without both, `Accept-Language`.
    pub fn of(site: Arc<Site>, method: &http::Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let language = asked_for(uri)
            .or_else(|| of_cookie(headers))
            .or_else(|| Language::preferred(headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?))
            .unwrap_or(Language::ENGLISH);
        let address = address(uri);
        let here = method.is_safe().then(|| address.clone());
        Self { site, language, path: uri.path().to_owned(), address, here }
    }

    pub fn words(&self) -> Words {
        self.site.words(self.language)
    }
}

impl Default for Reader {
    fn default() -> Self {
        let [path, address] = ["/"; 2].map(str::to_owned);
        Self { site: Arc::default(), language: Language::ENGLISH, path, address, here: None }
    }
}

/// Returns the language that the URL names.
pub fn asked_for(uri: &Uri) -> Option<Language> {
    let query = form_urlencoded::parse(uri.query()?.as_bytes());
    query.into_iter().find(|(name, _)| name == LANGUAGE).and_then(|(_, tag)| Language::of_tag(&tag))
}

/// Returns the language of the cookie. The cookie is no secret and gives no access, so the rules for cookies do not apply to a response for
/// which it was read ([`crate::session`]).
fn of_cookie(headers: &HeaderMap) -> Option<Language> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies =
        lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == LANGUAGE).and_then(|(_, tag)| Language::of_tag(tag))
}

/// Returns the path and query without the language, and without the code of a form's link, which must not be part of another link.
/// Leading slashes that would make browsers read the path as another host are removed.
fn address(uri: &Uri) -> String {
    let path = uri.path().trim_start_matches(['/', '\\']);
    let mut query = form_urlencoded::Serializer::new(String::new());
    let all = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    query.extend_pairs(all.filter(|(name, _)| name != LANGUAGE && name != "code"));
    match query.finish() {
        query if query.is_empty() => format!("/{path}"),
        query => format!("/{path}?{query}"),
    }
}

#[cfg(test)]
mod tests;
