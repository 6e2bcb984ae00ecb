//! Check 4 (`infra/docs/checks.md`): the computed colours have the required contrasts, in light and in dark.

use tests::browser::{Look, Page, Scheme, Script};
use tests::in_browser;

use super::opened;

/// A colour, the surfaces on which it stands, and its lowest contrast in light and in dark.
type Row = (&'static str, &'static [&'static str], f64, f64);

const SURFACES: &[&str] = &["--page", "--soft"];

const TABLE: [Row; 10] = [
    ("--ink", SURFACES, 14.82, 13.15),
    ("--muted", SURFACES, 6.57, 7.44),
    ("--edge", SURFACES, 3.85, 4.70),
    ("--accent", SURFACES, 6.39, 8.47),
    ("--on-accent", &["--accent"], 7.11, 8.93),
    ("--focus", SURFACES, 5.97, 7.87),
    ("--bad", &["--bad-soft"], 5.72, 7.57),
    ("--good", &["--good-soft"], 5.60, 8.41),
    ("--warn", &["--warn-soft"], 6.72, 8.64),
    ("--wait", &["--wait-soft"], 6.44, 7.98),
];

/// Returns the lowest contrast of a colour with these surfaces.
async fn lowest(page: &Page, colour: &str, surfaces: &[&str]) -> f64 {
    let mut lowest = f64::INFINITY;
    for surface in surfaces {
        lowest = lowest.min(page.contrast(&format!("var({colour})"), &format!("var({surface})")).await);
    }
    lowest
}

/// Returns the computed style of an element.
async fn style(page: &Page, (selector, pseudo): (&str, &str), property: &str) -> String {
    let element = format!("document.querySelector({selector:?})");
    page.evaluate(&format!("getComputedStyle({element}, {pseudo:?} || null)[{property:?}]")).await
}

/// Checks the computed colours of elements: a selector, a pseudo-element, a property, and the colour that it must have.
async fn assert_uses(page: &Page, name: &str, elements: &[(&str, &str, &str, &str)]) {
    for &(selector, pseudo, property, colour) in elements {
        let found = style(page, (selector, pseudo), property).await;
        let wanted: String = page
            .evaluate(&format!(
                "(() => {{ const probe = document.createElement('span'); probe.style.color = 'var({colour})';
                document.body.append(probe); const found = getComputedStyle(probe).color; probe.remove(); return found; }})()"
            ))
            .await;
        assert_eq!(found, wanted, "{name}: {selector}{pseudo} {property} is not {colour}");
    }
}

const PARTS_OF_A_PAGE: [(&str, &str, &str, &str); 6] = [
    ("html", "", "backgroundColor", "--page"),
    ("body", "", "color", "--ink"),
    ("main a:not(.button)", "", "color", "--accent"),
    (".foot", "", "color", "--muted"),
    ("header.top", "", "backgroundColor", "--soft"),
    ("main .button:not(.plain)", "", "color", "--on-accent"),
];

const PARTS_OF_A_FORM: [(&str, &str, &str, &str); 5] = [
    ("input[type=search]", "", "borderTopColor", "--edge"),
    ("input[type=search]", "::placeholder", "color", "--muted"),
    (".state.retrieved", "", "color", "--warn"),
    (".state.retrieved", "", "backgroundColor", "--warn-soft"),
    ("main a:focus-visible", "", "outlineColor", "--focus"),
];

/// Check 4.
#[in_browser]
async fn computed_colours_have_the_required_contrasts() {
    let (site, _browser, page) = opened(Look::DESK, Script::On).await;
    site.in_review().await;
    site.sign_staff_in(&page).await;
    for scheme in [Scheme::Light, Scheme::Dark] {
        let look = Look { scheme, ..Look::DESK };
        page.look(look).await;
        page.open(&site.at("/")).await;
        for (colour, surfaces, light, dark) in TABLE {
            let wanted = if scheme == Scheme::Light { light } else { dark };
            let found = lowest(&page, colour, surfaces).await;
            assert!((found - wanted).abs() < 0.006, "{colour}, {scheme:?}: {found} instead of {wanted}");
        }
        assert_uses(&page, "landing", &PARTS_OF_A_PAGE).await;
        page.open(&site.at("/staff")).await;
        // The pages have no placeholders, but the style sheet has their colour.
        page.evaluate::<String>("document.querySelector('input[type=search]').placeholder = 'A name'").await;
        page.tab_until("a link in the page", |stop| stop.href.contains("/staff/jobs/")).await;
        assert_uses(&page, "queue", &PARTS_OF_A_FORM).await;
    }
}
