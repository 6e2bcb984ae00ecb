//! The files that pages load: one stylesheet, one script, the icon and the logo from the settings. The name of each file contains a
//! digest of its content, so that browsers may cache the file without limit.

use axum::body::Bytes;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto::fingerprint;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};
use settings::{Accent, Logo, Pages};

use crate::in_memory::ready;

const STYLE: &str = include_str!("../assets/style.css");
const SCRIPT: &str = include_str!("../assets/page.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// A file and the name in its URL.
#[derive(Debug)]
pub struct Asset {
    /// `style.0123456789abcdef.css`
    pub name: String,
    content_type: &'static str,
    content: Bytes,
}

/// Every file that pages load.
#[derive(Debug)]
pub struct Assets {
    pub style: Asset,
    pub script: Asset,
    pub icon: Asset,
    pub logo: Option<Asset>,
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = fingerprint(&STANDARD.encode(&content));
        Self { name: format!("{stem}.{}.{extension}", &digest[..16]), content_type, content }
    }

    /// Returns whether `file` is the name of this file in any version of the server: the digests may differ.
    fn is_version(&self, file: &str) -> bool {
        let stem_and_extension = |name: &str| {
            let (stem, rest) = name.split_once('.')?;
            Some((stem.to_owned(), rest.rsplit_once('.')?.1.to_owned()))
        };
        stem_and_extension(&self.name) == stem_and_extension(file)
    }

    fn response(&self, cache_control: &'static str) -> Response {
        let mut response = ready(StatusCode::OK, self.content_type, self.content.clone());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        // A browser treats an SVG that is opened directly as a page.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
        response
    }
}

impl Assets {
    pub fn new(pages: &Pages) -> Self {
        Self {
            style: Asset::new("style", "css", "text/css; charset=utf-8", style(&pages.accent)),
            script: Asset::new("page", "js", "text/javascript; charset=utf-8", SCRIPT),
            icon: Asset::new("icon", "svg", "image/svg+xml", ICON),
            logo: pages.logo.as_ref().and_then(logo),
        }
    }

    /// Returns the response with a file; `None` if there is no file of that name. During an upgrade two versions of the server run, and
    /// a page of one version may request a file from the other. The server then sends its own version, which may be cached for one minute.
    pub fn get(&self, file: &str) -> Option<Response> {
        let mut all = [&self.style, &self.script, &self.icon].into_iter().chain(&self.logo);
        let asset = all.find(|asset| asset.is_version(file))?;
        Some(asset.response(match asset.name == file {
            true => "public, max-age=31536000, immutable",
            false => "public, max-age=60",
        }))
    }
}

/// Returns the stylesheet. If the settings choose an accent, its rules follow the default ones.
fn style(accent: &Accent) -> String {
    if *accent == Accent::default() {
        return STYLE.to_owned();
    }
    let Accent { light, dark } = accent;
    format!(
        "{STYLE}\n@media screen {{ :root {{ --accent: {light}; }} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}\n"
    )
}

fn logo(logo: &Logo) -> Option<Asset> {
    let content = STANDARD.decode(&logo.data).ok()?;
    let extension = logo.media_type.strip_prefix("image/")?.split('+').next()?;
    Some(Asset::new("logo", extension, logo.media_type, content))
}

#[cfg(test)]
mod tests;
