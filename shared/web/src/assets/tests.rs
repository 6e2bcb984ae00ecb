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
fn every_colour_of_the_stylesheet_has_enough_contrast() {
    let (light, dark) = STYLE.split_once("@media (prefers-color-scheme: dark)").expect("two schemes");
    for (scheme, text) in [("light", light), ("dark", dark)] {
        let colour = |name: &str| {
            let (_, rest) = text.split_once(&format!("--{name}: ")).expect(name);
            luminance(&rest[..7])
        };
        let ratio = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        for (name, least) in [("ink", 4.5), ("muted", 4.5), ("edge", 3.0), ("accent", 4.5), ("focus", 3.0)] {
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
