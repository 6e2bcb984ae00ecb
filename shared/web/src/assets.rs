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

use crate::respond::ready;

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
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_depends_on_its_content() {
        let usual = Assets::new(&Pages::default());
        let accent = Accent { light: "#7a1f5c".to_owned(), dark: "#f0a0d0".to_owned() };
        let other = Assets::new(&Pages { accent, ..Pages::default() });
        assert_ne!(usual.style.name, other.style.name);
        assert_eq!(usual.script.name, other.script.name);
        let kept = |file: &str| {
            let response = usual.get(file)?;
            response.headers()[CACHE_CONTROL].to_str().ok().map(str::to_owned)
        };
        assert!(kept(&usual.style.name).is_some_and(|kept| kept.contains("immutable")));
        assert_eq!(kept(&other.style.name).as_deref(), Some("public, max-age=60"));
        for nothing in ["", "style", "style.css", "style.js", "../style.0.css", "logo.0.png", "page.0.css"] {
            assert_eq!(kept(nothing), None, "{nothing}");
        }
    }

    /// The minimum contrasts of WCAG 2.2, level AA: 4.5 for text, 3 for edges and the focus ring. Each colour is measured on the page and
    /// on a soft background.
    #[test]
    fn every_colour_of_the_stylesheet_has_its_contrast() {
        let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").expect("two schemes");
        for (scheme, text) in [("light", light), ("dark", dark)] {
            let colour = |name: &str| {
                let (_, rest) = text.split_once(&format!("--{name}: ")).expect(name);
                luminance(&rest[..7])
            };
            let ratio = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
            for (name, least) in
                [("ink", 4.5), ("muted", 4.5), ("edge", 3.0), ("accent", 4.5), ("focus", 3.0)]
            {
                for ground in ["page", "soft"] {
                    let found = ratio(colour(name), colour(ground));
                    assert!(found >= least, "{scheme} {name} on {ground}: {found:.2}");
                }
            }
            for name in ["bad", "good", "warn", "wait"] {
                for ground in ["page", &format!("{name}-soft")] {
                    let found = ratio(colour(name), colour(ground));
                    assert!(found >= 4.5, "{scheme} {name} on {ground}: {found:.2}");
                }
            }
            assert!(ratio(colour("on-accent"), colour("accent")) >= 4.5, "{scheme}");
        }
    }

    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }
}
